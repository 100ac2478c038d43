"""The first step of every fit: what the user hands in becomes one pool of rows with roles."""

from __future__ import annotations

from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.estimators import door, resolve
from spear_amal.estimators.fitted import FittedClassifier
from spear_amal.votes.label_matrix import LabelMatrix, as_label_matrix, stack_votes


class Intake(FittedClassifier):
    """Checks `fit`'s arguments; sets ``classes_``, ``n_features_in_`` and ``vote_form_``."""

    final: str
    validation_fraction: float
    random_state: int

    def _pool(
        self,
        X: Any,
        y: Any,
        L: Any,
        X_val: Any,
        y_val: Any,
        L_val: Any,
        plan: list[tuple[int, int]] | None = None,
    ) -> door.Pool:
        """Make the pool; `plan` holds the columns (LF, class) where L is but some of the votes."""
        resolve.check_pairs(L, X_val, y_val, L_val)
        X = self._checked(X, reset=True)
        y = door.column(y, "y")
        door.check_rows("y", len(y), X.shape[0], "X")
        votes = None if L is None else as_label_matrix(L)
        if votes is not None:
            door.check_rows("L", len(votes), X.shape[0], "X")
            if plan is None and votes.nnz == 0:
                raise InputError("all LFs abstain on all rows of L; without votes leave L out")
        self.classes_ = door.find_classes(y[~door.unlabelled_mask(y)], votes)
        codes = door.encode(y, self.classes_)
        door.check_gold(codes, self.classes_)
        self.vote_form_ = None
        if votes is not None:
            self.vote_form_ = door.VoteForm.of(L, votes, len(self.classes_))
            votes = votes.with_classes(self.vote_form_.classes)
        if X_val is None:
            held, source = door.hold_out(codes, self.validation_fraction, self.random_state)
            features, all_codes, all_votes = [X], [codes], [votes]
        else:
            x, c, v = self._validation(X_val, y_val, L_val)
            held, source = np.arange(len(codes), len(codes) + len(c)), "given"
            features, all_codes, all_votes = [X, x], [codes, c], [votes, v]
        if plan is None:
            plan = [] if votes is None else votes.unipolar_plan()
        unipolar = [v.to_unipolar(plan) for v in all_votes if v is not None]
        return door.Pool(
            x=door.stack(features) if len(features) > 1 else X,
            y=np.concatenate(all_codes),
            labels=self._trusted(unipolar, np.concatenate(all_codes)),
            validation=held,
            classes=self.classes_,
            plan=plan,
            source="folds" if self.final.startswith("crossfit") else source,
            n_train=X.shape[0],
        )

    def _trusted(self, votes: list[LabelMatrix], y: np.ndarray) -> LabelMatrix | None:
        """Votes of all rows, if they are to be trained on."""
        return stack_votes(votes) if votes and self._uses_rules else None

    def _validation(
        self, X_val: Any, y_val: Any, L_val: Any
    ) -> tuple[Any, np.ndarray, LabelMatrix | None]:
        x = self._checked(X_val, reset=False)
        labels = door.column(y_val, "y_val")
        door.check_rows("y_val", len(labels), x.shape[0], "X_val")
        codes = door.encode(labels, self.classes_, "y_val")
        if (codes < 0).any():
            raise InputError("y_val holds unlabelled rows (-1); validation rows need gold labels")
        form = self.vote_form_
        if form is None:
            return x, codes, None
        if L_val is None:
            L_val = np.full((len(codes), len(form.continuous)), -1)
        return x, codes, form.conform(L_val, len(codes), "L_val", "X_val")
