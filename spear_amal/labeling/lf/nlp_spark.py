"""There are no LFs for Spark alone; asking says what to use."""

from spear_amal._refused import refused_names

__all__: list[str] = []

_INSTEAD = "nlp_labeling_function runs on the workers of spear_amal.labeling.SparkApplier as it is"
__getattr__ = refused_names(
    __name__,
    {"SparkNLPLabelingFunction": _INSTEAD, "spark_nlp_labeling_function": _INSTEAD},
)
