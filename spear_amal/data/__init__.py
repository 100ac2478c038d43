"""Corpora and fetching, splits, text features, known truth, other tools' formats; no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spear_amal._lazy import lazy_names
from spear_amal.data.read_table import read_table, require_columns
from spear_amal.data.write_table import write_table
from spear_amal.hf_datasets import to_dataset

if TYPE_CHECKING:
    from spear_amal.data.column_features import ColumnFeatures
    from spear_amal.data.corpora.registry import (
        CORPORA,
        CorpusStatus,
        corpus_file,
        corpus_status,
        fetch_corpus,
        load_corpus,
    )
    from spear_amal.data.corpora.spec import CorpusSpec
    from spear_amal.data.corpora.synthetic import (
        synthetic_corpus,
        synthetic_judges,
        synthetic_votes,
    )
    from spear_amal.data.corpus import Corpus
    from spear_amal.data.encoders import TextEncoder, make_features
    from spear_amal.data.features import TextFeatures
    from spear_amal.data.formats.other_votes import (
        crowd_label_matrix,
        flyingsquid_label_matrix,
        metal_label_matrix,
        named_label_matrix,
        to_crowd,
        to_flyingsquid,
        to_metal,
        to_names,
    )
    from spear_amal.data.formats.spear import read_spear_pickle, spear_label_matrix
    from spear_amal.data.formats.wrench import WrenchPart, read_wrench, write_wrench
    from spear_amal.data.id_column import ids_of
    from spear_amal.data.images import IMAGES, ImageData, digits, kd_synthetic, load_images
    from spear_amal.data.images.label_noise import NoisyLabels, add_label_noise
    from spear_amal.data.splits import Partition, check_disjoint, partition
    from spear_amal.data.table_features import TableFeatures

_LAZY = {
    "column_features": ("ColumnFeatures",),
    "corpora.registry": (
        "CORPORA",
        "CorpusStatus",
        "corpus_file",
        "corpus_status",
        "fetch_corpus",
        "load_corpus",
    ),
    "corpora.spec": ("CorpusSpec",),
    "corpora.synthetic": (
        "synthetic_corpus",
        "synthetic_judges",
        "synthetic_votes",
    ),
    "corpus": ("Corpus",),
    "encoders": (
        "TextEncoder",
        "make_features",
    ),
    "features": ("TextFeatures",),
    "formats.other_votes": (
        "crowd_label_matrix",
        "flyingsquid_label_matrix",
        "metal_label_matrix",
        "named_label_matrix",
        "to_crowd",
        "to_flyingsquid",
        "to_metal",
        "to_names",
    ),
    "formats.spear": (
        "read_spear_pickle",
        "spear_label_matrix",
    ),
    "formats.wrench": (
        "WrenchPart",
        "read_wrench",
        "write_wrench",
    ),
    "id_column": ("ids_of",),
    "images": (
        "IMAGES",
        "ImageData",
        "digits",
        "kd_synthetic",
        "load_images",
    ),
    "images.label_noise": (
        "NoisyLabels",
        "add_label_noise",
    ),
    "splits": (
        "Partition",
        "check_disjoint",
        "partition",
    ),
    "table_features": ("TableFeatures",),
}

__all__ = [
    "CORPORA",
    "IMAGES",
    "ColumnFeatures",
    "Corpus",
    "CorpusSpec",
    "CorpusStatus",
    "ImageData",
    "NoisyLabels",
    "Partition",
    "TableFeatures",
    "TextEncoder",
    "TextFeatures",
    "WrenchPart",
    "add_label_noise",
    "check_disjoint",
    "corpus_file",
    "corpus_status",
    "crowd_label_matrix",
    "digits",
    "fetch_corpus",
    "flyingsquid_label_matrix",
    "ids_of",
    "kd_synthetic",
    "load_corpus",
    "load_images",
    "make_features",
    "metal_label_matrix",
    "named_label_matrix",
    "partition",
    "read_spear_pickle",
    "read_table",
    "read_wrench",
    "require_columns",
    "spear_label_matrix",
    "synthetic_corpus",
    "synthetic_judges",
    "synthetic_votes",
    "to_crowd",
    "to_dataset",
    "to_flyingsquid",
    "to_metal",
    "to_names",
    "write_table",
    "write_wrench",
]


if not TYPE_CHECKING:
    __getattr__ = lazy_names(__name__, _LAZY)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
