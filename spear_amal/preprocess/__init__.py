"""Preprocessors of data points, under Snorkel's names; imports no torch."""

from spear_amal.labeling.preprocessing import (
    BasePreprocessor,
    LambdaPreprocessor,
    Preprocessor,
    preprocessor,
)

__all__ = ["BasePreprocessor", "LambdaPreprocessor", "Preprocessor", "preprocessor"]
