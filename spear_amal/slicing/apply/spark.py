"""There is no applier of slicing functions on Spark; asking says what to use."""

from spear_amal._refused import refused_names

__all__: list[str] = []

__getattr__ = refused_names(
    __name__,
    {
        "SparkSFApplier": "spear_amal.slicing.PandasSFApplier applies slicing functions to the "
        "rows that toPandas() gives"
    },
)
