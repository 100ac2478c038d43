"""On which rows a learnt weight means something: its loss is defined, the row was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spear_amal.types import Batch

if TYPE_CHECKING:
    from spear_amal.components import ComponentSet


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
    # Here, as tables of labelling functions should not have to wait for torch.
    from spear_amal.components import spear_components

    components = spear_components()
    known = dict(zip(components.names, _applies(components, y, covered), strict=True))
    everywhere = np.ones(len(y), dtype=bool)
    domain = {name: known.get(name, everywhere) for name in weights.columns}
    return pd.DataFrame(domain, index=weights.index) & weights.notna()


def _applies(components: ComponentSet, y: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Domains (K, n), of a batch that knows gold and coverage only, as domains need no more."""
    import torch

    n = len(y)
    batch = Batch(
        index=torch.arange(n),
        x=torch.zeros(n, 0),
        y=torch.as_tensor(np.asarray(y, dtype=np.int64)),
        fired=torch.as_tensor(np.asarray(covered, dtype=np.float32))[:, None],
        scores=torch.zeros(n, 1),
        teachers=torch.zeros(n, 0, 0),
    )
    return components.applies(batch).numpy().T
