"""There is no applier on RDDs; asking says what to use."""

from spear_amal._refused import refused_names

__all__: list[str] = []

__getattr__ = refused_names(
    __name__,
    {
        "SparkLFApplier": "spear_amal.labeling.SparkApplier applies LFs to the Parquet files that "
        "a Spark DataFrame writes (df.write.parquet)"
    },
)
