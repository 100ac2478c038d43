"""Functions from data point to data point, under Snorkel's names; imports no torch."""

from spear_amal.labeling.preprocessing import (
    BasePreprocessor as BaseMapper,
)
from spear_amal.labeling.preprocessing import (
    LambdaPreprocessor as LambdaMapper,
)
from spear_amal.labeling.preprocessing import (
    Preprocessor as Mapper,
)
from spear_amal.labeling.preprocessing import lambda_mapper

__all__ = ["BaseMapper", "LambdaMapper", "Mapper", "lambda_mapper"]
