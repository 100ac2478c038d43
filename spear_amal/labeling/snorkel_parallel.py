"""Snorkel's parallel applier by its name and arguments, with rows in order."""

from __future__ import annotations

from typing import Any

import pandas as pd

from spear_amal.labeling.appliers import PandasLFApplier


class PandasParallelLFApplier(PandasLFApplier):
    """Applies LFs to a DataFrame by several processes, as ``PandasLFApplier(..., n_jobs=...)``.

    Rows keep their order whatever the index: unsorted, repeated or of strings.

    Examples
    --------
    >>> from spear_amal.labeling import keyword_lf
    >>> rows = pd.DataFrame({"text": ["free tones", "see you"]}, index=["b", "a"])
    >>> applier = PandasParallelLFApplier([keyword_lf("free", ["free"], 1)])
    >>> applier.apply(rows, n_parallel=1).to_dense().tolist()
    [[1], [-1]]
    """

    def apply(  # type: ignore[override]
        self,
        df: pd.DataFrame,
        n_parallel: int = 2,
        fault_tolerant: bool = False,
        return_meta: bool = False,
    ) -> Any:
        """Votes of all LFs on all rows, by `n_parallel` processes."""
        return super().apply(
            df, fault_tolerant=fault_tolerant, return_meta=return_meta, n_jobs=n_parallel
        )
