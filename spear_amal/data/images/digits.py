"""Handwritten digits, 8 x 8, that scikit-learn brings along: there on every machine."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from spear_amal.data.images.dataset import ImageData, hold_out_validation
from spear_amal.data.splits import draw_stratified

_N_TEST = 360  # a fifth of the 1,797 rows
_TEST_SEED = 20261120  # the test rows are the same for everybody


def digits(validation: float = 0.1, seed: int = 0) -> ImageData:
    """Load scikit-learn's digits: 1,797 images of one channel, 8 x 8, 10 classes.

    The publisher defines no split: 360 stratified rows are test, always the same ones.

    Parameters
    ----------
    validation : float
        Share of the other rows that is held out for validation.
    seed : int
        Of the validation rows.

    Examples
    --------
    >>> digits()
    ImageData('digits', (1, 8, 8), classes=10, rows={'train': 1293, 'validation': 144, 'test': 360})
    """
    images, y = load_digits(return_X_y=True)
    # 17 grey levels, 0 to 16, spread over 0 to 255.
    x = np.rint(images * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    y = y.astype(np.int64)
    rows = np.arange(len(y))
    generator = np.random.default_rng(_TEST_SEED)
    split = np.full(len(y), "train", dtype="U10")
    split[draw_stratified(rows, y, _N_TEST, generator, "the test part")] = "test"
    return ImageData(
        name="digits",
        x=x,
        y=y,
        split=hold_out_validation(y, split, validation, seed),
        classes=tuple(str(digit) for digit in range(10)),
        row_ids=rows,
        source="scikit-learn's load_digits",
    )
