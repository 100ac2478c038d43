"""Rows are not made up here; asking for Snorkel's transformation functions says what to use."""

from spear_amal._refused import refused_names

__all__: list[str] = []

_INSTEAD = (
    "write further rows into the DataFrame with a function of your own before LFs are applied; "
    "images are changed in training by TrainerConfig(augment='crop-flip')"
)
__getattr__ = refused_names(
    __name__,
    dict.fromkeys(
        (
            "ApplyAllPolicy",
            "ApplyEachPolicy",
            "ApplyOnePolicy",
            "MeanFieldPolicy",
            "PandasTFApplier",
            "RandomPolicy",
            "TFApplier",
            "TransformationFunction",
            "transformation_function",
        ),
        _INSTEAD,
    ),
)
