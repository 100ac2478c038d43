"""Image data: parts, subsets and noise; and the two sets that need no file."""

import dataclasses

import numpy as np
import pytest

from spear_amal.data import ImageData, digits, kd_synthetic
from spear_amal.data.images import hold_out_validation
from spear_amal.errors import InputError


def made(n=211, n_classes=5, **more):
    generator = np.random.default_rng(3)
    held = {
        "name": "made",
        "x": generator.integers(0, 256, (n, 3, 7, 11), dtype=np.uint8),
        "y": np.arange(n, dtype=np.int64) % n_classes,
        "split": np.where(np.arange(n) < n - 31, "train", "test"),
        "classes": tuple("abcdefg"[:n_classes]),
        "row_ids": np.arange(n) + 1000,
    }
    return ImageData(**{**held, **more})


def test_subset_keeps_ids_shares_and_parts():
    data = made()
    data = dataclasses.replace(data, split=hold_out_validation(data.y, data.split, 0.1, seed=1))
    small = data.subset(n_train=53, n_validation=11, n_test=17, seed=2)
    assert [len(small.rows(part)) for part in ("train", "validation", "test")] == [53, 11, 17]
    assert np.array_equal(small.x, data.x[small.row_ids - 1000])
    assert np.array_equal(small.y, data.y[small.row_ids - 1000])
    assert np.array_equal(small.split, data.split[small.row_ids - 1000])
    assert np.ptp(np.bincount(small.y[small.rows("train")])) <= 1
    again = data.subset(n_train=53, n_validation=11, n_test=17, seed=2)
    assert np.array_equal(small.row_ids, again.row_ids)
    assert not np.array_equal(small.row_ids, data.subset(53, 11, 17, seed=3).row_ids)
    assert len(data.subset()) == len(data)
    assert len(data.subset(0, 0, 0)) == 0


def test_validation_is_drawn_from_training_rows_only():
    data = made()
    split = hold_out_validation(data.y, data.split, 0.1, seed=7)
    assert np.array_equal(split == "test", data.split == "test")
    assert (split == "validation").sum() == 18
    assert np.array_equal(split, hold_out_validation(data.y, split, 0.3, seed=1)), "one is given"
    assert np.array_equal(hold_out_validation(data.y, data.split, 0.0, seed=7), data.split)
    with pytest.raises(InputError, match="share"):
        hold_out_validation(data.y, data.split, 1.0, seed=7)


def test_noise_touches_training_rows_and_the_truth_stays_aside():
    data = made().with_noise(0.4, seed=13)
    test = data.rows("test")
    assert data.noise_rate == pytest.approx(0.4)
    assert data.noisy.sum() == 72
    assert not data.noisy[test].any()
    assert np.array_equal(data.clean_y, made().y)
    few = data.subset(n_train=59, seed=5)
    assert np.array_equal(few.noisy, few.y != few.clean_y)
    with pytest.raises(InputError, match=r"noisy already \(rate 0\.400\)"):
        data.with_noise(0.1, seed=1)


def test_no_rows_and_no_labels():
    empty = made().take([])
    assert len(empty) == 0
    assert empty.noise_rate == 0.0
    unlabelled = made(y=np.full(211, -1))
    assert unlabelled.with_noise(0.5, seed=0).noise_rate == 0.0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"y": np.zeros(7, dtype=np.int64)}, "y must have 211 entries"),
        ({"x": np.zeros((211, 3, 7, 11))}, "found float64 of shape"),
        ({"y": np.full(211, 5)}, "-1 to 4, found 5 to 5"),
        ({"split": np.full(211, "dev")}, r"split \['dev'\]"),
        ({"row_ids": np.zeros(211, dtype=np.int64)}, "row id repeats"),
        ({"clean_y": np.zeros(3, dtype=np.int64)}, "clean_y must have"),
    ],
)
def test_what_does_not_fit_is_refused(more, told):
    with pytest.raises(InputError, match=told):
        made(**more)


def test_unknown_part_and_too_many_rows():
    with pytest.raises(InputError, match="part is one of"):
        made().rows("dev")
    with pytest.raises(InputError, match="train part of 'made' needs 1000 rows"):
        made().subset(n_train=1000)


def test_digits_as_scikit_learn_has_them():
    data = digits()
    assert repr(data) == (
        "ImageData('digits', (1, 8, 8), classes=10, "
        "rows={'train': 1293, 'validation': 144, 'test': 360})"
    )
    assert data.x.max() == 255
    other = digits(seed=5)
    assert np.array_equal(data.rows("test"), other.rows("test"))
    assert not np.array_equal(data.rows("validation"), other.rows("validation"))


def test_synthetic_as_the_paper_says():
    data = kd_synthetic(seed=17)
    assert data.x.shape == (10_000, 14)
    assert data.x.dtype == np.float32
    assert [len(data.rows(part)) for part in ("train", "validation", "test")] == [8100, 900, 1000]
    assert data.noisy.sum() == 810
    assert not data.noisy[data.split != "train"].any()
    assert np.ptp(np.bincount(data.clean_y)) <= 1
    assert np.array_equal(data.y, kd_synthetic(seed=17).y)
    other = kd_synthetic(seed=18, noise=0.0)
    assert not other.noisy.any()
    assert not np.array_equal(data.x, other.x)
