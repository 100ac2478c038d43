"""A label model of your own: votes in, a distribution over classes out.

You learn the two functions that a label model writes, `_fit` and `_posterior`; ties, silence,
plain arrays, files of votes and refusals are the base class's. `check_label_model` says whether
it keeps what is relied on; one line lets estimators, studies and the command line know its name.

Run from the repository root: python examples/28_your_own_label_model.py [--small]
"""

import numpy as np
from shared import EPOCHS, compare_on_split, load

from spear_amal import LabelModelClassifier
from spear_amal.label_models import LabelModel, register_label_model
from spear_amal.testing import check_label_model


class Agreeing(LabelModel):
    """Weighs each LF by how often it agrees with the majority of the others."""

    def _fit(self, L, y):
        """Learn a weight for each LF from votes (n, m) alone."""
        votes = L.to_dense()
        fired = votes >= 0
        others = np.stack([(votes == k).sum(1) for k in range(self.n_classes_)], axis=1)
        own = np.take_along_axis(others, votes.clip(0), axis=1)  # with the LF's own vote, (n, m)
        agrees = (own - 1) / np.maximum(fired.sum(1, keepdims=True) - 1, 1)
        self.weights_ = (1 + (agrees * fired).sum(0)) / (2 + fired.sum(0))

    def _posterior(self, L):
        """Return the distribution (n, C) that the weighted votes give."""
        votes = L.to_dense()
        shares = [((votes == k) * self.weights_).sum(1) for k in range(self.n_classes_)]
        counts = np.stack(shares, axis=1)
        return counts / np.maximum(counts.sum(1, keepdims=True), 1e-12)


check_label_model(Agreeing)
register_label_model("agreeing", Agreeing)

compare_on_split(
    load("plots"),
    {
        name: {"label_model": name, "max_epochs": EPOCHS}
        for name in ("majority", "agreeing", "label-model")
    },
    LabelModelClassifier,
)
