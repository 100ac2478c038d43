"""What is handed to ``fit`` becomes one table with roles; after this nothing is checked."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.model_selection import train_test_split
from sklearn.utils import column_or_1d
from sklearn.utils.validation import validate_data

from spear_amal.errors import InputError
from spear_amal.estimators.class_order import (
    codes_of_model,
    codes_of_votes,
    refuse_unlabelled_in_calibration,
    sorted_classes,
    warn_of_sorted_codes,
)
from spear_amal.estimators.row_weights import read_weights, with_mean_one
from spear_amal.models.image_model import check_pixels, pixel_kind
from spear_amal.votes.class_set import ClassNames
from spear_amal.votes.gold import Gold, read_gold
from spear_amal.votes.label_matrix import LabelMatrix, as_label_matrix
from spear_amal.votes.row_ids import align_votes, check_same_rows

# Share of the rows with votes, or a teacher, that choose the epoch where there is no gold.
ANSWERED_FRACTION = 0.2


class FitInputs(NamedTuple):
    """The rows that ``fit`` is given, of training and of validation."""

    X: Any
    y: Any
    L: Any = None
    X_val: Any = None
    y_val: Any = None
    L_val: Any = None
    sample_weight: Any = None


@dataclass(frozen=True)
class TrainingPool:
    """All rows that ``fit`` was given: training rows first, then validation rows.

    Attributes
    ----------
    x : ndarray or csr_array (n, D)
    y : ndarray of int (n,)
        Class codes; -1 where unlabelled.
    votes : LabelMatrix (n, m) in unipolar form, or None
    validation : ndarray of int
        Row numbers of V; all of them labelled, or none if there is no gold at all.
    classes : ndarray (C,)
    source : {"given", "split", "training", "folds", "label-model", "teacher"}
        Where V came from; "label-model": there is no gold, and V are rows with votes; "teacher":
        there are neither, and V are rows of any kind.
    n_train : int
        Rows of X.
    places : ndarray of int (n,)
        The order in which rows are drawn from, for each row its place: by row id where rows have
        ids, so that a table in another order gives the same model but for rounding.
    weights : ndarray (n,) or None
        What the losses of each row are multiplied by: 1 in the mean over gold rows of training.
    """

    x: Any
    y: np.ndarray
    votes: LabelMatrix | None
    validation: np.ndarray
    classes: np.ndarray
    plan: list[tuple[int, int]]
    source: str
    n_train: int
    places: np.ndarray
    weights: np.ndarray | None = None

    @property
    def gold(self) -> np.ndarray:
        """Row numbers with a gold label, V included, in the order of their places."""
        return self.ordered(np.flatnonzero(self.y >= 0))

    @property
    def unlabelled(self) -> np.ndarray:
        """Row numbers without a gold label."""
        return np.flatnonzero(self.y < 0)

    def ordered(self, rows: np.ndarray) -> np.ndarray:
        """Return row numbers in the order of their places."""
        return rows[np.argsort(self.places[rows])]

    @property
    def has_gold(self) -> bool:
        """True if any row, V included, has a gold label."""
        return bool((self.y >= 0).any())

    def covered(self) -> np.ndarray:
        """Rows (n,) on which an LF fired."""
        return np.zeros(len(self.y), dtype=bool) if self.votes is None else self.votes.covered()

    def answered(self) -> np.ndarray:
        """Rows (n,) of which something is said without gold: by LFs, or else by teachers."""
        return np.ones(len(self.y), dtype=bool) if self.votes is None else self.votes.covered()


def make_pool(
    estimator: Any, inputs: FitInputs, plan: list[tuple[int, int]] | None = None
) -> TrainingPool:
    """Check the rows given to ``fit`` and put them into one pool.

    Sets what an estimator learns of its inputs: ``classes_``, ``n_features_in_`` and
    ``vote_schema_``.

    Parameters
    ----------
    estimator : BaseSpearEstimator
    inputs : FitInputs
    plan : list of (LF, class), optional
        Columns of the unipolar votes where L is but some of the votes that training sees.

    Raises
    ------
    InputError
        For rows, labels or votes that do not go together; names the argument.
    """
    _check_pairs(inputs)
    inputs = _same_rows(inputs)
    X = estimator._check_features(inputs.X, reset=True)
    votes = None if inputs.L is None else as_label_matrix(inputs.L)
    if votes is not None:
        check_rows("L", len(votes), X.shape[0], "X")
        if plan is None and votes.nnz == 0:
            raise InputError("all LFs abstain on all rows of L; without votes leave L out")
    told = estimator._classes_told() if inputs.y is None and votes is None else None
    y_given = _given_gold(estimator, inputs, X.shape[0], told)
    gold = read_target(y_given, votes, inputs.X, X.shape[0], told)
    order = _learn_classes(estimator, gold, None if estimator._needs_gold else votes, told)
    codes = codes_of_model(gold.codes, order)
    if order is None and votes is not None and estimator.classes_.dtype.kind in "iu":
        warn_of_sorted_codes(votes, codes)
    streamed, schema = plan is not None, None
    if plan is None:
        plan = [] if votes is None else votes.unipolar_plan()
    if votes is not None:
        schema = VoteSchema.of(inputs.L, votes, len(gold.labels), order)
        votes = schema.to_model(votes.with_classes(schema.class_names))
        plan = estimator._select_columns(votes, schema.plan_of_model(plan))
    estimator.vote_schema_ = schema
    features, all_codes, all_votes = [X], [codes], [votes]
    tables = () if streamed else (inputs.L, inputs.X, inputs.y)  # rows on disk stay as they lie
    places = places_by_id(tables, len(codes))
    if inputs.X_val is None:
        validation, source = _held_out(estimator, codes, votes, places)
    else:
        x_val, codes_val, votes_val = _validation_rows(estimator, inputs)
        places_val = places_by_id((inputs.L_val, inputs.X_val, inputs.y_val), len(codes_val))
        validation, source = len(codes) + np.argsort(places_val), "given"
        places = np.concatenate([places, len(codes) + places_val])
        features, all_codes, all_votes = [X, x_val], [codes, codes_val], [votes, votes_val]
    y = np.concatenate(all_codes)
    unipolar = [part.to_unipolar(plan) for part in all_votes if part is not None]
    return TrainingPool(
        x=stack(features) if len(features) > 1 else X,
        y=y,
        votes=estimator._select_votes(LabelMatrix.concatenate(unipolar) if unipolar else None, y),
        validation=validation,
        classes=estimator.classes_,
        plan=plan,
        source=_source_of(estimator, source),
        n_train=X.shape[0],
        places=places,
        weights=_row_weights(estimator, inputs, y, validation),
    )


def _given_gold(estimator: Any, inputs: FitInputs, n_rows: int, told: Any) -> Any:
    """Gold as it was given; none of any row where votes, or teachers, are enough."""
    votes_do = inputs.L is not None and not estimator._needs_gold
    if inputs.y is None and (votes_do or told is not None):
        return np.full(n_rows, -1)
    return inputs.y


def _held_out(
    estimator: Any, codes: np.ndarray, votes: LabelMatrix | None, places: np.ndarray
) -> tuple[np.ndarray, str]:
    """Rows of V where none were given, and where they came from."""
    if (codes < 0).all():
        rows = np.arange(len(codes)) if votes is None else np.flatnonzero(votes.covered())
        source = "teacher" if votes is None else "label-model"
        return hold_out_answered(rows, estimator.seed_, places), source
    return hold_out(codes, estimator.validation_fraction, estimator.seed_, places)


def _row_weights(
    estimator: Any, inputs: FitInputs, y: np.ndarray, validation: np.ndarray
) -> np.ndarray | None:
    """Weights of all rows; validation rows that were given count alike."""
    weights = read_weights(inputs.sample_weight, inputs.X, inputs.y)
    if weights is None:
        return None
    gold = np.flatnonzero(y[: len(weights)] >= 0)
    # In folds all gold is trained on, and which rows would be held out hangs on their labels.
    in_folds = estimator.fit_strategy.startswith("crossfit")
    kept = gold if in_folds else np.setdiff1d(gold, validation)
    weights = with_mean_one(weights, kept if len(kept) else gold)
    return np.concatenate([weights, np.ones(len(y) - len(weights))])


def _source_of(estimator: Any, source: str) -> str:
    without_gold = source in ("label-model", "teacher")
    in_folds = estimator.fit_strategy.startswith("crossfit") and not without_gold
    return "folds" if in_folds else source


def _learn_classes(
    estimator: Any, gold: Gold, votes: LabelMatrix | None, told: Any
) -> tuple[int, ...] | None:
    """Set ``classes_`` from gold; return the order in which the votes have them, if another.

    `votes` are given where they are enough to learn from; without gold the classes are theirs, or
    those that teachers told.
    """
    if votes is not None and (gold.codes < 0).all():
        check_voted_classes(votes)
    elif told is None:
        check_gold(gold)
    if (gold.codes < 0).any() and (gold.codes >= 0).any():  # without any there is no such class
        refuse_unlabelled_in_calibration()
    estimator.classes_ = sorted_classes(gold.labels)
    return codes_of_votes(gold.labels.tolist(), estimator.classes_)


def _check_pairs(inputs: FitInputs) -> None:
    """Check that X_val comes with y_val, and L_val where training has L."""
    if (inputs.X_val is None) != (inputs.y_val is None):
        given, missing = ("X_val", "y_val") if inputs.y_val is None else ("y_val", "X_val")
        raise InputError(f"{given} was given without {missing}; validation rows need both")
    if inputs.L_val is not None and (inputs.X_val is None or inputs.L is None):
        raise InputError("L_val was given without " + ("X_val" if inputs.X_val is None else "L"))
    if inputs.L is not None and inputs.X_val is not None and inputs.L_val is None:
        warnings.warn(
            "validation rows came without L_val: LF quality cannot be estimated on them",
            UserWarning,
            stacklevel=7,
        )


def _same_rows(inputs: FitInputs) -> FitInputs:
    """Votes in the order of the rows, where both have ids; features without ids go with y."""
    if inputs.L is None:
        return inputs
    return inputs._replace(
        L=align_votes(inputs.L, [inputs.X, inputs.y]),
        L_val=align_votes(inputs.L_val, [inputs.X_val, inputs.y_val], "X_val", "L_val"),
    )


def _validation_rows(
    estimator: Any, inputs: FitInputs
) -> tuple[Any, np.ndarray, LabelMatrix | None]:
    """Features, gold codes and votes of the validation rows that were given."""
    x = estimator._check_features(inputs.X_val, reset=False)
    codes = known_codes(estimator, inputs.y_val, "y_val")
    check_rows("y_val", len(codes), x.shape[0], "X_val")
    check_same_rows(inputs.y_val, inputs.X_val, "y_val", "X_val")
    if (codes < 0).any():
        raise InputError("y_val holds unlabelled rows (-1); validation rows need gold labels")
    schema: VoteSchema | None = estimator.vote_schema_
    if schema is None:
        return x, codes, None
    L_val = inputs.L_val
    if L_val is None:
        L_val = np.full((len(codes), len(schema.continuous)), -1)
    return x, codes, schema.conform(L_val, len(codes), "L_val", "X_val")


def check_features(estimator: Any, X: Any, reset: bool) -> Any:
    """Check plain features (n, D), dense or sparse; `reset` where they are those of training."""
    return validate_data(
        estimator, X, accept_sparse="csr", dtype=["float64", "float32"], reset=reset
    )


def check_features_or_images(estimator: Any, X: Any, reset: bool) -> Any:
    """Check rows of a network: features (n, D), or images (n, channels, height, width).

    Sets ``input_shape_`` and ``pixels_`` where `reset`.
    """
    if not reset and is_image_like(X) != (len(estimator.input_shape_) > 1):
        raise InputError(
            f"the model was trained on rows of shape {tuple(estimator.input_shape_)}, found "
            f"{type(X).__name__} of shape {getattr(X, 'shape', '(rows, features)')}; rows must "
            "be of one kind, all images or all features"
        )
    if not is_image_like(X):
        checked = check_features(estimator, X, reset)
        if reset:
            estimator.input_shape_, estimator.pixels_ = checked.shape[1:], None
        return checked
    images = check_images(X, None if reset else estimator.input_shape_)
    if reset:
        estimator.input_shape_, estimator.pixels_ = images.shape[1:], pixel_kind(images)
        estimator.n_features_in_ = int(np.prod(estimator.input_shape_))
    check_pixels(images, estimator.pixels_)
    return images


def known_codes(estimator: Any, y: Any, name: str = "y", strict: bool = True) -> np.ndarray:
    """Read labels against the classes of a fit; as :func:`read_gold` does, codes (n,) alone."""
    schema: VoteSchema | None = estimator.vote_schema_
    names = estimator.classes_.tolist() if schema is None else schema.class_names
    codes = read_gold(_as_column(y, name), names, name, strict=strict).codes
    return codes_of_model(codes, None if schema is None else schema.codes)


def check_gold(gold: Gold) -> None:
    """Raise unless two classes or more are among the gold labels."""
    seen = np.unique(gold.codes[gold.codes >= 0])
    if len(seen) == 0:
        raise InputError(
            "y holds no gold label (all rows are -1); a few labelled rows are needed. From votes "
            "alone LabelModelClassifier learns (methods label-model, majority, dawid-skene, ..)"
        )
    if len(seen) < 2:
        advice = "label some rows of another class as well"
        if gold.from_signs:
            advice = "-1 means unlabelled: where it is a class, give class names, or 0 for it"
        only = gold.classes[seen[0]]
        raise InputError(f"the labelled rows hold only one class ({only!r}); {advice}")


def check_voted_classes(votes: LabelMatrix) -> None:
    """Raise unless LFs vote for two classes or more; warn of a class that none votes for.

    Without gold nothing else says what a class looks like.
    """
    counts = np.bincount(votes.codes.data.astype(int), minlength=votes.n_classes + 1)[1:]
    names = list(votes.classes)
    if (counts > 0).sum() < 2:
        only = names[int(counts.argmax())]
        raise InputError(
            f"y holds no gold label, and all votes are for one class ({only!r}); add labelling "
            "functions for another class, or label some rows of each"
        )
    silent = [name for name, count in zip(names, counts, strict=True) if not count]
    if silent:
        warnings.warn(
            f"without gold, no row shows what the classes {silent} look like, for which no "
            "labelling function votes: the model will hardly ever predict them",
            UserWarning,
            stacklevel=8,
        )


def check_rows(name: str, found: int, needed: int, of: str) -> None:
    """Raise if two things that go together differ in length."""
    if found != needed:
        raise InputError(f"{name} has {found} rows, {of} has {needed}; they must be the same rows")


@dataclass(frozen=True)
class VoteSchema:
    """What the votes of training looked like, so that later votes can be held against it.

    Attributes
    ----------
    names : tuple of str, or None
        LF names; None if training got a plain array.
    classes : tuple
        Class names of the label matrix, one per class of the model.
    continuous : tuple of bool
        LFs that gave scores.
    class_ids : tuple, or None
        What else the classes are called by; see :class:`ClassNames`.
    codes : tuple of int, or None
        For each class of the votes its code in the model, whose classes are sorted; None where
        codes are the same.
    """

    names: tuple[str, ...] | None
    classes: tuple[Any, ...]
    continuous: tuple[bool, ...]
    class_ids: tuple[Any, ...] | None = None
    codes: tuple[int, ...] | None = None

    @classmethod
    def of(
        cls, L: Any, matrix: LabelMatrix, n_classes: int, order: tuple[int, ...] | None
    ) -> VoteSchema:
        """Make the schema of votes, as they were given (L) and as a matrix; `order`: its codes."""
        short = matrix.n_classes < n_classes  # a plain array in which the last class got no vote
        return cls(
            names=matrix.lf_names if isinstance(L, LabelMatrix) else None,
            classes=tuple(range(n_classes)) if short else matrix.classes,
            continuous=tuple(matrix.continuous.tolist()),
            class_ids=matrix.classes.ids,
            codes=None if short else order,
        )

    @property
    def class_names(self) -> ClassNames:
        """Class names that know their ids."""
        return ClassNames(self.classes, self.class_ids)

    def code_of(self, vote: int) -> int:
        """Return the code in the model of a class of the votes."""
        return vote if self.codes is None else self.codes[vote]

    @property
    def order(self) -> np.ndarray:
        """For each class of the model (C,) its code in the votes."""
        return np.arange(len(self.classes)) if self.codes is None else np.argsort(self.codes)

    def to_model(self, votes: LabelMatrix) -> LabelMatrix:
        """Return votes (n, m) with the codes of the model."""
        return votes.in_class_order([self.classes[k] for k in self.order])

    def from_model(self, votes: LabelMatrix) -> LabelMatrix:
        """Return votes (n, m) with the codes that they were given with."""
        return votes.in_class_order(self.classes)

    def plan_of_model(self, plan: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the columns (LF, class) of unipolar votes, as they stand, in codes of the model.

        Options that are given by column keep their order so.
        """
        return [(j, self.code_of(k)) for j, k in plan]

    def conform(self, L: Any, n: int, name: str = "L", of: str = "X") -> LabelMatrix:
        """Return votes for n rows as the model knows them: same LFs, in order, classes, scores.

        Raises
        ------
        InputError
            If the votes are of other LFs or classes, or scores are missing.
        """
        matrix = as_label_matrix(L, self.class_names)
        check_rows(name, len(matrix), n, of)
        if matrix.shape[1] != len(self.continuous):
            raise InputError(
                f"{name} has {matrix.shape[1]} LFs, the model was trained on {len(self.continuous)}"
            )
        if isinstance(L, LabelMatrix) and self.names is not None and self.names != L.lf_names:
            if set(self.names) != set(L.lf_names):
                strangers = sorted(set(L.lf_names) ^ set(self.names))
                raise InputError(f"{name} is of other LFs than in training; differing: {strangers}")
            matrix = matrix[:, np.array([L.lf_names.index(one) for one in self.names])]
        scored = np.array(self.continuous, dtype=bool)
        if scored.any() and not matrix.continuous[scored].all() and matrix.nnz:
            raise InputError(
                f"{name} has no scores for continuous LFs that gave scores in training; apply the "
                "LFs again and pass the LabelMatrix itself"
            )
        matrix = LabelMatrix(
            matrix.codes,
            lf_names=self.names,
            classes=matrix.classes,
            row_ids=matrix.row_ids,
            lf_classes=matrix.lf_classes,
            scores=matrix.scores,
            continuous=self.continuous,
        )
        return self.to_model(matrix)


