"""Files of tensors: safetensors for them, JSON for the rest, one file, written aside and renamed.

Checkpoints, models and mixers are such files. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, uint8

from spear_amal._typing import PathLike
from spear_amal.errors import FileFormatError
from spear_amal.io.atomic import write_aside
from spear_amal.io.guard import DIGEST, guarded_reading, json_digest

FORMAT = 3  # 1: estimators with flat parameters; 2: with classes in the order of the votes
Tensors = dict[str, Tensor]
_HEADER = "spear_amal"  # key of the description among the metadata of the file


def write_tensors(path: PathLike, tensors: Tensors, header: dict[str, Any]) -> None:
    """Write tensors and a JSON-able description into one safetensors file, with their digest.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; what stood at `path` stays.
    """
    about = json.loads(json.dumps({"format": FORMAT, **header}))
    # Shared storage is not allowed in the format, hence the clones.
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    # One entry: the format keeps several in no order, and the same content must be the same file.
    metadata = {_HEADER: json.dumps({**about, DIGEST: _digest(plain, about)})}
    with write_aside(path) as temporary:
        try:
            save_file(plain, temporary, metadata)
        except SafetensorError as error:  # a full disk, for one, which callers know as OSError
            raise OSError(f"{path} cannot be written: {error}") from error


def read_tensors(path: PathLike, kind: str, advice: str = "") -> tuple[Tensors, dict[str, Any]]:
    """Read back what :func:`write_tensors` wrote, if it is of this kind.

    Files of earlier versions have no digest and are taken without. The error for a file of another
    kind ends in `advice`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file is truncated, damaged, altered, of another kind or of a newer format.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    with guarded_reading(path, f"a {kind}", "it cannot be used, make it again"):
        # The library holds the sizes in its header against that of the file before it reads.
        with safe_open(path, framework="pt") as file:
            header: dict[str, Any] = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if DIGEST in header and header.pop(DIGEST) != _digest(tensors, header):
            raise ValueError("its content is not what was written: the digest is another one")
        if header.get("kind") != kind:
            other = f"a {header['kind']}" if "kind" in header else "something else"
            raise FileFormatError(f"{path} holds {other}, not a {kind}{advice and f': {advice}'}")
        if header["format"] > FORMAT:
            raise FileFormatError(
                f"{path} has format {header['format']}, this version reads up to {FORMAT}: "
                "update spear_amal"
            )
        return tensors, header


def _digest(tensors: Tensors, header: dict[str, Any]) -> str:
    """Return the SHA-256 of the header and of names, types, shapes and bytes of tensors."""
    summed = hashlib.sha256(json_digest(header).encode())
    for name, tensor in sorted(tensors.items()):
        summed.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        summed.update(tensor.reshape(-1).view(uint8).numpy().data)
    return summed.hexdigest()


def with_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """Return the mapping with `prefix` and a dot before every name."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def under_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """Pick the names that start with `prefix` and a dot, without it."""
    start = f"{prefix}."
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
