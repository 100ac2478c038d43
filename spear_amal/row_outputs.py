"""What a trained model says of the rows that it was trained on, in one ``.npz`` file.

``spear-amal train --row-outputs`` writes it and the workbench shows it, without torch. Rows are
told apart by digests of their texts, so that outputs find their rows in a table that has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spear_amal._typing import PathLike
from spear_amal.errors import FileFormatError
from spear_amal.io.arrays import read_arrays, write_arrays
from spear_amal.labeling.row_digests import digests_of_texts

__all__ = ["ModelOutputs", "UnseenAnswers", "read_row_outputs", "write_row_outputs"]

_KIND, _ADVICE = "a file of row outputs", "write it again with spear-amal train --row-outputs"


@dataclass(frozen=True)
class UnseenAnswers:
    """How gold rows were predicted by models that had not seen them, for the estimate of a score.

    Attributes
    ----------
    digests : ndarray (g,) uint64
        Of the texts.
    gold, predicted : ndarray of int (g,)
        Class codes.
    overlap : float
        Share of the variance that is added for models that share rows, as intervals take it.
    positive : int
        Code of the class whose F1 the metric "f1" is.
    """

    digests: np.ndarray
    gold: np.ndarray
    predicted: np.ndarray
    overlap: float = 0.0
    positive: int = 1


@dataclass(frozen=True)
class ModelOutputs:
    """What a trained model says of n rows.

    Attributes
    ----------
    classes : tuple of str
        In code order.
    proba : ndarray (n, C)
        Probabilities as ``predict_proba`` gives them, in the order of `classes`.
    digests : ndarray (n,) uint64
        Of the texts, see :meth:`places_of`.
    rule_proba : ndarray (n, C) or None
        Probabilities of the rule model; None for a method without one.
    weights : DataFrame of n rows or None
        Weight of each loss, learnt or 1; NaN where a loss says nothing of a row. None where the
        method keeps none.
    unseen : UnseenAnswers or None
        None where no score was estimated.
    """

    classes: tuple[str, ...]
    proba: np.ndarray
    digests: np.ndarray
    rule_proba: np.ndarray | None = None
    weights: pd.DataFrame | None = None
    unseen: UnseenAnswers | None = None

    def places_of(self, texts: Sequence[Any]) -> np.ndarray:
        """Return for each text the row of the same text, -1 where there is none.

        Of rows with one text the first ones belong to each other, then the second ones, and so on.

        Examples
        --------
        >>> outputs = ModelOutputs(("a",), np.ones((3, 1)), digests_of_texts(["x", "y", "x"]))
        >>> outputs.places_of(["x", "x", "x", "z", "y"]).tolist()
        [0, 2, -1, -1, 1]
        """
        wanted = digests_of_texts(texts)
        if np.array_equal(wanted, self.digests):
            return np.arange(len(wanted))
        here = pd.DataFrame({"digest": self.digests, "nth": _nth(self.digests)})
        here["place"] = np.arange(len(here))
        there = pd.DataFrame({"digest": wanted, "nth": _nth(wanted)})
        places = there.merge(here, how="left", on=["digest", "nth"])["place"]
        return places.fillna(-1).to_numpy(dtype=np.int64)


def _nth(digests: np.ndarray) -> np.ndarray:
    """Return for each row how many rows before it have its digest."""
    counts: np.ndarray = pd.Series(digests).groupby(digests).cumcount().to_numpy()
    return counts


def write_row_outputs(path: PathLike, outputs: ModelOutputs) -> None:
    """Write outputs into one file, aside first; one that is there is replaced.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written.
    """
    arrays: dict[str, Any] = {
        "classes": np.array(outputs.classes, dtype=np.str_),
        "proba": outputs.proba,
        "digests": outputs.digests,
    }
    if outputs.rule_proba is not None:
        arrays["rule_proba"] = outputs.rule_proba
    if outputs.weights is not None:
        arrays["losses"] = np.array(list(outputs.weights), dtype=np.str_)
        arrays["weights"] = outputs.weights.to_numpy(dtype=np.float32)
    if outputs.unseen is not None:
        parts = vars(outputs.unseen).items()
        arrays |= {f"unseen_{name}": np.asarray(value) for name, value in parts}
    write_arrays(path, arrays, compress=False, durable=False)


def read_row_outputs(path: PathLike) -> ModelOutputs:
    """Read what :func:`write_row_outputs` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file is damaged, or another one.
    """
    arrays = read_arrays(path, _KIND, _ADVICE)
    unseen = None
    weights = None
    try:
        classes = tuple(arrays["classes"].tolist())
        shape = (len(arrays["digests"]), len(classes))
        if "weights" in arrays:
            weights = pd.DataFrame(arrays["weights"], columns=arrays["losses"].tolist())
        if "unseen_gold" in arrays:
            names = ("digests", "gold", "predicted")
            unseen = UnseenAnswers(
                **{name: arrays[f"unseen_{name}"] for name in names},
                overlap=float(arrays["unseen_overlap"]),
                positive=int(arrays["unseen_positive"]),
            )
        outputs = ModelOutputs(
            classes, arrays["proba"], arrays["digests"], arrays.get("rule_proba"), weights, unseen
        )
    except (KeyError, ValueError) as error:
        raise FileFormatError(f"{path} is not {_KIND} ({error}); {_ADVICE}") from error
    shapes = {part.shape for part in (outputs.proba, outputs.rule_proba) if part is not None}
    if shapes != {shape} or (weights is not None and len(weights) != shape[0]):
        raise FileFormatError(f"{path} is damaged: its parts are of different rows; {_ADVICE}")
    return outputs
