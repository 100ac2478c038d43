"""Learnt weights by row, of one model or several, as a fitted estimator shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
import torch

from spear_amal.mixers.weight_table import MappedTable
from spear_amal.tensors.bool_table import BitRows

if TYPE_CHECKING:
    from spear_amal.estimators.engine import Member


def weights_frame(members: list[Member], last: bool = False) -> pd.DataFrame:
    """Weights (n, K) per row and loss, means over members; NaN where a loss did not count.

    Those of the chosen epochs, or after the last ones. Empty where they are on disk, of rows that
    are there as well.
    """
    names = list(members[0].names)
    if members[0].streamed and isinstance(members[0].result.weights, MappedTable):
        return pd.DataFrame(columns=names, dtype=np.float32)  # they may not fit into memory
    n = cast(BitRows, members[0].result.domain).shape[0]
    total, count = np.zeros((2, n, len(names)))
    for member in members:
        rows = torch.as_tensor(member.trained)
        held = member.result
        table = held.last_weights if last else held.weights
        on = cast(BitRows, held.domain)[rows].numpy()
        total[rows] += np.where(on, 1.0 if table is None else table[rows].numpy(), 0.0)
        count[rows] += on
    return pd.DataFrame(total / np.where(count == 0, np.nan, count), columns=names)
