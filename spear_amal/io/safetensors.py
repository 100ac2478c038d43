"""Files of tensors: safetensors for them, JSON for the rest, one file, written aside and renamed.

Checkpoints, models and mixers are such files. Nothing is unpickled.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from spear_amal._typing import PathLike
from spear_amal.errors import FileFormatError
from spear_amal.io.atomic import write_aside

FORMAT = 2  # 1: estimators with flat parameters
Tensors = dict[str, Tensor]


def write_tensors(path: PathLike, tensors: Tensors, header: dict[str, Any]) -> None:
    """Write tensors and a JSON-able description into one safetensors file.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; what stood at `path` stays.
    """
    text = json.dumps({"format": FORMAT, **header})
    # Shared storage is not allowed in the format, hence the clones.
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    with write_aside(path) as temporary:
        try:
            save_file(plain, temporary, metadata={"spear_amal": text})
        except SafetensorError as error:  # a full disk, for one, which callers know as OSError
            raise OSError(f"{path} cannot be written: {error}") from error


def read_tensors(path: PathLike, kind: str) -> tuple[Tensors, dict[str, Any]]:
    """Read back what :func:`write_tensors` wrote, if it is of this kind.

    Raises
    ------
    FileFormatError
        If the file is truncated, damaged, of another kind or of a newer format.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("spear_amal", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise FileFormatError(
            f"{path} is damaged or no {kind} file ({error}); it cannot be used, make it again"
        ) from error
    if header.get("kind") != kind:
        raise FileFormatError(f"{path} holds {header.get('kind', 'something else')}, not a {kind}")
    if header["format"] > FORMAT:
        raise FileFormatError(
            f"{path} has format {header['format']}, this version reads up to {FORMAT}: "
            "update spear_amal"
        )
    return tensors, header


def with_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """Return the mapping with `prefix` and a dot before every name."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def under_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """Pick the names that start with `prefix` and a dot, without it."""
    start = f"{prefix}."
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
