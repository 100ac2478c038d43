"""Preprocessing by a spaCy pipeline, parsed in batches and once a row for a set of LFs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, overload

from spear_amal._typing import ClassLike, NamedFunction, PointFunction, PointT
from spear_amal.errors import InputError, MissingExtraError
from spear_amal.labeling.cell_values import is_missing
from spear_amal.labeling.functions import LabelingFunction, LFDecorator
from spear_amal.labeling.preprocessing import MEMO_SIZE, BasePreprocessor
from spear_amal.labeling.rows import field, set_field
from spear_amal.labeling.user_functions import name_of

# Snorkel's default; it is loaded only if no pipeline is given.
DEFAULT_MODEL = "en_core_web_sm"
TEXTS_AT_A_TIME = 256


class SpacyPreprocessor(BasePreprocessor):
    """Adds a parsed document to each row, with any spaCy pipeline.

    Two of these with the same pipeline, fields and `disable` share their work within one
    ``apply``.

    Parameters
    ----------
    nlp : pipeline, str or None, default=None
        A pipeline object (``spacy.blank("en")`` will do), or the name or path of one to load.
        None loads `language`.
    text_field, doc_field : str, default="text" and "doc"
        Where the text is and where the document goes. A row that is a plain string is replaced
        by its document. A missing text is parsed as an empty one.
    disable : sequence of str, optional
        Components of the pipeline not to run.
    language : str, default="en_core_web_sm"
        Pipeline to load if `nlp` is None.
    pre, memoize, memoize_key, memo_size
        As in :class:`BasePreprocessor`.

    Raises
    ------
    MissingExtraError
        If a pipeline must be loaded and spaCy is not installed.
    InputError
        If the named pipeline is not installed.
    """

    def __init__(
        self,
        nlp: Any = None,
        text_field: str = "text",
        doc_field: str = "doc",
        disable: Sequence[str] | None = None,
        pre: Sequence[NamedFunction] | None = None,
        memoize: bool = False,
        memoize_key: Callable[[Any], Hashable] | None = None,
        memo_size: int = MEMO_SIZE,
        language: str = DEFAULT_MODEL,
    ) -> None:
        super().__init__(type(self).__name__, pre, memoize, memoize_key, memo_size)
        if nlp is None or isinstance(nlp, str):
            nlp = _load(nlp or language)
        if not hasattr(nlp, "pipe"):
            raise InputError(f"nlp must be a spaCy pipeline or its name, found {nlp!r}")
        self.nlp = nlp
        self.text_field = text_field
        self.doc_field = doc_field
        self.disable = tuple(disable or ())

    def share_key(self) -> Hashable:
        """Pipeline, fields, switched-off components, and the key that tells rows apart."""
        key = self.memoize_key if self.memoize else None
        return (type(self), id(self.nlp), self.text_field, self.doc_field, self.disable, key)

    def _map_fresh(self, rows: list[Any]) -> list[Any]:
        texts = [field(x, self.text_field) for x in rows]
        texts = ["" if is_missing(text) else text for text in texts]
        docs = self.nlp.pipe(texts, batch_size=TEXTS_AT_A_TIME, disable=list(self.disable))
        return [self._with_doc(x, doc) for x, doc in zip(rows, docs, strict=True)]

    def _with_doc(self, x: Any, doc: Any) -> Any:
        if isinstance(x, str):
            return doc
        set_field(x, self.doc_field, doc)
        return x


@functools.lru_cache(maxsize=4)
def _load(name: str) -> Any:
    """Load a pipeline once, so that LFs that name it share it."""
    try:
        import spacy
    except ImportError as error:
        raise MissingExtraError("spacy", "nlp", "SpacyPreprocessor") from error
    try:
        return spacy.load(name)
    except OSError as error:
        raise InputError(
            f"no spaCy pipeline {name!r} is installed; hand over a pipeline object, for example "
            'nlp=spacy.blank("en"), or the path of a folder'
        ) from error


class NLPLabelingFunction(LabelingFunction):
    """An LF whose rows carry a document that spaCy has parsed; see :func:`nlp_labeling_function`.

    Parameters
    ----------
    name, f, resources, label, version
        As in :class:`LabelingFunction`.
    pre : sequence of preprocessors, optional
        Run before the pipeline.
    text_field, doc_field, language, disable, memoize, memoize_key, nlp
        As in :class:`SpacyPreprocessor`.
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
        memoize_key: Callable[[Any], Hashable] | None = None,
        *,
        nlp: Any = None,
        label: ClassLike | None = None,
        version: str | int | None = None,
    ) -> None:
        parser = SpacyPreprocessor(
            nlp, text_field, doc_field, disable, pre, memoize, memoize_key, language=language
        )
        super().__init__(name, f, resources, [parser], label, version=version)


@overload
def nlp_labeling_function(name: PointFunction[PointT, Any]) -> LabelingFunction[PointT]: ...
@overload
def nlp_labeling_function(
    name: str | None = None,
    resources: Mapping[str, Any] | None = None,
    pre: Sequence[NamedFunction] | None = None,
    text_field: str = "text",
    doc_field: str = "doc",
    nlp: Any = None,
    label: ClassLike | None = None,
    language: str = DEFAULT_MODEL,
    disable: Sequence[str] | None = None,
    memoize: bool = False,
    memoize_key: Callable[[Any], Hashable] | None = None,
    version: str | int | None = None,
) -> LFDecorator: ...
def nlp_labeling_function(
    name: Any = None,
    resources: Mapping[str, Any] | None = None,
    pre: Sequence[NamedFunction] | None = None,
    text_field: str = "text",
    doc_field: str = "doc",
    nlp: Any = None,
    label: ClassLike | None = None,
    language: str = DEFAULT_MODEL,
    disable: Sequence[str] | None = None,
    memoize: bool = False,
    memoize_key: Callable[[Any], Hashable] | None = None,
    version: str | int | None = None,
) -> LabelingFunction | LFDecorator:
    """Make an LF whose rows carry a parsed document in the field `doc_field`.

    Parameters
    ----------
    name, resources, label, version
        As in :class:`LabelingFunction`.
    pre : sequence of preprocessors, optional
        Run before the pipeline.
    text_field, doc_field, nlp, language, disable, memoize, memoize_key
        As in :class:`SpacyPreprocessor`.

    Examples
    --------
    >>> import spacy
    >>> from types import SimpleNamespace
    >>> @nlp_labeling_function(nlp=spacy.blank("en"), label=0)
    ... def short(x):
    ...     return len(x.doc) < 5
    >>> short(SimpleNamespace(text="So good!"))
    0
    """

    def decorate(f: Callable[..., Any]) -> NLPLabelingFunction:
        own_name = name_of(f) if name is None or f is name else name
        options = (text_field, doc_field, language, disable, memoize, memoize_key)
        return NLPLabelingFunction(
            own_name, f, resources, pre, *options, nlp=nlp, label=label, version=version
        )

    return decorate(name) if callable(name) else decorate
