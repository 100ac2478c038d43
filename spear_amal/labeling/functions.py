"""Labelling functions (LFs): a named, printable, callable object around a user's function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, overload

import numpy as np

from spear_amal._typing import ClassLike, NamedFunction, PointFunction, PointT
from spear_amal.errors import InputError
from spear_amal.labeling.preprocessing import run_chain
from spear_amal.labeling.user_functions import (
    as_chain,
    as_resources,
    checked,
    checked_name,
    checked_version,
    name_of,
    source_of,
    take_identity,
)
from spear_amal.notebook_html import html_block, html_code
from spear_amal.votes.class_set import ClassSet
from spear_amal.votes.label_matrix import ABSTAIN


class LabelingFunction(Generic[PointT]):
    """A function from a data point to a class or abstain, with a name.

    Parameters
    ----------
    name : str
        Unique within a set of LFs.
    f : callable
        A function, bound method, partial or object with ``__call__``.
        ``f(x, **resources)`` returns a class (number, Enum member or name), or None or -1 to
        abstain. With `label` it may also return True (votes the label) or False (abstains).
        With `vectorized` it gets a batch of columns and returns an array (n,).
    resources : mapping, optional
        Keyword arguments handed to `f` at every call: word lists, models.
    pre : sequence of preprocessors, optional
        Run before `f`, once a row for the whole set of LFs. Not for vectorised LFs.
    label : int, str or Enum member, optional
        The one class that this LF votes for. A name needs the applier's `classes`.
    vectorized : bool, default=False
        The function takes a batch (DataFrame, mapping of columns or list of rows).
    cont_scorer : callable or ContinuousScorer, optional
        Gives a score in [0, 1]; `f` receives it as the keyword ``continuous_score`` and the
        score is kept in the label matrix where the LF fires.
    version : str or int, optional
        Your word for what the votes depend on: a cache of votes computes them anew when it changes.
        An LF that uses the network, the clock, files or a model of compiled code is not cached
        without it; with it, name, version, and the code of the function itself are what counts.

    Attributes
    ----------
    name, resources, pre, label, vectorized, scorer, version
        As above.
    continuous : bool
        True if there is a scorer.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> short = LabelingFunction("short", lambda x: 0 if len(x.text) < 5 else -1)
    >>> short(SimpleNamespace(text="ok"))
    0
    """

    def __init__(
        self,
        name: str,
        f: Callable[..., Any],
        resources: Mapping[str, Any] | None = None,
        pre: Sequence[NamedFunction] | None = None,
        label: ClassLike | None = None,
        vectorized: bool = False,
        cont_scorer: Callable[..., Any] | None = None,
        version: str | int | None = None,
    ) -> None:
        checked_name(name, "an LF")
        take_identity(self, checked(f, f"LF {name!r}"))
        if isinstance(label, bool | float | np.floating):
            raise InputError(f"label of LF {name!r} must be a class, found {label!r}")
        if vectorized and pre:
            raise InputError(
                f"LF {name!r} is vectorised and takes no preprocessors; compute the column before, "
                "or write it as a row function"
            )
        self.name = name
        self._f = f
        self.resources = as_resources(resources, f"LF {name!r}")
        self.pre = as_chain(pre, f"LF {name!r}")
        self.label = label
        self.vectorized = vectorized
        self.scorer = None if cont_scorer is None else ContinuousScorer.of(cont_scorer)
        self.version = checked_version(version, f"LF {name!r}")

    @property
    def row_form(self) -> LabelingFunction[PointT] | None:
        """The same LF on rows, for a vectorised LF that has one: it finds the row that fails."""
        return None

    @property
    def possible_votes(self) -> tuple[ClassLike, ...]:
        """Classes that are checked before the LF runs, as it costs something; mostly none."""
        return ()

    @property
    def is_shared(self) -> bool:
        """True if one process must run the LF, as it keeps to limits that others do not see."""
        return False

    @property
    def fingerprint(self) -> Any:
        """Plain values on which votes depend, of an LF that knows them; None: its code is read."""
        return None

    @property
    def continuous(self) -> bool:
        """True if the LF gives scores."""
        return self.scorer is not None

    @property
    def function(self) -> Callable[[Any], Any]:
        """Raw answer on a row or batch that is preprocessed, for an LF without scorer."""
        return functools.partial(self._f, **self.resources) if self.resources else self._f

    def evaluate(self, x: Any) -> tuple[Any, Any]:
        """Raw answer and score (None without scorer) on a row or batch that is preprocessed."""
        if self.scorer is None:
            return self._f(x, **self.resources), None
        score = self.scorer(x)
        return self._f(x, continuous_score=score, **self.resources), score

    # ``int | Any``: a checker offers what int has, and lets names and batches of votes pass.
    def __call__(self, x: PointT) -> int | Any:
        """Return the vote on one data point; on a batch if the LF is vectorised.

        Returns
        -------
        int (or what the function returned, where it names no code by itself)
            A class or -1.
        """
        answer, _ = self.evaluate(run_chain(self.pre, x))
        if self.vectorized:
            return answer
        if self.label is not None and isinstance(answer, bool | np.bool_):
            answer = self.label if answer else ABSTAIN
        try:
            return ClassSet().code(answer)
        except InputError:
            return answer

    def __repr__(self) -> str:
        label = "" if self.label is None else f", Label: {self.label}"
        return f"{type(self).__name__} {self.name}, Preprocessors: {list(self.pre)}{label}"

    def _repr_html_(self) -> str:
        """Return kind, name, what it votes for and the source, for a notebook."""
        source = source_of(self._f)
        parts = [html_code(source)] if source else []
        return html_block(f"{type(self).__name__} {self.name}", self.facts(), parts)

    def facts(self) -> dict[str, str]:
        """Return what is known of the LF, in words by name: what it votes for, what it reads.

        Examples
        --------
        >>> LabelingFunction("short", len, label=1).facts()
        {'votes for': '1', 'reads': 'one row'}
        """
        facts = {} if self.label is None else {"votes for": str(self.label)}
        facts["reads"] = "a batch of rows" if self.vectorized else "one row"
        more = {
            "preprocessors": [first.name for first in self.pre],
            "resources": list(self.resources),
            "score": [] if self.scorer is None else [self.scorer.name],
        }
        return facts | {name: ", ".join(names) for name, names in more.items() if names}


class LFDecorator(Protocol):
    """What :func:`labeling_function` with brackets returns."""

    def __call__(self, f: PointFunction[PointT, Any], /) -> LabelingFunction[PointT]:
        """Make a labelling function of `f`."""


@overload
def labeling_function(
    name: PointFunction[PointT, Any],
) -> LabelingFunction[PointT]: ...
@overload
def labeling_function(
    name: str | None = None,
    resources: Mapping[str, Any] | None = None,
    pre: Sequence[NamedFunction] | None = None,
    label: ClassLike | None = None,
    vectorized: bool = False,
    cont_scorer: Callable[..., Any] | None = None,
    version: str | int | None = None,
) -> LFDecorator: ...
def labeling_function(
    name: Any = None,
    resources: Mapping[str, Any] | None = None,
    pre: Sequence[NamedFunction] | None = None,
    label: ClassLike | None = None,
    vectorized: bool = False,
    cont_scorer: Callable[..., Any] | None = None,
    version: str | int | None = None,
) -> LabelingFunction | LFDecorator:
    """Make a :class:`LabelingFunction` of a function; with brackets or without.

    Parameters
    ----------
    name : str, optional
        Name of the LF; by default that of the function, of what a partial calls, or of the class
        of an object that can be called.
    resources, pre, label, vectorized, cont_scorer, version
        As in :class:`LabelingFunction`.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> @labeling_function(label=1)
    ... def has_link(x):
    ...     return "http" in x.text
    >>> has_link
    LabelingFunction has_link, Preprocessors: [], Label: 1
    >>> has_link(SimpleNamespace(text="see http://a.b")), has_link(SimpleNamespace(text="hi"))
    (1, -1)
    """

    def decorate(f: Callable[..., Any]) -> LabelingFunction:
        own_name = name_of(f) if name is None or f is name else name
        return LabelingFunction(
            own_name, f, resources, pre, label, vectorized, cont_scorer, version
        )

    return decorate(name) if callable(name) else decorate


def is_labeling_function(obj: Any) -> bool:
    """Return whether `obj` is an LF of ours or, by the name of its class, of Snorkel's."""
    return any(kind.__name__ == "LabelingFunction" for kind in type(obj).__mro__)


