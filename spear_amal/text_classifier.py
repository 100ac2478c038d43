"""From a table of texts to class names: features, labels, rules and estimator as one object."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from spear_amal import estimators
from spear_amal._typing import PathLike
from spear_amal.data import ids_of, read_table, require_columns
from spear_amal.data.read_rows import check_learnt, for_lfs
from spear_amal.data.table_features import FeaturesLike, TableFeatures, uses_text
from spear_amal.data.table_kinds import suffix_of
from spear_amal.declared_lfs import read_rules_file
from spear_amal.declared_lfs.classes_of_lfs import LFsLike, applier_of, files_of_lfs
from spear_amal.errors import InputError
from spear_amal.estimators.encoders import features_for
from spear_amal.explain_row import explain_row
from spear_amal.explanation import Explanation
from spear_amal.hf_datasets import as_frame
from spear_amal.labeling.row_digests import digests_of_texts
from spear_amal.studies import MethodSpec, one_thread, parse_method
from spear_amal.studies.method_needs import method_for
from spear_amal.text_model_file import TextModelParts
from spear_amal.training import score
from spear_amal.training_record import training_record
from spear_amal.training_rows import (
    DataOrigin,
    TrainingData,
    VotesOfRows,
    label_texts,
    texts_of,
    training_data,
    votes_of_rows,
)
from spear_amal.votes.class_set import ClassesLike, class_names
from spear_amal.votes.gold import read_gold
from spear_amal.votes.label_matrix import LabelMatrix, as_label_matrix
from spear_amal.votes.row_ids import check_same_rows, index_ids

__all__ = ["TextClassifier"]

TablesLike: TypeAlias = PathLike | Sequence[PathLike] | pd.DataFrame


class TextClassifier(BaseEstimator):
    """A classifier of the rows of a table, from texts, labels and labelling functions.

    Parameters
    ----------
    method : str
        What is trained, as :func:`spear_amal.studies.parse_method` reads it: "recommended",
        "amal:crossfit=3", "only-lv", "majority", ... Its options go before the parameters here.
    features : str, object, or several of them
        "tfidf", "encoder:NAME", "columns:a,b", or several joined, as "tfidf+columns:price,shop";
        see :class:`spear_amal.data.table_features.TableFeatures`. They are fitted on the rows that
        `fit` is given. A method with ``feature_model=encoder:NAME``, an encoder that is trained
        itself, reads the texts: leave them out then.
    metric : {"accuracy", "f1", "macro-f1", "auto"}
        Chooses the epoch.
    max_epochs : int
    random_state : int
        Same table, parameters and number: same model.
    class_weight : "balanced" or dict of class name to float, optional
        How much the rows of each class count, as for the estimators.
    checkpoint : path, optional
        File from which a `fit` that was stopped goes on.
    verbose : int
        1 shows progress bars.

    Attributes
    ----------
    estimator_ : fitted estimator
        Such as :class:`spear_amal.SpearClassifier`, trained on `features_`.
    features_ : TableFeatures
    classes_ : ndarray (C,)
        Class names, sorted; columns of probabilities follow them.
    class_names_ : ClassNames
        The same in the order of their codes, which is that of the votes.
    val_score_ : float
        Of the estimator, on validation rows; what chose the epoch flatters itself there.
    text_column_, label_column_, id_column_ : str or None
    lf_names_ : tuple of str
        The LFs it was trained with, in their order.
    training_data_ : TrainingData
        What it was trained on; not there after `load`.

    Examples
    --------
    >>> from spear_amal.labeling import keyword_lf
    >>> frame = pd.DataFrame({"text": ["win a prize", "see you", "win now", "see me"] * 9})
    >>> frame["label"] = ["spam", "ham", None, None] * 9
    >>> lfs = [keyword_lf("win", ["win"], "spam"), keyword_lf("see", ["see"], "ham")]
    >>> clf = TextClassifier("amal", max_epochs=3).fit(frame, lfs=lfs)
    >>> clf.predict(["win it", "see it"]).tolist()
    ['spam', 'ham']
    """

    def __init__(
        self,
        method: str = "recommended",
        *,
        features: FeaturesLike = "tfidf",
        metric: str = "accuracy",
        max_epochs: int = 100,
        random_state: int = 0,
        class_weight: Any = None,
        checkpoint: PathLike | None = None,
        verbose: int = 0,
    ) -> None:
        self.method = method
        self.features = features
        self.metric = metric
        self.max_epochs = max_epochs
        self.random_state = random_state
        self.class_weight = class_weight
        self.checkpoint = checkpoint
        self.verbose = verbose

    # -- fitting --------------------------------------------------------------------------------

    def fit(
        self,
        frame: TablesLike,
        *,
        lfs: LFsLike | None = None,
        votes: VotesOfRows | None = None,
        text: str = "text",
        label: str | None = "label",
        id: str | None = None,
        validation: TablesLike | None = None,
        validation_votes: VotesOfRows | None = None,
        classes: ClassesLike = None,
        sample_weight: Any = None,
    ) -> Self:
        """Train on a table.

        Parameters
        ----------
        frame : DataFrame, or path of a table (or several, which are one table)
            Labelled and unlabelled rows. Cells of `label` are class names; an empty cell, None,
            NaN and -1 mean that a row has no label.
        lfs : list of LFs, or path of a Python file, a file of declared rules, or both, optional
            Applied to the rows here. A file is a program, and it is run.
        votes : LabelMatrix, or path of a file or folder of votes, optional
            In place of `lfs`: votes that are there already. Those that `spear-amal apply` wrote
            know their rows, also once they were read by ``LabelMatrix.load``: a table that was
            shuffled, filtered or labelled since is joined exactly, by id or by what its rows hold,
            and other rows are refused. Other votes are joined by id where both have ids, else rows
            go by position.
        text, label, id : str
            Columns. ``label=None``: no row has a label. `id` has an id of its own for each row;
            default: the column ``id`` where it does, else the index of the frame.
        validation : DataFrame or path, optional
            Rows with labels that choose the epoch; default: some of the labelled rows.
        validation_votes : LabelMatrix or path, optional
            Goes with `votes`.
        classes : list of names, mapping or Enum class, optional
            The classes in code order; default: those of the votes or of the LF file, else the
            labels that are there.
        sample_weight : str or array (n,), optional
            How much each row counts: a column of the table, or numbers; only ratios matter.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If columns, labels, votes or parameters cannot be used.
        """
        data = self.read_data(
            frame,
            lfs=lfs,
            votes=votes,
            text=text,
            label=label,
            id=id,
            validation=validation,
            validation_votes=validation_votes,
            classes=classes,
        )
        return self.fit_data(data, _row_weights(sample_weight, frame, data.train.frame))

    def read_data(
        self,
        frame: TablesLike,
        *,
        lfs: LFsLike | None = None,
        votes: VotesOfRows | None = None,
        text: str = "text",
        label: str | None = "label",
        id: str | None = None,
        validation: TablesLike | None = None,
        validation_votes: VotesOfRows | None = None,
        classes: ClassesLike = None,
    ) -> TrainingData:
        """Return what `fit` trains on, for :meth:`fit_data`; arguments and errors as for `fit`."""
        spec, given = self.method_spec(), (votes, validation_votes)
        frames = [self._table(frame, text, label, id)]
        if validation is not None:
            frames.append(self._table(validation, text, label, id))
        matrices: list[VotesOfRows | None] = [_as_votes(matrix) for matrix in given]
        if spec.method.uses_votes and votes is None:
            matrices = [*self._votes_of(frames, lfs, text, label, classes)]
        elif not spec.method.uses_votes:
            matrices = [None, None]
        elif lfs is not None:
            raise InputError("give lfs or votes, not both")
        if votes is not None and validation is not None and validation_votes is None:
            raise InputError("votes of the validation rows are missing: give validation_votes")
        data = training_data(frames, matrices, text, label, id, classes)
        used = lfs if spec.method.uses_votes and votes is None else None
        return replace(data, origin=self._origin(frame, validation, used))

    def _origin(self, frame: Any, validation: Any, lfs: LFsLike | None) -> DataOrigin:
        """Return where rows and votes come from, as `read_data` was told."""
        files = [("data", path) for path in _paths_of(frame)]
        files += [("validation", path) for path in _paths_of(validation)]
        if lfs is None:
            return DataOrigin(tuple(files))
        python, rules = files_of_lfs(lfs) or (None, None)
        roles = {"lfs": python, "rules": rules}
        files += [(role, path) for role, path in roles.items() if path is not None]
        muted = () if rules is None else tuple(sorted(read_rules_file(rules).muted))
        return DataOrigin(tuple(files), self.applier_.lfs, muted)

    def fit_data(self, data: TrainingData, sample_weight: np.ndarray | None = None) -> Self:
        """Train on rows that were read already; arguments and errors as for :meth:`fit`.

        Features are fitted on these rows alone.
        """
        train, validation = data.train, data.validation
        spec = method_for(self.method_spec(), train.y, data.name)
        estimator = self._new_estimator(spec)
        features, x = self._fit_features(data, features_for(estimator, self.features))
        rows: dict[str, Any] = {"L": train.votes, "sample_weight": sample_weight}
        if validation is not None:
            rows |= {
                "X_val": x[len(train.y) :],
                "y_val": data.as_labels(validation.y),
                "L_val": validation.votes,
            }
        y = pd.Series(data.as_labels(train.y), index=train.frame.index)
        with one_thread():
            estimator.fit(x if validation is None else x[: len(train.y)], y, **rows)
        self._take(
            TextModelParts(
                estimator=estimator,
                features=features,
                classes=data.classes,
                text_column=data.text_column,
                label_column=data.label_column,
                id_column=data.id_column,
                lf_names=() if train.votes is None else tuple(train.votes.lf_names),
                method=spec.text,
                row_ids=None if data.id_column is None else index_ids(train.frame),
                gold_digests=_gold_digests(data),
                record=training_record(data, features.features, features.columns, self.max_epochs),
            )
        )
        self.training_data_ = data
        return self

    def _fit_features(self, data: TrainingData, given: FeaturesLike) -> tuple[TableFeatures, Any]:
        """Return fitted features, and those of the training rows and the validation rows below."""
        features = TableFeatures(given, data.text_column, progress=bool(self.verbose))
        if data.label_column in features.columns:
            raise InputError(
                f"the column {data.label_column!r} holds the labels: as a feature it would give "
                "them away; leave it out of columns:"
            )
        frames = [table.frame for table in data.tables]
        frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
        return features, features.fit_transform(frame)

    def _take(self, parts: TextModelParts) -> None:
        """Set what a fit, or a file, leaves behind."""
        self.parts_ = parts
        self.estimator_, self.features_ = parts.estimator, parts.features
        self.class_names_, self.lf_names_ = parts.classes, parts.lf_names
        self.classes_ = np.asarray(sorted(parts.classes))
        self.text_column_, self.label_column_ = parts.text_column, parts.label_column
        self.id_column_, self.estimate_ = parts.id_column, parts.estimate
        self.val_score_ = parts.estimator.val_score_

    def method_spec(self) -> MethodSpec:
        """Return what `method` names, read and checked.

        Raises
        ------
        InputError
            If it is no method, or its estimator could not be saved.
        """
        spec = parse_method(self.method)
        estimator = spec.make()
        if isinstance(estimator, estimators.LabelModelClassifier):
            if estimator.inference != "feature":
                raise InputError(
                    f"method {self.method!r}: a model file holds no label model to predict with; "
                    f"leave out inference={estimator.inference}, or choose spear, amal or "
                    "recommended"
                )
        return spec

    def _new_estimator(self, spec: MethodSpec) -> Any:
        return spec.make(
            metric=self.metric,
            random_state=self.random_state,
            max_epochs=self.max_epochs,
            class_weight=self.class_weight,
            checkpoint=self.checkpoint,
            verbose=self.verbose,
        )

    def _table(self, table: TablesLike, text: str, label: str | None, id: str | None) -> Any:
        """Return a table as a frame whose texts are strings."""
        table = as_frame(table)
        if not isinstance(table, pd.DataFrame):
            needed = text if uses_text(self.features) else None
            table = read_table(table, needed, label, id_column=id)
        elif not len(table):
            raise InputError("the table has no rows")
        if uses_text(self.features) or text in table:
            # As objects: pandas' own texts cannot hold half of a character.
            texts = pd.Series(texts_of(table, text), index=table.index, dtype=object)
            table = table.assign(**{text: texts})
        return table

    def _votes_of(
        self,
        frames: Sequence[pd.DataFrame],
        lfs: LFsLike | None,
        text: str,
        label: str | None,
        classes: ClassesLike,
    ) -> list[LabelMatrix | None]:
        if lfs is None:
            raise InputError(
                f"method {self.method!r} learns from votes: give lfs= or votes=, or choose a "
                "method without rules, such as only-lv"
            )
        values = [value for frame in frames for value in label_texts(frame, label)]
        python, _ = files_of_lfs(lfs) or (None, None)
        if classes is None and python is None:
            check_learnt(values)  # else two spellings of a class were two classes of the LFs
        labels = [value for value in values if value is not None]
        self.applier_ = applier_of(lfs, classes, labels, self._needed_by_lfs(frames[0], text))
        return [
            self.applier_.apply(for_lfs(frame, text), progress_bar=bool(self.verbose))
            for frame in frames
        ]

    def _needed_by_lfs(self, frame: pd.DataFrame, text: str) -> str | None:
        """Return the column without which rows get no votes: that of texts, if there is one."""
        return text if uses_text(self.features) and text in frame else None

    # -- prediction -----------------------------------------------------------------------------

    @property
    def needed_text_(self) -> str | None:
        """The column of texts, or None where no features need it."""
        return self.text_column_ if self.features_.uses_text else None

    @property
    def needs_votes(self) -> bool:
        """True if the fitted model predicts with the rules as well."""
        check_is_fitted(self, "estimator_")
        return bool(self.estimator_.exponent_ > 0)

    def predict_proba(
        self,
        rows: Any,
        votes: VotesOfRows | None = None,
        lfs: LFsLike | None = None,
    ) -> np.ndarray:
        """Compute class probabilities (n, C) in the order of `classes_`.

        Parameters
        ----------
        rows : list of n texts, DataFrame, or path of a table (or several)
        votes : LabelMatrix or path, optional
            As for :meth:`fit`. Needed, as an alternative to `lfs`, where the model predicts with
            the rules as well (`needs_votes`) and was loaded from a file.
        lfs : list of LFs, or paths of files of them, optional

        Raises
        ------
        InputError
            If a column is missing, or votes are missing or those of other LFs.
        """
        check_is_fitted(self, "estimator_")
        frame = self.rows_of(rows)
        if not len(frame):
            return np.zeros((0, len(self.classes_)))
        matrix = self._prediction_votes(frame, votes, lfs)
        x = self.features_.transform(frame)
        with one_thread():
            p = self.estimator_.predict_proba(x, matrix)
        return self.in_class_order(p)

    def in_class_order(self, p: np.ndarray) -> np.ndarray:
        """Return probabilities (n, C) of the estimator's classes in the order of `classes_`."""
        whole = np.zeros((len(p), len(self.classes_)))
        listed = self.classes_.tolist()
        whole[:, [listed.index(name) for name in self.names_of(self.estimator_.classes_)]] = p
        return whole

    def predict(
        self, rows: Any, votes: VotesOfRows | None = None, lfs: LFsLike | None = None
    ) -> np.ndarray:
        """Predict class names (n,); arguments and errors as for :meth:`predict_proba`."""
        return self.classes_[self.predict_proba(rows, votes, lfs).argmax(1)]

    def score(
        self, rows: Any, y: Any = None, votes: VotesOfRows | None = None, lfs: Any = None
    ) -> float:
        """Score predictions by `metric` on labelled rows; unlabelled ones are left out.

        `y` (n,) are class names; default: the label column of the table.
        """
        frame = self.rows_of(rows, self.label_column_ if y is None else None)
        if y is None:
            if self.label_column_ is None or self.label_column_ not in frame:
                raise InputError(
                    f"the rows have no column of labels {self.label_column_!r}: give y"
                )
            y = frame[self.label_column_]
        check_same_rows(y, rows, "y", "the rows")
        if len(y) != len(frame):
            raise InputError(f"y has {len(y)} labels, the rows are {len(frame)}")
        codes = read_gold(y, self.class_names_).codes
        predicted = read_gold(self.predict(frame, votes, lfs), self.class_names_).codes
        positive = self.estimator_.classes_[[self.estimator_.positive_code_]]
        [code] = read_gold(positive, self.class_names_).codes
        return score(self.estimator_.metric, codes, predicted, int(code))

    def are_gold_rows(self, texts: Sequence[Any]) -> np.ndarray:
        """Return which texts (n,) are those of labelled rows that the model learnt from.

        A score on these is too good. Rows without a text are never among them.
        """
        check_is_fitted(self, "estimator_")
        return np.isin(digests_of_texts(texts), self.parts_.gold_digests)

    def rows_of(self, rows: Any, label: str | None = None) -> pd.DataFrame:
        """Return rows to predict as a frame, whose index has the ids if there are any.

        Parameters
        ----------
        rows : list of texts, DataFrame, or path of a table (or several)
        label : str, optional
            Column of labels, whose cells in CSV and TSV stay text.

        Raises
        ------
        InputError
            If a table or a column that the features need is missing, or a single text was given.
        """
        check_is_fitted(self, "estimator_")
        rows = as_frame(rows)
        if isinstance(rows, pd.DataFrame) and not len(rows):
            return rows
        if isinstance(rows, pd.DataFrame) or _are_paths(rows):
            return self._table(rows, self.text_column_, label, self.id_column_)
        if self.features_.columns:
            raise InputError(
                f"this model needs the columns {self.features_.columns}: give a DataFrame or the "
                "path of a table"
            )
        texts = pd.DataFrame({self.text_column_: pd.Series(_as_list(rows), dtype=object)})
        return self._table(texts, self.text_column_, None, None) if len(texts) else texts

    def _prediction_votes(
        self, frame: pd.DataFrame, votes: VotesOfRows | None, lfs: LFsLike | None
    ) -> LabelMatrix | None:
        if votes is None and self.needs_votes:
            votes = self.votes_on(frame, lfs)
        if votes is None or not self.lf_names_:
            return None
        has_ids = self.id_column_ is not None and self.id_column_ in frame
        ids = ids_of(frame, self.id_column_) if has_ids else None
        matrix = votes_of_rows(votes, frame, ids, "the rows", self.text_column_)
        self.check_lf_names(matrix.lf_names)
        return matrix

    def check_lf_names(self, names: Sequence[str]) -> None:
        """Raise InputError if LFs are not those that the model was trained with, in order.

        Asked before LFs are applied, which may take long, or cost something.
        """
        if tuple(names) != tuple(self.lf_names_):
            raise InputError(
                f"the model was trained with the LFs {list(self.lf_names_)}, found "
                f"{list(names)}; use the same LF file"
            )

    def votes_on(self, frame: pd.DataFrame, lfs: LFsLike | None = None) -> LabelMatrix:
        """Return the votes on rows of the LFs given, or of those that `fit` was given."""
        if lfs is None and not hasattr(self, "applier_"):
            raise InputError(
                "this model predicts with the rules as well, and a file holds none: give lfs= or "
                "votes= (--lfs), or train with inference=feature, as in "
                "'recommended:inference=feature', a model that needs none"
            )
        if lfs is None:
            applier = self.applier_
        else:
            column = self._needed_by_lfs(frame, self.text_column_)
            applier = applier_of(lfs, self.class_names_, text_column=column)
            self.check_lf_names([lf.name for lf in applier.lfs])
        return applier.apply(for_lfs(frame, self.text_column_), progress_bar=False)

    def names_of(self, labels: Any) -> list[Any]:
        """Return the class names of labels (k,) of the estimator, which may be codes."""
        codes = read_gold(labels, self.class_names_, "the model").codes
        return [self.class_names_[code] for code in codes]

    @property
    def places_(self) -> np.ndarray:
        """For each class (C,), in the order of the votes' codes, its place in `classes_`."""
        listed = self.classes_.tolist()
        return np.array([listed.index(name) for name in self.class_names_])

    # -- explanation ----------------------------------------------------------------------------

    def explain(
        self, row: Any, *, votes: LabelMatrix | None = None, lfs: LFsLike | None = None
    ) -> Explanation:
        """Return why a row is classified as it is.

        Parameters
        ----------
        row : int, id, text, mapping, Series or DataFrame of one row
            A training row by its id, where there is a column of ids, else by its position; or any
            row. What losses weighed is known of training rows only.
        votes : LabelMatrix (1, m), optional
            Of the row; default: what `lfs`, or the LFs that `fit` was given, say of it.
        lfs : list of LFs, or paths of files of them, optional

        Raises
        ------
        InputError
            If there is no such training row, or several rows were given.
        """
        check_is_fitted(self, "estimator_")
        return explain_row(self, row, votes, lfs)

    # -- files ----------------------------------------------------------------------------------

    @classmethod
    def from_fitted(
        cls,
        estimator: Any,
        features: Any,
        classes: ClassesLike,
        *,
        text: str = "text",
        label: str | None = "label",
        id: str | None = None,
        lf_names: Sequence[str] = (),
        method: str = "",
    ) -> Self:
        """Make a classifier of an estimator and features that are fitted already.

        Parameters
        ----------
        estimator : fitted estimator
        features : fitted TextFeatures, TextEncoder, ColumnFeatures or TableFeatures
        classes : as for the appliers
            Class names in code order.
        text, label, id : str
            Columns of tables.
        lf_names : sequence of str
            The LFs it was trained with, in their order.
        method : str
            For people.
        """
        if not isinstance(features, TableFeatures):
            features = TableFeatures.of_fitted([features], text)
        names = class_names(classes)
        if names is None:
            raise InputError("classes must be the class names in code order, found None")
        return cls._of_parts(
            TextModelParts(estimator, features, names, text, label, id, tuple(lf_names), method)
        )

    @classmethod
    def _of_parts(cls, parts: TextModelParts) -> Self:
        estimator = parts.estimator
        made = cls(parts.method, features=parts.features.features, metric=estimator.metric)
        made.max_epochs = estimator._options_of("trainer").max_epochs
        made.random_state = estimator.random_state
        made._take(parts)
        return made

    def save(self, path: PathLike, overwrite: bool = False) -> None:
        """Write everything into one file of tensors and JSON; no pickle.

        LFs are programs and stay out of it; their names are kept.

        Raises
        ------
        OutputExistsError
            If the file exists and `overwrite` is False.
        OSError
            If it cannot be written; what stood there before is kept.
        """
        check_is_fitted(self, "estimator_")
        replace(self.parts_, estimate=getattr(self, "estimate_", None)).save(path, overwrite)

    @classmethod
    def load(cls, path: PathLike, **objects: Any) -> Self:
        """Read what :meth:`save` wrote; runs no code from the file.

        Parameters
        ----------
        path : path
        **objects
            What only code can make again, as for ``SpearClassifier.load``.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        FileFormatError
            If the file is damaged, or holds something else.
        """
        return cls._of_parts(TextModelParts.load(path, **objects))


