"""What others published on corpora in WRENCH's format, with the place where each figure stands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd

from spear_amal.estimators import LabelModelClassifier
from spear_amal.studies.corpus_votes import CorpusVotes
from spear_amal.studies.methods import METHODS, Method

#: Where figures come from, by the name that stands beside them.
SOURCES = {
    "WRENCH": "Zhang et al., WRENCH: A Comprehensive Benchmark for Weak Supervision, NeurIPS 2021 "
    "(arXiv 2109.11377); sizes of corpora from its README. The figures of Census are quoted at "
    "second hand, as its tables were not at hand",
    "BoxWRENCH": "Zhang et al., Stronger Than You Think: Benchmarking Weak Supervision on "
    "Realistic Tasks, NeurIPS 2024 (arXiv 2501.07727): result files below end_model_training/ of "
    "github.com/jeffreywpli/stronger-than-you-think",
}
#: The end model that is none: the label model answers on test rows by their votes.
NO_END_MODEL = "none"
#: The label model of a figure that rests on gold labels of all training rows.
GOLD = "gold"


@dataclass(frozen=True)
class PublishedFigure:
    """One figure that others published.

    Attributes
    ----------
    corpus, label_model, end_model : str
        Names of this package where it has the same; the end model "none" is the label model alone.
    value, sd : float
        Points of the corpus' metric on its test rows; the deviation is not-a-number where unknown.
    given : str
        What the method was given, in words.
    source, place : str
        A key of :data:`SOURCES`, and where it says so.
    """

    corpus: str
    label_model: str
    end_model: str
    value: float
    sd: float
    given: str
    source: str
    place: str

    @property
    def title(self) -> str:
        """Name for tables, such as "Majority vote + BERT".

        Examples
        --------
        >>> PublishedFigure("c", "flying-squid", "none", 77.6, 0.0, "", "", "").title
        'FlyingSquid alone'
        """
        label_model = title_of(self.label_model)
        if self.end_model == NO_END_MODEL:
            return f"{label_model} alone"
        return f"{label_model} + {_END_MODELS.get(self.end_model, self.end_model)}"


def end_method(label_model: str) -> Method | None:
    """Return the method that is this label model and a classifier, where there is one."""
    found = [
        method
        for method in METHODS.values()
        if method.estimator is LabelModelClassifier
        and dict(method.defaults) == {"label_model": label_model}
    ]
    return found[0] if found else None


def title_of(label_model: str) -> str:
    """Return the name of a label model for tables.

    Examples
    --------
    >>> title_of("dawid-skene"), title_of("best label model")
    ('Dawid-Skene', 'Best label model')
    """
    method = end_method(label_model)
    if method is None:
        return label_model.capitalize()
    return method.title.removesuffix(" + classifier")


_END_MODELS = {
    "linear": "logistic regression",
    "mlp": "MLP",
    "bert": "BERT",
    "bert cosine": "BERT with COSINE",
}


@dataclass(frozen=True)
class PublishedCorpus:
    """A corpus as it was published, known by its sizes, whatever a folder is called.

    Attributes
    ----------
    name : str
    sizes : tuple of int
        Rows of train, valid and test, number of LFs and of classes.
    metric : str
        That of its figures.
    """

    name: str
    sizes: tuple[int, ...]
    metric: str


def published_corpus(source: CorpusVotes) -> PublishedCorpus | None:
    """Return the published corpus that this one is; None if it is none of them.

    Of the same name is not the same: only where the votes came with the corpus, and the numbers of
    rows in each part, of LFs and of classes are those published, do figures stand side by side.
    """
    corpus = source.corpus
    if corpus.label_matrix is None:
        return None
    rows = [len(corpus.rows(part)) for part in ("train", "validation", "test")]
    sizes = (*rows, source.votes.shape[1], len(corpus.classes))
    known = [corpus for corpus in _corpora() if corpus.sizes == sizes]
    return known[0] if known else None


def published_figures(corpus: str) -> list[PublishedFigure]:
    """Return the figures of a published corpus, by its name."""
    return [figure for figure in _figures() if figure.corpus == corpus]


@cache
def _corpora() -> list[PublishedCorpus]:
    table = _table("published_corpora.csv")
    sizes = table[["train", "valid", "test", "lfs", "classes"]].itertuples(index=False, name=None)
    return [
        PublishedCorpus(name, numbers, metric)
        for name, numbers, metric in zip(table["corpus"], sizes, table["metric"], strict=True)
    ]


@cache
def _figures() -> list[PublishedFigure]:
    rows = _table("published_figures.csv").itertuples(index=False, name=None)
    return [PublishedFigure(*row) for row in rows]


def _table(name: str) -> pd.DataFrame:
    with files("spear_amal.studies.bench").joinpath(name).open(encoding="utf-8") as handle:
        return pd.read_csv(handle, keep_default_na=False, na_values={"sd": [""]})
