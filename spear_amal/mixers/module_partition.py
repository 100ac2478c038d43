"""Which module of a network each parameter belongs to, told by names and shapes alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from spear_amal.errors import InputError

KINDS = ("stage", "block", "parameter")
ModulePartition = str | Mapping[str, str] | Callable[[str], str]
# A part with a larger share of its parent's parameters is the network's trunk: it is looked into.
TRUNK = 1 / 3


def check_partition(how: Any) -> None:
    """Raise InputError unless `how` is a kind, a mapping or a callable."""
    if isinstance(how, str) and how in KINDS:
        return
    if isinstance(how, str) or not (isinstance(how, Mapping) or callable(how)):
        raise InputError(
            f"partition must be one of {KINDS}, a mapping from parameter names (or the beginnings "
            f"of names up to a dot) to modules, or a callable on names; found {how!r}"
        )


def assign_modules(
    parameters: Mapping[str, Tensor], how: ModulePartition = "stage"
) -> dict[str, str]:
    """Return the module of each parameter, in the order of the parameters.

    Parameters
    ----------
    parameters : mapping of str to Tensor
        As ``named_parameters`` gives them: names with dots, from input to output.
    how : {"stage", "block", "parameter"}, mapping or callable
        "stage": the parts that the trunk of the network consists of. Of numbered layers each one
        with a weight matrix, its batch norm included. Of numbered blocks those in a row that end
        in the same width (a ResNet's stages); each one, where all do (a transformer's blocks).
        "block": every block. "parameter": every parameter is a module. A mapping gives modules by
        parameter name or by the beginning of a name up to a dot, the longest counts; a callable
        gives the module for a parameter's name.

    Raises
    ------
    InputError
        If a mapping leaves a parameter out, or a callable does not answer with a string.

    Examples
    --------
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Linear(3, 5, bias=False), nn.LayerNorm(5, bias=False), nn.ReLU())
    >>> assign_modules(dict(nn.Sequential(net, nn.Linear(5, 2, bias=False)).named_parameters()))
    {'0.0.weight': '0', '0.1.weight': '0', '1.weight': '1'}
    """
    if how == "parameter":
        return {name: name for name in parameters}
    if not isinstance(how, str):
        return {name: _given(name, how) for name in parameters}
    root = _tree(parameters)
    parts = _stages(root) if how == "stage" else _blocks(root)
    labels = _shortened([part.label for part in parts])
    module = {n: label for label, part in zip(labels, parts, strict=True) for n in part.names}
    return {name: module[name] for name in parameters}


def _given(name: str, how: Mapping[str, str] | Callable[[str], str]) -> str:
    if callable(how):
        module: str | None = how(name)
    else:
        pieces = name.split(".")
        starts = (".".join(pieces[:n]) for n in range(len(pieces), 0, -1))
        module = next((how[start] for start in starts if start in how), None)
        if module is None:
            raise InputError(
                f"partition gives no module for the parameter {name!r}: its keys, "
                f"{sorted(map(str, how))}, must be names of parameters as the model has them, or "
                "their beginnings up to a dot"
            )
    if not isinstance(module, str):
        raise InputError(f"partition gives no module for the parameter {name!r}, but {module!r}")
    return module


# -- the tree of names ----------------------------------------------------------------------------


@dataclass
class _Node:
    """A module by its path; or a parameter that sits beside modules, as a module of its own."""

    path: tuple[str, ...]
    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)  # all parameters under it
    children: dict[str, _Node] = field(default_factory=dict)

    @property
    def is_leaf(self) -> bool:
        return not self.children

    @property
    def is_norm(self) -> bool:
        """True for a layer without a matrix."""
        weight = next((s for n, s in self.sizes.items() if n.endswith("weight")), None)
        return self.is_leaf and weight is not None and len(weight) < 2


@dataclass
class _Part:
    """Neighbouring nodes that become one module."""

    nodes: list[_Node]

    @property
    def names(self) -> Iterable[str]:
        return (name for node in self.nodes for name in node.sizes)

    @property
    def is_block(self) -> bool:
        return not all(node.is_leaf for node in self.nodes)

    @property
    def width(self) -> int:
        """Rows of the last matrix."""
        sizes = [size for node in self.nodes for size in node.sizes.values() if len(size) > 1]
        return sizes[-1][0] if sizes else 0

    @property
    def label(self) -> tuple[str, ...]:
        layers = [node for node in self.nodes if not node.is_norm] or self.nodes
        first, last = layers[0].path, layers[-1].path
        return first if first == last else (*first[:-1], f"{first[-1]}-{last[-1]}")


def _tree(parameters: Mapping[str, Tensor]) -> _Node:
    modules = {tuple(name.split(".")[:-1]) for name in parameters}
    inner = {path[:n] for path in modules for n in range(len(path))}
    root = _Node(())
    for name, tensor in parameters.items():
        path = tuple(name.split("."))
        # Beside other modules a parameter is a node; else it is part of its module.
        node, steps = root, path if path[:-1] in inner else path[:-1]
        node.sizes[name] = tuple(tensor.shape)
        for n, step in enumerate(steps, 1):
            node = node.children.setdefault(step, _Node(steps[:n]))
            node.sizes[name] = tuple(tensor.shape)
    return root


# -- cutting it -----------------------------------------------------------------------------------


def _stages(node: _Node) -> list[_Part]:
    if node.is_leaf:
        return [_Part([node])]
    if len(node.children) == 1:
        return _stages(next(iter(node.children.values())))
    if _is_numbered(node):
        return _in_runs(_with_norms([_Part([child]) for child in node.children.values()]))
    trunks = _trunks(node)
    parts = [_stages(c) if c in trunks else [_Part([c])] for c in node.children.values()]
    return _with_norms([part for some in parts for part in some])


def _blocks(node: _Node) -> list[_Part]:
    if node.is_leaf:
        return [_Part([node])]
    if len(node.children) == 1:
        return _blocks(next(iter(node.children.values())))
    if _is_list(node):
        return _items(node)
    trunks, listed = _trunks(node), _listed(node)
    parts: list[_Part] = []
    for child in node.children.values():
        if child in trunks:
            parts += _blocks(child)
        else:
            parts += _items(child) if child in listed and _is_list(child) else [_Part([child])]
    return _with_norms(parts)


def _items(node: _Node) -> list[_Part]:
    """Members of a list; those that are lists themselves are looked into."""
    children = node.children.values()
    parts = [_items(c) if _is_list(c) else [_Part([c])] for c in children]
    return _with_norms([part for some in parts for part in some])


def _is_numbered(node: _Node) -> bool:
    return bool(node.children) and all(key.isdigit() for key in node.children)


def _is_list(node: _Node) -> bool:
    return _is_numbered(node) or 0 < len(node.children) == len(_listed(node))


def _listed(node: _Node) -> list[_Node]:
    """Children that hold modules and have a sibling of the same name but for the number."""
    stems = Counter(_stem(key) for key in node.children)
    return [c for k, c in node.children.items() if stems[_stem(k)] > 1 and not c.is_leaf]


def _trunks(node: _Node) -> list[_Node]:
    stems = Counter(_stem(key) for key in node.children)
    least = TRUNK * len(node.sizes)
    return [
        child
        for key, child in node.children.items()
        if stems[_stem(key)] == 1 and not child.is_leaf and len(child.sizes) > least
    ]


def _stem(key: str) -> str:
    return key.rstrip("0123456789")


def _with_norms(parts: list[_Part]) -> list[_Part]:
    """Norms joined with what comes before; those at the beginning with what comes after."""
    joined: list[_Part] = []
    for part in parts:
        only_norms = bool(joined) and all(node.is_norm for node in joined[-1].nodes)
        if joined and (only_norms or all(node.is_norm for node in part.nodes)):
            joined[-1] = _Part([*joined[-1].nodes, *part.nodes])
        else:
            joined.append(part)
    return joined


def _in_runs(parts: list[_Part]) -> list[_Part]:
    """Blocks in a row that end in the same width joined, unless all blocks do."""
    runs: list[list[_Part]] = []
    for part in parts:
        before = runs[-1][-1] if runs else None
        if before and before.is_block and part.is_block and before.width == part.width:
            runs[-1].append(part)
        else:
            runs.append([part])
    if sum(run[0].is_block for run in runs) == 1:
        return parts
    return [_Part([node for part in run for node in part.nodes]) for run in runs]


def _shortened(labels: list[tuple[str, ...]]) -> list[str]:
    """Paths without the beginning that all share."""
    shared = 0
    while len(labels) > 1 and all(len(label) > shared + 1 for label in labels):
        if len({label[shared] for label in labels}) > 1:
            break
        shared += 1
    return [".".join(label[shared:]) or "network" for label in labels]
