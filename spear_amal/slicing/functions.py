"""Slicing functions: whether a row belongs to a slice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spear_amal._typing import NamedFunction
from spear_amal.labeling.functions import LabelingFunction
from spear_amal.labeling.nlp import DEFAULT_MODEL, SpacyPreprocessor
from spear_amal.labeling.preprocessing import run_chain
from spear_amal.labeling.user_functions import name_of

__all__ = [
    "NLPSlicingFunction",
    "SlicingFunction",
    "nlp_slicing_function",
    "slicing_function",
]


class SlicingFunction(LabelingFunction):
    """A named function that says of a data point whether it belongs to a slice.

    Parameters
    ----------
    name : str
    f : callable
        ``f(x, **resources)`` returns True or False.
    resources : mapping, optional
    pre : sequence of preprocessors, optional
    """

    def __init__(
        self,
        name: str,
        f: Callable[..., Any],
        resources: Mapping[str, Any] | None = None,
        pre: Sequence[NamedFunction] | None = None,
    ) -> None:
        super().__init__(name, f, resources, pre)

    def __call__(self, x: Any) -> Any:
        """Return what the function says of one data point."""
        return self.function(run_chain(self.pre, x))


def slicing_function(
    name: Any = None,
    resources: Mapping[str, Any] | None = None,
    pre: Sequence[NamedFunction] | None = None,
) -> Any:
    """Make a :class:`SlicingFunction` of a function; with brackets or without.

    Parameters
    ----------
    name : str, optional
        The function's own name by default.
    resources, pre
        As in :class:`SlicingFunction`.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> @slicing_function()
    ... def short(x):
    ...     return len(x.text.split()) < 5
    >>> short, short(SimpleNamespace(text="So good!"))
    (SlicingFunction short, Preprocessors: [], True)
    """

    def decorate(f: Callable[..., Any]) -> SlicingFunction:
        own_name = name_of(f) if name is None or f is name else name
        return SlicingFunction(own_name, f, resources, pre)

    return decorate(name) if callable(name) else decorate


class NLPSlicingFunction(SlicingFunction):
    """A slicing function whose data points carry a document that spaCy has parsed.

    Parameters
    ----------
    name, f, resources
        As in :class:`SlicingFunction`.
    pre : sequence of preprocessors, optional
        Run before the pipeline.
    text_field, doc_field, language, disable, memoize, memoize_key, nlp
        As in :class:`spear_amal.labeling.SpacyPreprocessor`.
    """

    def __init__(
        self,
        name: str,
        f: Callable[..., Any],
        resources: Mapping[str, Any] | None = None,
        pre: Sequence[NamedFunction] | None = None,
        text_field: str = "text",
        doc_field: str = "doc",
        language: str = DEFAULT_MODEL,
        disable: Sequence[str] | None = None,
        memoize: bool = True,
        memoize_key: Callable[[Any], Any] | None = None,
        nlp: Any = None,
    ) -> None:
        parser = SpacyPreprocessor(
            nlp, text_field, doc_field, disable, pre, memoize, memoize_key, language=language
        )
        super().__init__(name, f, resources, [parser])


def nlp_slicing_function(
    name: Any = None,
    resources: Mapping[str, Any] | None = None,
    pre: Sequence[NamedFunction] | None = None,
    text_field: str = "text",
    doc_field: str = "doc",
    language: str = DEFAULT_MODEL,
    disable: Sequence[str] | None = None,
    memoize: bool = True,
    memoize_key: Callable[[Any], Any] | None = None,
    nlp: Any = None,
) -> Any:
    """Make a :class:`NLPSlicingFunction` of a function; with brackets or without.

    Parameters
    ----------
    name, resources, pre, text_field, doc_field, language, disable, memoize, memoize_key, nlp
        As in :class:`NLPSlicingFunction`.

    Examples
    --------
    >>> import spacy
    >>> from types import SimpleNamespace
    >>> @nlp_slicing_function(nlp=spacy.blank("en"))
    ... def short(x):
    ...     return len(x.doc) < 5
    >>> short(SimpleNamespace(text="So good!"))
    True
    """

    def decorate(f: Callable[..., Any]) -> NLPSlicingFunction:
        own_name = name_of(f) if name is None or f is name else name
        options = (text_field, doc_field, language, disable, memoize, memoize_key, nlp)
        return NLPSlicingFunction(own_name, f, resources, pre, *options)

    return decorate(name) if callable(name) else decorate
