"""A mixer of your own: how much each loss counts on each row, in a module of your own.

You learn what a mixer is here: it is given losses (B, K) and gives weights (B, K). This one trusts
a loss less, the more it is above its mean in the batch, in the way of self-paced learning.
`check_mixer` says whether it keeps what training relies on; one line lets it be used by name.

Run from the repository root: python examples/27_your_own_mixer.py [--small]
"""

import torch
from shared import EPOCHS, compare_on_split, load

from spear_amal.mixers import Mixer, register_mixer
from spear_amal.testing import check_mixer


class SelfPaced(Mixer):
    """Weights fall from 1 as a row's loss rises above the mean of its loss in the batch.

    Parameters
    ----------
    sharpness : float
        0 weighs all rows alike.
    """

    def __init__(self, sharpness=1.0):
        self.sharpness = sharpness

    def weights(self, batch, losses):
        """Return weights (B, K), at most 1; losses that may not be mixed keep 1."""
        losses = losses.detach()
        excess = (losses - losses.mean(0)).clamp(min=0)
        weights = torch.exp(-self.sharpness * excess)
        return torch.where(self.mixable, weights, torch.ones_like(weights))


check_mixer(SelfPaced)
register_mixer("self-paced", SelfPaced, "rows of a high loss count less")

common = {"max_epochs": EPOCHS}
compare_on_split(
    load("plots"),
    {
        "SPEAR": common | {"mixer": "fixed"},
        "SPEAR, self-paced": common | {"mixer": "self-paced"},
        "AMAL": common | {"mixer": "amal"},
    },
)
