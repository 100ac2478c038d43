"""An ONNX graph that is written operator by operator."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from spear_amal.errors import MissingExtraError

#: Versions of the operators: the first with RegexFullMatch, onnxruntime 1.17 and later know them.
OPSETS = {"": 20, "ai.onnx.ml": 4, "com.microsoft": 1}
IR_VERSION = 9
ML, CONTRIB = "ai.onnx.ml", "com.microsoft"
GraphValue: TypeAlias = "str | np.ndarray | int | float | list[int] | list[str]"


def require_onnx() -> Any:
    """Return the module ``onnx``; raise MissingExtraError if it is not installed."""
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("onnx", "onnx", "the export to ONNX") from error
    return onnx


class Graph:
    """Nodes and constants of a graph, or of the body of one of its loops.

    A value is the name of what an operator gave. A constant may stand wherever a value may: an
    array, a whole number or a list of them (int64), a float (float32), or a list of texts.

    Parameters
    ----------
    taken : sequence of str
        Names that nothing within the graph may have.
    """

    def __init__(self, taken: Sequence[str] = (), outer: Graph | None = None) -> None:
        self.onnx = require_onnx()
        self.nodes: list[Any] = []
        self._outer = outer
        self._numbers: Iterator[int] = itertools.count() if outer is None else outer._numbers
        self._taken: set[str] = set(taken) if outer is None else outer._taken
        self._constants: dict[Any, str] = {}
        self.initializers: list[Any] = []
        self.value_infos: list[Any] = []

    def op(
        self, kind: str, *inputs: GraphValue, domain: str = "", outputs: int = 1, **attributes: Any
    ) -> Any:
        """Add an operator; return the name of its output, or a tuple of names of several."""
        names = [self._new_name() for _ in range(outputs)]
        node = self.onnx.helper.make_node(
            kind, [self.value(one) for one in inputs], names, domain=domain, **attributes
        )
        self.nodes.append(node)
        return names[0] if outputs == 1 else tuple(names)

    def named(self, value: GraphValue, name: str) -> None:
        """Name a value as an output."""
        node = self.onnx.helper.make_node("Identity", [self.value(value)], [name])
        self.nodes.append(node)

    def value(self, value: GraphValue) -> str:
        """Return the name of a value, which may be a constant."""
        if isinstance(value, str):
            return value
        if self._outer is not None:
            return self._outer.value(value)
        array = _as_array(value)
        key = (array.dtype.str, array.shape, _content(array)) if array.size < 64 else None
        if key is not None and key in self._constants:
            return self._constants[key]
        name = self._new_name()
        self.initializers.append(self._tensor(name, array))
        if key is not None:
            self._constants[key] = name
        return name

    def cast(self, value: GraphValue, kind: str) -> Any:
        """Return a value as another type, such as "FLOAT" or "INT64"."""
        return self.op("Cast", value, to=getattr(self.onnx.TensorProto, kind))

    def tokens(self, texts: GraphValue, **attributes: Any) -> Any:
        """Return what onnxruntime's own Tokenizer cuts texts (n,) into: (n, T), "" at the end."""
        settings = {"mark": 0, "mincharnum": 1, "pad_value": "", **attributes}
        made = self.op("Tokenizer", texts, domain=CONTRIB, **settings)
        # onnx does not know this operator, and its check of types (1.23) ends the process at a
        # LabelEncoder whose input it has no type of: so what comes out is always said.
        info = self.onnx.helper.make_tensor_value_info
        self.value_infos.append(info(made, self.onnx.TensorProto.STRING, [None, None]))
        return made

    def size(self, value: GraphValue, axis: int) -> Any:
        """Return a length, int64 (1,)."""
        return self.op("Shape", value, start=axis, end=axis + 1)

    def columns(self, value: GraphValue, start: GraphValue, end: GraphValue, step: int = 1) -> Any:
        """Return columns of a matrix."""
        return self.op("Slice", value, start, end, [1], [step])

    def encode(self, value: GraphValue, table: dict[Any, Any], default: Any) -> Any:
        """Return what a table says of each key: of texts or whole numbers, to either."""
        keys, values = list(table), list(table.values())
        parts: dict[str, Any] = {
            f"keys_{_kind(keys[0])}s": keys,
            f"values_{_kind(default)}s": values,
        }
        parts[f"default_{_kind(default)}"] = default
        return self.op("LabelEncoder", value, domain=ML, **parts)

    def loop(
        self, trips: GraphValue, state: Sequence[GraphValue], body: Any, kinds: Sequence[str]
    ) -> Any:
        """Run ``body(graph, trip, *state)``, which returns the next state, `trips` times.

        Parameters
        ----------
        trips : int64, scalar
        state : sequence of values
        body : function
        kinds : sequence of str
            Types of the state, such as "INT64"; shapes may change.

        Returns
        -------
        tuple of str
            The last state.
        """
        helper, types = self.onnx.helper, self.onnx.TensorProto
        inner = Graph(outer=self)
        trip, going = self._new_name(), self._new_name()
        names = [self._new_name() for _ in state]
        results = [self._new_name() for _ in state]
        for value, name in zip(body(inner, trip, *names), results, strict=True):
            inner.named(value, name)
        going_on = self._new_name()
        inner.nodes.append(helper.make_node("Identity", [going], [going_on]))
        numbers = [getattr(types, kind) for kind in kinds]
        info = helper.make_tensor_value_info
        graph = helper.make_graph(
            inner.nodes,
            self._new_name(),
            [
                info(trip, types.INT64, []),
                info(going, types.BOOL, []),
                *(info(name, kind, None) for name, kind in zip(names, numbers, strict=True)),
            ],
            [
                info(going_on, types.BOOL, []),
                *(info(name, kind, None) for name, kind in zip(results, numbers, strict=True)),
            ],
        )
        last = self.op("Loop", trips, np.array(True), *state, outputs=len(state), body=graph)
        return (last,) if len(state) == 1 else last

    def _new_name(self) -> str:
        while (name := f"v{next(self._numbers)}") in self._taken:
            pass
        return name

    def _tensor(self, name: str, array: np.ndarray) -> Any:
        if array.dtype.kind not in "OU":
            return self.onnx.numpy_helper.from_array(array, name)
        texts = [str(text).encode() for text in array.ravel().tolist()]
        return self.onnx.helper.make_tensor(name, self.onnx.TensorProto.STRING, array.shape, texts)


def _as_array(value: GraphValue) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value) if value.ndim else value
    if isinstance(value, list) and value and isinstance(value[0], str):
        return np.array(value, dtype=object)
    return np.array(value, dtype=np.float32 if isinstance(value, float) else np.int64)


def _content(array: np.ndarray) -> Any:
    return tuple(array.ravel().tolist()) if array.dtype.kind in "OU" else array.tobytes()


def _kind(value: Any) -> str:
    return "string" if isinstance(value, str) else "int64"
