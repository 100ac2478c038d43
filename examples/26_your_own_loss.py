"""A loss of your own, in a module of your own, beside SPEAR's.

You learn what a loss is here: one value per row, and the rows that it is about. Whoever trains
averages it, weighs it row by row, and differentiates it. `check_loss` says whether it keeps what
that relies on; one line lets it be chosen by name.

Run from the repository root: python examples/26_your_own_loss.py [--small]
"""

import torch
from shared import EPOCHS, compare_on_split, load

from spear_amal.losses import Component, register_loss
from spear_amal.testing import check_loss


class Focal(Component):
    """Cross-entropy on gold rows; rows that are right already count less [Lin et al., 2017]."""

    name = "focal"
    focus = 2.0

    def applies(self, batch):
        """Rows (B,) with gold."""
        return batch.y >= 0

    def loss(self, outputs, batch):
        """Return ``-(1 - p_y)^focus log p_y`` (B,)."""
        log_p = outputs.logits.log_softmax(1)
        picked = log_p.gather(1, batch.y.clamp(min=0)[:, None]).squeeze(1)  # -1 would be the last
        return -((1 - picked.exp()) ** self.focus) * torch.where(batch.y >= 0, picked, 0.0)


check_loss(Focal())
register_loss("focal", Focal)

spear = ("gold", "consensus", "rule-gold", "rule-likelihood", "agreement", "quality-guide")
options = {"mixer": "amal", "max_epochs": EPOCHS}
compare_on_split(
    load("plots"),
    {
        "AMAL, SPEAR's losses": options | {"losses": spear},
        "AMAL, focal for gold": options | {"losses": ("focal", *spear[1:])},
    },
)