def places_by_id(tables: Sequence[Any], n: int) -> np.ndarray:
    """Return for each row (n,) its place in the order of the row ids.

    Ids are those of the first label matrix or table or column of pandas in which they are not mere
    counts; without any, or where one repeats, rows stay as they come.
    """
    for table in tables:
        ids = table.row_ids if isinstance(table, LabelMatrix) else getattr(table, "index", None)
        if ids is None or callable(ids) or len(ids) != n:
            continue
        index = pd.Index(np.asarray(ids))
        if index.is_unique and not index.is_monotonic_increasing and not index.hasnans:
            try:
                return np.argsort(np.argsort(index.to_numpy(), kind="stable"), kind="stable")
            except TypeError:  # ids of several types have no order
                continue
    return np.arange(n)


def hold_out(
    y: np.ndarray, fraction: float, seed: int, places: np.ndarray | None = None
) -> tuple[np.ndarray, str]:
    """Choose validation rows among the gold rows, stratified; all of them if they are too few.

    A class with one gold row keeps it for training. Rows are drawn from in the order of `places`.
    """
    gold = np.flatnonzero(y >= 0)
    if places is not None:
        gold = gold[np.argsort(places[gold])]
    counts = np.bincount(y[gold])
    common = gold[counts[y[gold]] >= 2]
    n_classes = len(np.unique(y[common]))
    size = round(fraction * len(gold))
    if n_classes < 2 or size < n_classes or len(common) - size < n_classes:
        return gold, "training"
    _, held = train_test_split(common, test_size=size, stratify=y[common], random_state=seed)
    return common[np.isin(common, held)], "split"