def as_labeling_function(obj: Any) -> LabelingFunction:
    """Our LF as it is; another package's callable with a ``name`` wrapped unchanged.

    Raises
    ------
    InputError
        If the object is neither.
    """
    if isinstance(obj, LabelingFunction):
        return obj
    if callable(obj) and isinstance(getattr(obj, "name", None), str):
        return LabelingFunction(obj.name, obj)
    raise InputError(
        f"{obj!r} is no labelling function; decorate the function with @labeling_function"
    )


class ContinuousScorer(Generic[PointT]):
    """A named function from a data point (or batch) to a score, with its resources.

    Parameters
    ----------
    name : str
    f : callable
        ``f(x, **resources)`` returns a number; with a vectorised LF an array (n,).
    resources : mapping, optional
    """

    def __init__(
        self,
        name: str,
        f: Callable[..., Any],
        resources: Mapping[str, Any] | None = None,
    ) -> None:
        checked_name(name, "a scorer")
        take_identity(self, checked(f, f"scorer {name!r}"))
        self.name = name
        self._f = f
        self.resources = as_resources(resources, f"scorer {name!r}")

    @classmethod
    def of(cls, scorer: Callable[..., Any]) -> ContinuousScorer:
        """Return `scorer`, wrapped if it is a plain callable."""
        if isinstance(scorer, cls):
            return scorer
        return cls(name_of(scorer), scorer)

    def __call__(self, x: PointT) -> float | Any:
        """Return the score of one data point; of a batch an array (n,)."""
        return self._f(x, **self.resources)

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.name}"


class ScorerDecorator(Protocol):
    """What :func:`continuous_scorer` with brackets returns."""

    def __call__(self, f: PointFunction[PointT, Any], /) -> ContinuousScorer[PointT]:
        """Make a scorer of `f`."""


@overload
def continuous_scorer(
    name: PointFunction[PointT, Any],
) -> ContinuousScorer[PointT]: ...
@overload
def continuous_scorer(
    name: str | None = None, resources: Mapping[str, Any] | None = None
) -> ScorerDecorator: ...
def continuous_scorer(
    name: Any = None, resources: Mapping[str, Any] | None = None
) -> ContinuousScorer | ScorerDecorator:
    """Make a :class:`ContinuousScorer` of a function; with brackets or without.

    Examples
    --------
    >>> @continuous_scorer(resources={"words": {"free", "win"}})
    ... def share_of_words(x, words):
    ...     tokens = x.split()
    ...     return sum(token in words for token in tokens) / len(tokens)
    >>> share_of_words("win a free ring")
    0.5
    """

    def decorate(f: Callable[..., Any]) -> ContinuousScorer:
        own_name = name_of(f) if name is None or f is name else name
        return ContinuousScorer(own_name, f, resources)

    return decorate(name) if callable(name) else decorate
