"""What a trained model says of rows, brought to the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from spear_amal.errors import FileFormatError
from spear_amal.row_outputs import read_row_outputs
from spear_amal.workbench.snapshot import RowOutputs


def outputs_of_rows(path: Path, texts: Sequence[str], classes: Sequence[str]) -> RowOutputs:
    """Read a file of row outputs for rows that may be others by now, known by their texts.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is no such file, or of other classes.
    """
    outputs = read_row_outputs(path)
    if set(outputs.classes) - set(classes):
        raise FileFormatError(
            f"{path} is about the classes {list(outputs.classes)}, the project has "
            f"{list(classes)}; train again"
        )
    places = outputs.places_of(texts)
    columns = [classes.index(name) for name in outputs.classes]

    def spread(proba: np.ndarray) -> np.ndarray:
        there = np.zeros((len(texts), len(classes)), dtype=np.float32)
        there[:, columns] = proba[places]
        there[places < 0] = np.nan
        return there

    weights = outputs.weights
    if weights is not None:
        weights = weights.iloc[places].reset_index(drop=True)
        weights[places < 0] = np.nan
    return RowOutputs(
        spread(outputs.proba),
        None if outputs.rule_proba is None else spread(outputs.rule_proba),
        weights,
        datetime.fromtimestamp(path.stat().st_mtime, UTC).astimezone(),
        bool((places < 0).any()),
    )
