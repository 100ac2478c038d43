"""There are no appliers of slicing functions on Dask; asking says what to use."""

from spear_amal._refused import refused_names

__all__: list[str] = []

_INSTEAD = "spear_amal.slicing.PandasSFApplier applies slicing functions to df.compute()"
__getattr__ = refused_names(
    __name__, {"DaskSFApplier": _INSTEAD, "PandasParallelSFApplier": _INSTEAD}
)
