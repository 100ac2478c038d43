"""A method of your own in a study, beside all the others.

You learn to register a method: a name, a title, an estimator and its options. Two ways are shown:
known parts put together anew, and a label model of your own, which is a class with two functions.
Both take the options that every method takes, `crossfit=K` and `refit`, and `space` says what
`run_study(tune=N)` may try.

Run from the repository root: python examples/13_study_your_own_method.py [--small]
(the generated corpus takes the place of the plots where they cannot be had)
"""

import numpy as np
from shared import EPOCHS, SEEDS, load, progress, show_study

from spear_amal import LabelModelClassifier, SpearClassifier
from spear_amal.label_models import LabelModel
from spear_amal.studies import Method, register_method, run_study


class Unanimous(LabelModel):
    """Sure where all LFs that fire agree, undecided elsewhere."""

    def _fit(self, L, y):
        """Nothing to learn."""

    def _posterior(self, L):
        votes = L.to_dense()
        counts = np.stack([(votes == k).sum(1) for k in range(self.n_classes_)], axis=1)
        agreed = (counts > 0).sum(1) == 1
        return np.where(agreed[:, None], counts > 0, 1 / self.n_classes_)


register_method(
    Method(
        "consensus-only",
        "SPEAR, gold and consensus",
        SpearClassifier,
        {"mixer": "fixed", "losses": ("gold", "consensus", "rule-gold", "rule-likelihood")},
        space={"lr_scale": ("float", 0.1, 3.0, "log")},
    )
)
register_method(
    Method(
        "unanimous",
        "Unanimous votes + classifier",
        LabelModelClassifier,
        {"label_model": Unanimous()},
    )
)

methods = ["majority", "unanimous", "unanimous:refit", "spear", "consensus-only"]
runs = run_study(load("plots"), methods, SEEDS, progress=progress, max_epochs=EPOCHS)
show_study(runs, baseline="only-lv")
