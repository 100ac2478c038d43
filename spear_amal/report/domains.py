"""On which rows a learnt weight means something: its loss is defined, the row was trained."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from spear_amal.components import spear_components
from spear_amal.types import Batch


def weight_domain(weights: pd.DataFrame, y: np.ndarray, covered: np.ndarray) -> pd.DataFrame:
    """Tell where weights count.

    Parameters
    ----------
    weights : DataFrame (n, K)
        NaN where a row took no part in training.
    y : ndarray (n,)
        Gold codes, -1 where unlabelled.
    covered : ndarray (n,), bool
        Rows on which an LF fired.

    Returns
    -------
    DataFrame (n, K) of bool
        A loss that is none of SPEAR's is taken to be defined on all rows.
    """
    components = spear_components()
    applies = components.applies(_bare_batch(y, covered)).numpy()
    known = dict(zip(components.names, applies.T, strict=True))
    everywhere = np.ones(len(y), dtype=bool)
    domain = {name: known.get(name, everywhere) for name in weights.columns}
    return pd.DataFrame(domain, index=weights.index) & weights.notna()


def _bare_batch(y: np.ndarray, covered: np.ndarray) -> Batch:
    """Make a batch that knows gold and coverage only, which is all that domains depend on."""
    n = len(y)
    fired = torch.as_tensor(np.asarray(covered, dtype=np.float32))[:, None]
    return Batch(
        index=torch.arange(n),
        x=torch.zeros(n, 0),
        y=torch.as_tensor(np.asarray(y, dtype=np.int64)),
        fired=fired,
        scores=torch.zeros(n, 1),
        teachers=torch.zeros(n, 0, 0),
    )
