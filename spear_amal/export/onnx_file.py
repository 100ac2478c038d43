"""A text classifier as one ONNX file: from texts and columns to a label and probabilities."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

import spear_amal
from spear_amal._typing import PathLike
from spear_amal.data.column_features import CATEGORY, ColumnFeatures
from spear_amal.data.download.cache import sha256_of
from spear_amal.data.encoders import TextEncoder
from spear_amal.data.features import TextFeatures
from spear_amal.data.table_features import TableFeatures
from spear_amal.data.token_features import TokenFeatures
from spear_amal.errors import InputError
from spear_amal.export.columns_graph import ColumnsGraph
from spear_amal.export.encoder_graph import EncoderGraph
from spear_amal.export.graph import IR_VERSION, OPSETS, Graph
from spear_amal.export.heads import FeatureValues, TimesWeights, class_probabilities
from spear_amal.export.onnx_check import compare_with_model, open_session, require_onnxruntime
from spear_amal.export.tfidf_graph import TfidfGraph
from spear_amal.export.wordpiece_graph import WordPieceGraph
from spear_amal.io.atomic import refuse_existing, write_aside

if TYPE_CHECKING:
    from spear_amal.text_classifier import TextClassifier
    from spear_amal.training_record import TrainingRecord

LABEL, PROBABILITIES = "label", "probabilities"
_ROWS = "rows"
_MOST_BYTES = (
    2_000_000_000  # of a protocol buffer; tables and settings take a little beside weights
)


@dataclass(frozen=True)
class OnnxExport:
    """What was written, and how it was checked.

    Attributes
    ----------
    path : Path
    n_bytes : int
    inputs : dict of str to str
        The type of each input, by its name.
    n_checked : int
        Rows that both the file and the model predicted.
    largest_difference : float
        Between their probabilities.
    """

    path: Path
    n_bytes: int
    inputs: dict[str, str]
    n_checked: int
    largest_difference: float


def export_onnx(
    model: TextClassifier,
    path: PathLike,
    *,
    overwrite: bool = False,
    without_votes: bool = False,
    rows: Any = None,
    source: PathLike | None = None,
) -> OnnxExport:
    """Write a fitted text classifier as an ONNX file, which onnxruntime runs without this package.

    Inputs are one value a row: texts as strings (n,), columns of categories as strings (n,) with
    "" where missing, columns of numbers as float64 (n,) with NaN where missing. Outputs are
    ``label``, strings (n,), and ``probabilities``, float32 (n, C). Both are held against the model
    before anything is written.

    Parameters
    ----------
    model : TextClassifier, fitted
    path : path
    overwrite : bool
        Replace a file that is there.
    without_votes : bool
        Leave the rules out of a model that predicts with them as well.
    rows : list of texts, DataFrame or path of a table, optional
        Further rows on which the file is held against the model, beside odd ones made up here.
    source : path, optional
        The file that the model was read from: its sha256 goes into the metadata.

    Raises
    ------
    InputError
        If a part of the model cannot be exported, the model predicts with votes, or the file would
        predict anything else than the model.
    OutputExistsError
        If the file exists and `overwrite` is False.
    MissingExtraError
        If onnx or onnxruntime is not installed.
    OSError
        If it cannot be written; what stood there before is kept.
    """
    check_is_fitted(model, "estimator_")
    path = refuse_existing(path, overwrite)
    require_onnxruntime()
    if model.needs_votes and not without_votes:
        raise InputError(
            "this model predicts with the rules as well, and an ONNX file holds none: train with "
            "inference=feature, as in 'recommended:inference=feature', or leave the rules out "
            "(without_votes=True, --without-votes)"
        )
    content = onnx_model(model, metadata(model, source, without_votes)).SerializeToString()
    session = open_session(content)
    checked, largest = compare_with_model(session, model, rows)
    with write_aside(path) as aside:
        aside.write_bytes(content)
    kinds = {one.name: one.type for one in session.get_inputs()}
    return OnnxExport(path, len(content), kinds, checked, largest)


def onnx_model(model: TextClassifier, metadata: Mapping[str, str]) -> Any:
    """Return a fitted text classifier as a checked ``onnx.ModelProto``."""
    features = model.features_
    inputs = input_kinds(features)
    taken = {LABEL, PROBABILITIES} & set(inputs)
    if taken:
        raise InputError(
            f"the column {min(taken)!r} has the name of an output of the ONNX file: rename it, and "
            "train again"
        )
    graph = Graph([*inputs, LABEL, PROBABILITIES])
    try:
        values = feature_values(graph, features)
        p = class_probabilities(graph, model.estimator_, values)
        _outputs(graph, p, model)
    except UnicodeEncodeError as error:
        raise InputError(
            f"a class, a category or a word holds half of a character, which no ONNX file can hold "
            f"({error}); correct it in the table, and train again"
        ) from error
    types = graph.onnx.TensorProto
    outputs = {
        LABEL: (types.STRING, [_ROWS]),
        PROBABILITIES: (types.FLOAT, [_ROWS, "classes"]),
    }
    return assembled(graph, inputs, outputs, metadata)


def input_kinds(features: TableFeatures) -> dict[str, str]:
    """Return the inputs of a file, by name: "STRING" or "DOUBLE".

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"text": ["a spy", "a spy", "two"], "price": [1, 2, 3]})
    >>> input_kinds(TableFeatures("tfidf+columns:price").fit(frame))
    {'text': 'STRING', 'price': 'DOUBLE'}
    """
    inputs = {features.text_column: "STRING"} if features.uses_text else {}
    for part in features.parts_:
        if isinstance(part, ColumnFeatures):
            inputs |= {
                name: "STRING" if kind == CATEGORY else "DOUBLE"
                for name, kind in part.kinds_.items()
            }
    return inputs


def feature_values(graph: Graph, features: TableFeatures) -> FeatureValues:
    """Return the features of rows, whose cells are inputs of a graph."""
    text, parts = features.text_column, features.parts_
    if len(parts) == 1 and isinstance(parts[0], TokenFeatures):
        tokens = WordPieceGraph(parts[0].tokenizer_, parts[0].length_).ids(graph, text)
        return FeatureValues(_no_product, tokens)
    blocks = [_part_of(graph, part, text) for part in parts]
    ends = np.cumsum([width for width, _ in blocks])[:-1]

    def times(weights: np.ndarray) -> Any:
        split = np.split(weights, ends)
        sums = [times_part(block) for (_, times_part), block in zip(blocks, split, strict=True)]
        return sums[0] if len(sums) == 1 else graph.op("Sum", *sums)

    return FeatureValues(times)


def _part_of(graph: Graph, part: Any, text: str) -> tuple[int, TimesWeights]:
    if isinstance(part, ColumnFeatures):
        return len(part.get_feature_names_out()), ColumnsGraph(graph, part).affine
    if isinstance(part, TextFeatures):
        return len(part.vocabulary_), TfidfGraph(graph, text, part).affine
    if isinstance(part, TextEncoder):
        encoder = EncoderGraph(graph, text, part)
        return encoder.width, encoder.affine
    return 0, _no_product


def _no_product(weights: np.ndarray) -> Any:
    raise InputError(
        "token numbers are features of an encoder that is trained itself, and alone: with others, "
        "or another network, they cannot be exported to ONNX"
    )


def _outputs(graph: Graph, p: str, model: TextClassifier) -> None:
    """Name the outputs: columns as `classes_` go, and no label where a number was too large."""
    listed = model.classes_.tolist()
    known = [listed.index(name) for name in model.names_of(model.estimator_.classes_)]
    # A class that no row of training had is one that the estimator does not know.
    padded = graph.op("Pad", p, [0, 0, 0, 1], 0.0)
    places = [known.index(k) if k in known else len(known) for k in range(len(listed))]
    p = graph.op("Gather", padded, places, axis=1)
    graph.named(p, PROBABILITIES)
    best = graph.op("ArgMax", p, axis=1, keepdims=0)
    names = graph.op("Gather", [str(name) for name in listed], best)
    is_number = graph.op("Not", graph.op("IsNaN", graph.op("ReduceSum", p, [1], keepdims=0)))
    graph.named(graph.op("Where", is_number, names, [""]), LABEL)


def assembled(
    graph: Graph,
    inputs: Mapping[str, str],
    outputs: Mapping[str, tuple[int, list[str]]],
    metadata: Mapping[str, str],
) -> Any:
    """Return a graph as a checked ``onnx.ModelProto``.

    Parameters
    ----------
    graph : Graph
    inputs : mapping of str to str
        Types of values (n,), such as "STRING".
    outputs : mapping of str to (type, shape)
    metadata : mapping of str to str
    """
    onnx = graph.onnx
    n_bytes = sum(tensor.ByteSize() for tensor in graph.initializers)
    if n_bytes > _MOST_BYTES:
        raise InputError(
            f"the weights take {n_bytes / 1e9:.1f} GB, and an ONNX file holds less than 2: train "
            "with fewer features (max_features), a smaller network, or fewer folds"
        )
    helper, types = onnx.helper, onnx.TensorProto
    info = helper.make_tensor_value_info
    whole = helper.make_graph(
        graph.nodes,
        "spear_amal",
        [info(name, getattr(types, kind), [_ROWS]) for name, kind in inputs.items()],
        [info(name, kind, shape) for name, (kind, shape) in outputs.items()],
        graph.initializers,
        value_info=graph.value_infos,
    )
    made = helper.make_model(
        whole,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid(*one) for one in OPSETS.items()],
        producer_name="spear_amal",
        producer_version=spear_amal.__version__,
    )
    helper.set_model_props(made, dict(metadata))
    onnx.checker.check_model(made, full_check=True)
    return made


def metadata(model: TextClassifier, source: PathLike | None, without_votes: bool) -> dict[str, str]:
    """Return what a file says of itself: texts, and JSON where a value is a list or a dict."""
    features = model.features_
    told: dict[str, Any] = {
        "classes": [str(name) for name in model.classes_.tolist()],
        "inputs": input_kinds(features),
        "features": [_described(part) for part in features.parts_],
        "lfs": list(model.lf_names_),
    }
    if model.parts_.record is not None:
        told["training"] = _training(model.parts_.record)
    texts = {
        "spear_amal_version": spear_amal.__version__,
        "method": _without_folders(model.parts_.method),
        "estimator": type(model.estimator_).__name__,
        "rules": "left out" if without_votes and model.needs_votes else "not used",
        "gold_sha256": hashlib.sha256(model.parts_.gold_digests.tobytes()).hexdigest(),
    }
    if source is not None:
        texts["model_sha256"] = sha256_of(Path(source))
    return texts | {name: json.dumps(value, ensure_ascii=False) for name, value in told.items()}


def _without_folders(method: str) -> str:
    """Return a method whose encoder, where it is a folder of this machine, goes by its name."""
    return re.sub(r"(?<=encoder:)[/~][^,]*", lambda path: Path(path[0]).name, method)


def _training(record: TrainingRecord) -> dict[str, Any]:
    """Return what tells the data of a training: counts and hashes, no content."""
    content = record.as_json()
    keys = ("rows", "labelled", "sha256")
    rows = {
        role: {key: content[role][key] for key in keys}
        for role in ("train", "validation")
        if content[role] is not None
    }
    return {"hashed": content["hashed"], "files": content["files"], **rows}


def _described(part: Any) -> dict[str, Any]:
    """Return the settings of features, without words and categories."""
    if isinstance(part, TextFeatures):
        settings = part.to_arrays()["settings"]
        return {"kind": "tfidf", "n_words": len(part.vocabulary_), **settings}
    if isinstance(part, ColumnFeatures):
        return {"kind": "columns", "kinds": part.kinds_}
    is_tokens = isinstance(part, TokenFeatures)
    settings = part.to_arrays()["settings"] if is_tokens else part.to_json()
    if Path(settings["encoder"]).is_absolute():  # a folder of this machine is of no use elsewhere
        settings = settings | {"encoder": Path(settings["encoder"]).name}
    return {"kind": "tokens" if is_tokens else "encoder", **settings}
