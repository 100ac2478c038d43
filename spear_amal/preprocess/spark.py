"""Preprocessors on Spark rows are not made here; asking says what to use."""

from spear_amal._refused import refused_names

__all__: list[str] = []

__getattr__ = refused_names(
    __name__,
    {
        "make_spark_preprocessor": "spear_amal.labeling.SparkApplier runs plain preprocessors on "
        "the rows of Parquet files, so that none needs to be made for Spark"
    },
)
