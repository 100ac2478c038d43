"""Each warning once: what every fold, row or epoch of a call would say again is said one time."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _ShowOnce:
    """A stand-in for ``warnings.showwarning`` that passes each text on once."""

    def __init__(self, show: Any) -> None:
        self.show = show
        self._texts: set[tuple[type, str]] = set()

    def __call__(
        self, message: Warning | str, category: type[Warning], *where: Any, **further: Any
    ) -> None:
        text = (category, str(message))
        if text not in self._texts:
            self._texts.add(text)
            self.show(message, category, *where, **further)


@contextmanager
def each_warning_once() -> Iterator[None]:
    """Show each text of a warning once while the block runs, whatever the filters say.

    Filters stay as they are: what they ignore is not shown, what they make an error is one. A block
    within another one, in whatever thread, shares what was shown.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as shown:
    ...     warnings.simplefilter("always")
    ...     with each_warning_once():
    ...         for _ in range(3):
    ...             warnings.warn("again", stacklevel=1)
    >>> len(shown)
    1
    """
    before = warnings.showwarning
    if isinstance(before, _ShowOnce):
        yield
        return
    # Not catch_warnings: with it Python forgets what it has shown, and shows it again later.
    once: Any = _ShowOnce(before)
    warnings.showwarning = once
    try:
        yield
    finally:
        if warnings.showwarning is once:
            warnings.showwarning = before
