"""Each warning once: what every fold, row or epoch of a call would say again is said one time."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

#: What was shown, in order: category and text; the values say nothing.
ShownTexts: TypeAlias = dict[tuple[type[Warning], str], None]


_exchange = threading.Lock()  # of ``warnings.showwarning``, which all threads share


class _ShowOnce:
    """A stand-in for ``warnings.showwarning`` that passes each text on once, until it is over.

    Blocks of several threads may end in another order than they began, so that one that is over
    may be called by one that is not.
    """

    def __init__(self, show: Any, shown: ShownTexts) -> None:
        self.show, self.shown, self.is_over = show, shown, False

    def __call__(
        self, message: Warning | str, category: type[Warning], *where: Any, **further: Any
    ) -> None:
        text = (category, str(message))
        if self.is_over or text not in self.shown:
            self.shown[text] = None
            self.show(message, category, *where, **further)


def _in_force(show: Any) -> Any:
    """Return the first of a chain of stand-ins that is not over, or what they stand in for."""
    while isinstance(show, _ShowOnce) and show.is_over:
        show = show.show
    return show


@contextmanager
def each_warning_once(shown: ShownTexts | None = None) -> Iterator[None]:
    """Show each text of a warning once while the block runs, whatever the filters say.

    Filters stay as they are: what they ignore is not shown, what they make an error is one. A block
    within another one, in whatever thread, shares what was shown.

    Parameters
    ----------
    shown : dict, optional
        What was shown already, to which the block adds: for work that is left and taken up again.
        Such a block within another one notes what it would have shown alone.

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
    with _exchange:
        before = _in_force(warnings.showwarning)
        shares = isinstance(before, _ShowOnce) and shown is None
        once: Any = before if shares else _ShowOnce(before, {} if shown is None else shown)
        # Not catch_warnings: with it Python forgets what it has shown, and shows it again later.
        warnings.showwarning = once
    try:
        yield
    finally:
        with _exchange:
            once.is_over = once.is_over or not shares
            warnings.showwarning = _in_force(warnings.showwarning)
