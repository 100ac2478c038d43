"""Names of another package that are asked for here and are not there: each says what to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def refused_names(module: str, instead: Mapping[str, str]) -> Callable[[str], object]:
    """Return the function that a module has as its ``__getattr__``.

    Parameters
    ----------
    module : str
    instead : mapping of str to str
        By name what to use in its place. Asking for it raises an ImportError, whose message
        ``from module import name`` shows, where that of an AttributeError would be lost.
    """

    def load(name: str) -> object:
        if name in instead:
            raise ImportError(
                f"{module} has no {name}, which Snorkel has; {instead[name]}",
                name=module,
            )
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return load
