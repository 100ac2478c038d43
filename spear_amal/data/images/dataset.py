"""Images (or rows of features) with classes and a split: what distillation is trained on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from spear_amal._typing import MatrixLike, VectorLike
from spear_amal.data.images.label_noise import add_label_noise
from spear_amal.data.splits import draw_stratified
from spear_amal.errors import InputError
from spear_amal.seeds import random_generator

#: Values of the column that divides images.
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, repr=False)
class ImageData:
    """Rows with classes, split into train, validation and test.

    Attributes
    ----------
    name : str
    x : ndarray (n, channels, height, width) uint8, or (n, D) float32
        Raw pixels: normalising them is the model's part.
    y : ndarray (n,) int64
        Classes as training sees them, 0 to C-1; -1 is unlabelled.
    split : ndarray (n,) of str
        One of `SPLITS` for each row.
    classes : tuple of str, length C
    row_ids : ndarray (n,) int64
        Place of the row in the published order; subsets keep it, so that teachers' outputs and
        weights can be matched by it.
    source : str
        Where these very rows came from.
    clean_y : ndarray (n,) int64 or None
        True classes where `y` was made noisy: for scoring the noise only, never for training.

    Raises
    ------
    InputError
        If lengths, types or values do not fit, or a row id repeats.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    split: np.ndarray
    classes: tuple[str, ...]
    row_ids: np.ndarray
    source: str = ""
    clean_y: np.ndarray | None = None

    def __post_init__(self) -> None:
        for what in ("y", "split", "row_ids", "clean_y"):
            values = getattr(self, what)
            if values is not None and np.shape(values) != (len(self.x),):
                raise self._error(f"{what} must have {len(self.x)} entries, as x has rows")
        if not (
            (self.x.ndim == 4 and self.x.dtype == np.uint8)
            or (self.x.ndim == 2 and np.issubdtype(self.x.dtype, np.floating))
        ):
            raise self._error(
                "x must be (n, channels, height, width) uint8 or (n, D) float, found "
                f"{self.x.dtype} of shape {self.x.shape}"
            )
        self._check_values()

    def _check_values(self) -> None:
        for what in ("y", "clean_y"):
            values = getattr(self, what)
            if (
                values is not None
                and values.size
                and not -1 <= values.min() <= values.max() < self.n_classes
            ):
                raise self._error(
                    f"{what} must lie in -1 to {self.n_classes - 1}, found {values.min()} to "
                    f"{values.max()}"
                )
        unknown = sorted(set(np.unique(self.split).tolist()) - set(SPLITS))
        if unknown:
            raise self._error(f"split {unknown} is none of {SPLITS}")
        if len(np.unique(self.row_ids)) != len(self.row_ids):
            raise self._error("a row id repeats; every row needs its own")

    def _error(self, what: str) -> InputError:
        return InputError(f"image data {self.name!r}: {what}")

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        sizes = {part: len(self.rows(part)) for part in SPLITS}
        shape = tuple(self.x.shape[1:])
        return f"ImageData({self.name!r}, {shape}, classes={self.n_classes}, rows={sizes})"

    @property
    def n_classes(self) -> int:
        """Number of classes C."""
        return len(self.classes)

    @property
    def noisy(self) -> np.ndarray:
        """Rows (n,) bool whose class is known to be wrong; all False where nothing was added."""
        if self.clean_y is None:
            return np.zeros(len(self), dtype=bool)
        return (self.y >= 0) & (self.y != self.clean_y)

    @property
    def noise_rate(self) -> float:
        """Share of the labelled training rows whose class is wrong: the effective rate."""
        labelled = (self.split == "train") & (self.y >= 0)
        return float(self.noisy[labelled].mean()) if labelled.any() else 0.0

    def rows(self, part: str) -> np.ndarray:
        """Positions (k,) of the rows of a part, in order."""
        if not isinstance(part, str) or part not in SPLITS:
            raise self._error(f"a part is one of {SPLITS}, found {part!r}")
        return np.flatnonzero(self.split == part)

    def take(self, rows: VectorLike) -> ImageData:
        """Return the rows at these positions (k,), in this order, as image data of their own."""
        rows = np.asarray(rows, dtype=np.int64)
        return dataclasses.replace(
            self,
            x=self.x[rows],
            y=self.y[rows],
            split=self.split[rows],
            row_ids=self.row_ids[rows],
            clean_y=None if self.clean_y is None else self.clean_y[rows],
        )

    def subset(
        self,
        n_train: int | None = None,
        n_validation: int | None = None,
        n_test: int | None = None,
        seed: int = 0,
    ) -> ImageData:
        """Draw rows of each part so that classes keep their shares, in their old order.

        Parameters
        ----------
        n_train, n_validation, n_test : int, optional
            Sizes; default: all rows of the part.
        seed : int

        Raises
        ------
        InputError
            If a part has fewer rows, or a size is below the number of its classes.
        """
        generator = random_generator(seed)
        drawn = []
        for part, size in zip(SPLITS, (n_train, n_validation, n_test), strict=True):
            rows = self.rows(part)
            purpose = f"the {part} part of {self.name!r}"
            wanted = len(rows) if size is None else size
            drawn.append(draw_stratified(rows, self.y, wanted, generator, purpose))
        return self.take(np.sort(np.concatenate(drawn)))

    def with_noise(
        self, rate: float, seed: int, kind: str = "symmetric", confusion: MatrixLike | None = None
    ) -> ImageData:
        """Return the data with wrong classes on training rows; see :func:`add_label_noise`.

        Validation and test rows keep their classes, and the true ones stay in `clean_y`. Noise
        comes to true classes only: data that is noisy already is refused.
        """
        if self.noisy.any():
            raise self._error(f"its classes are noisy already (rate {self.noise_rate:.3f})")
        y = self.y.copy()
        train = self.rows("train")
        y[train] = add_label_noise(y[train], rate, self.n_classes, seed, kind, confusion).y
        return dataclasses.replace(self, y=y, clean_y=self.y)


def hold_out_validation(y: np.ndarray, split: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Move a stratified share of the training rows to "validation", where no row is there yet.

    Parameters
    ----------
    y : ndarray (n,) int64
    split : ndarray (n,) of str
    share : float
        In [0, 1): part of the training rows; 0 leaves all of them.
    seed : int

    Returns
    -------
    ndarray (n,) of str
        The new split; test rows are as before.

    Raises
    ------
    InputError
        If the share is outside [0, 1), or gives fewer rows than there are classes.
    """
    if not 0.0 <= share < 1.0:
        raise InputError(f"validation must be a share of at least 0 and below 1, found {share}")
    split = np.asarray(split).astype("U10")
    if (split == "validation").any():
        return split
    train = np.flatnonzero(split == "train")
    generator = random_generator(seed)
    size = round(share * len(train))
    split[draw_stratified(train, y, size, generator, "the validation part")] = "validation"
    return split
