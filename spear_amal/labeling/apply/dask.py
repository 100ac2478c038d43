"""Appliers that use several processes, under Snorkel's name of the module."""

from spear_amal._refused import refused_names
from spear_amal.labeling.appliers import PandasParallelLFApplier

__all__ = ["PandasParallelLFApplier"]

__getattr__ = refused_names(
    __name__,
    {
        "DaskLFApplier": "spear_amal.labeling.DaskApplier applies LFs to the Parquet files that a "
        "Dask DataFrame writes (df.to_parquet), and PandasLFApplier(lfs).apply(df.compute(), "
        "n_jobs=-1) to rows in memory"
    },
)
