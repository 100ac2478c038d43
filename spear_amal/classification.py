"""Snorkel's classifier is not here; asking for its names says what to use."""

from spear_amal._refused import refused_names

__all__: list[str] = []

_INSTEAD = (
    "spear_amal.SpearClassifier and the other estimators train a network of your own on gold, "
    "votes and soft labels; spear_amal.AuxiliaryClassifier has several tasks"
)
_NAMES = (
    "Checkpointer",
    "CheckpointerConfig",
    "DictDataLoader",
    "DictDataset",
    "LogManager",
    "LogManagerConfig",
    "LogWriter",
    "LogWriterConfig",
    "MultitaskClassifier",
    "Operation",
    "Task",
    "TensorBoardWriter",
    "Trainer",
)
__getattr__ = refused_names(
    __name__,
    {
        **dict.fromkeys(_NAMES, _INSTEAD),
        "cross_entropy_with_probs": "torch.nn.functional.cross_entropy takes probabilities as its "
        "target",
    },
)