def _as_votes(votes: Any) -> VotesOfRows | None:
    """Return votes as a label matrix; paths, and None, as they are."""
    return (
        votes if votes is None or isinstance(votes, str | os.PathLike) else as_label_matrix(votes)
    )


def _row_weights(sample_weight: Any, table: Any, frame: pd.DataFrame) -> np.ndarray | None:
    """Return the weights (n,) of rows: a column of the frame by name, or numbers in its order."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, str):
        require_columns(frame, [sample_weight])
        return np.asarray(frame[sample_weight].tolist())
    check_same_rows(sample_weight, table, "sample_weight", "the table")
    return np.asarray(sample_weight)


def _gold_digests(data: TrainingData) -> np.ndarray:
    labelled = [
        table.texts[row]
        for table in data.tables
        if table.texts
        for row in np.flatnonzero(table.y >= 0).tolist()
        if table.texts[row].strip()
    ]
    return np.unique(digests_of_texts(labelled))


def _are_paths(rows: Any) -> bool:
    """Return whether rows are the path of a table, or several; raise for a single text."""
    if not isinstance(rows, str):
        paths = rows if isinstance(rows, list | tuple) and rows else [rows]
        return all(isinstance(path, os.PathLike) for path in paths)
    try:
        suffix_of(Path(rows))
    except InputError as error:
        raise InputError(
            f"needed are a list of texts, a DataFrame or the path of a table, found {rows!r:.99}; "
            "put a single text in a list"
        ) from error
    return True


def _paths_of(table: Any) -> list[PathLike]:
    """Return the paths that a table was named by; none for a frame."""
    if isinstance(table, str | os.PathLike):
        return [table]
    return list(table) if isinstance(table, list | tuple) else []


def _as_list(rows: Any) -> list[Any]:
    if isinstance(rows, Mapping) or not isinstance(rows, Iterable):
        raise InputError(
            "needed are a list of texts, a DataFrame or the path of a table, found "
            f"{type(rows).__name__}"
        )
    return list(rows)