def hold_out_answered(rows: np.ndarray, seed: int, places: np.ndarray) -> np.ndarray:
    """Choose a fifth of the rows (k,), which are the validation rows where none has gold.

    Of fewer than five all. They are drawn from in the order of `places`.
    """
    rows = rows[np.argsort(places[rows])]
    size = round(ANSWERED_FRACTION * len(rows))
    if size < 1:
        return rows
    drawn = np.random.default_rng(seed).permutation(len(rows))[:size]
    return rows[np.sort(drawn)]


def stack(parts: list[Any]) -> Any:
    """Stack feature rows, sparse if any part is."""
    if any(sp.issparse(part) for part in parts):
        return sp.csr_array(sp.vstack([sp.csr_array(part) for part in parts]))
    return np.concatenate(parts)


def read_target(
    y: Any, votes: LabelMatrix | None, X: Any, n_rows: int, classes: Any = None
) -> Gold:
    """Read the labels (n,) of the training rows, and the classes if neither argument has them."""
    gold = read_gold(_as_column(y, "y"), classes if votes is None else votes)
    check_rows("y", len(gold.codes), n_rows, "X")
    check_same_rows(y, X, "y", "X")
    return gold


def _as_column(y: Any, name: str) -> Any:
    if y is None:
        raise InputError(f"{name} is missing: requires y to be passed, but the target y is None")
    is_matrix = isinstance(y, np.ndarray) and y.ndim > 1
    return column_or_1d(y, warn=True) if is_matrix else y  # warns as scikit-learn does


