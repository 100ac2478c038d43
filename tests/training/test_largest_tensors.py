"""What training never makes: dense rows of all sparse features, a gradient for each row."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from spear_amal.data import synthetic_votes
from spear_amal.losses import spear_components
from spear_amal.mixers import Amal
from spear_amal.models import MLP, JointModel, LinearModel, RuleModel
from spear_amal.training import Table, Trainer, TrainerConfig

N, M = 607, 5


class Largest(TorchDispatchMode):
    """Notes the most bytes that one result of any operator holds; views cost nothing more."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for one in tree_leaves(out):
            if isinstance(one, torch.Tensor):
                self.bytes = max(self.bytes, one.untyped_storage().nbytes())
        return out


def train(x, n_classes, net, **options):
    """Largest tensor in bytes while a table is made and AMAL trains on it."""
    labels, y = synthetic_votes(N, M, n_classes, seed=0)
    labels = labels.to_unipolar()
    k = torch.as_tensor(labels.lf_classes)
    model = JointModel(net, RuleModel(n_classes, k, torch.full((len(k),), 0.8)))
    observed = np.where(np.arange(N) < 59, y, -1)
    held = np.arange(N - 83, N)
    with Largest() as largest:
        table = Table(x, observed, labels, n_classes=n_classes)
        validation = Table(x[held], y[held], labels[held], n_classes=n_classes)
        result = Trainer(TrainerConfig(max_epochs=2, batch_size=67)).fit(
            model,
            spear_components(),
            Amal(warmup=0, refresh_every=1, **options),
            table,
            np.arange(N - 83),
            selection=validation,
        )
    assert result.refreshes == 2
    return largest.bytes


@pytest.mark.parametrize("network", ["linear", "mlp"])
def test_sparse_features_stay_sparse(network):
    """Batches and parameters are small beside all rows made dense."""
    width, n_classes = 20_011, 3
    x = sp.random_array((N, width), density=2e-4, format="csr", dtype=np.float32, rng=0)
    net = LinearModel(width, n_classes) if network == "linear" else MLP(width, n_classes, (2,))
    dense = 4 * N * width
    largest = train(x, n_classes, net, group_size=101)
    assert largest < dense / 5
    if network == "linear":  # not even a batch of 67 rows
        assert largest < dense / 9


def test_no_gradient_of_each_row_is_made():
    """Of B rows, C classes and H features: B C H entries are never held at once."""
    width, hidden, n_classes, group = 7, 401, 23, 211
    x = np.random.default_rng(0).normal(size=(N, width)).astype(np.float32)
    largest = train(x, n_classes, MLP(width, n_classes, (hidden,)), group_size=group)
    per_row = 4 * group * n_classes * hidden
    assert largest < per_row / 10
