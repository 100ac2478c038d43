"""What tells one run from another: a hash of its data, roles and settings."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from spear_amal.estimators.door import Pool

# What changes nothing in the result: a run may go on with another value.
NO_MATTER = ("verbose", "checkpoint", "device", "ranks")


def fingerprint(pool: Pool, about: dict[str, Any]) -> str:
    """Hash of data, roles and settings, so that a checkpoint is only used by its own run."""
    settings = {k: v for k, v in about.items() if k not in NO_MATTER}
    parts = [pool.y, pool.validation, np.array([len(pool.classes), *pool.x.shape])]
    parts += [pool.x] if isinstance(pool.x, np.ndarray) else _csr_parts(pool.x)
    if pool.labels is not None:
        parts += [*_csr_parts(pool.labels.codes), pool.labels.continuous, pool.labels.lf_classes]
        parts += [] if pool.labels.scores is None else _csr_parts(pool.labels.scores)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=repr).encode())
    for part in parts:
        digest.update(np.ascontiguousarray(part).data)  # in place: images may fill the memory
        digest.update(b"|")
    return digest.hexdigest()[:32]


def _csr_parts(matrix: Any) -> list[np.ndarray]:
    return [matrix.data, matrix.indices, matrix.indptr]