def is_image_like(X: Any) -> bool:
    """Return whether an array has more than two dimensions."""
    return len(getattr(X, "shape", ())) > 2


def check_images(X: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return images as (n, channels, height, width), uint8 or float32.

    Parameters
    ----------
    X : array (n, c, h, w) or (n, h, w)
    shape : tuple, optional
        (c, h, w) that the model was trained on.

    Raises
    ------
    InputError
        For other shapes, or pixels that are not finite.
    """
    images = np.asarray(X)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or not images.size:
        raise InputError(
            f"images must be (rows, channels, height, width) with one row or more, found "
            f"{np.shape(X)}"
        )
    if images.dtype != np.uint8:
        images = _finite(images)
    if shape is not None and images.shape[1:] != tuple(shape):
        raise InputError(
            f"the model was trained on images of shape {tuple(shape)} (channels, height, width), "
            f"found {images.shape[1:]}"
        )
    if images.shape[3] <= 4 and images.shape[3] < min(images.shape[1:3]):
        raise InputError(
            f"images of shape {images.shape[1:]} look like (height, width, channels); move the "
            "channels to the front: X.transpose(0, 3, 1, 2)"
        )
    return images


def _finite(images: np.ndarray) -> np.ndarray:
    if images.dtype.kind not in "fiub":
        raise InputError(f"images must be numbers, found {images.dtype}")
    with np.errstate(over="ignore"):  # what is no longer finite is refused
        images = images.astype(np.float32, copy=False)
    bad = ~np.isfinite(images).all(axis=(1, 2, 3))
    if bad.any():
        raise InputError(
            f"{int(bad.sum())} images hold NaN or infinite pixels, first in row "
            f"{int(bad.argmax())}; repair or drop them"
        )
    return images
