"""Pipelines of spaCy that classify texts."""

from __future__ import annotations

from typing import Any

from spear_amal.errors import InputError
from spear_amal.labeling.installed import version_of
from spear_amal.model_lfs.probability_model import ProbabilityModel

_FACTORIES = ("textcat", "textcat_multilabel")


class SpacyModel(ProbabilityModel):
    """A pipeline with one text classifier, whose answers are read from ``doc.cats``."""

    def __init__(self, nlp: Any, version: str | int | None = None) -> None:
        factories = {name: nlp.get_pipe_meta(name).factory for name in nlp.pipe_names}
        labels = {name: nlp.get_pipe(name).labels for name in factories if name in _labelled(nlp)}
        names, is_exclusive = classes_of_pipes(factories, labels)
        super().__init__(names, is_exclusive, version)
        self.nlp = nlp

    def batch_probabilities(self, batch: Any) -> list[list[float]]:
        """Return the scores of the classifier."""
        docs = self.nlp.pipe(batch, batch_size=len(batch))
        return [[doc.cats[name] for name in self.class_names] for doc in docs]

    def content(self) -> Any:
        """Return weights and settings; strings that the pipeline has met do not count."""
        vectors = self.nlp.vocab.vectors.to_bytes()
        return [self.nlp.to_bytes(exclude=["vocab"]), vectors, version_of("spacy")]


def _labelled(nlp: Any) -> list[str]:
    return [name for name in nlp.pipe_names if hasattr(nlp.get_pipe(name), "labels")]


def classes_of_pipes(
    factories: dict[str, str], labels: dict[str, Any]
) -> tuple[tuple[str, ...], bool]:
    """Return the classes of the one text classifier of a pipeline, and whether they are exclusive.

    Parameters
    ----------
    factories : dict of str to str
        What each component was made by.
    labels : dict of str to sequence of str

    Raises
    ------
    InputError
        If there is no text classifier, or there are several.
    """
    classifiers = [name for name, factory in factories.items() if factory in _FACTORIES]
    if len(classifiers) != 1:
        found = ", ".join(factories) or "no component"
        raise InputError(
            "a pipeline of spaCy needs one text classifier (textcat or textcat_multilabel), found "
            f"{len(classifiers)} among: {found}"
        )
    [name] = classifiers
    return tuple(labels[name]), factories[name] == "textcat"
