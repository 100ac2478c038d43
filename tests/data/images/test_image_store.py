"""Where images come from, what is kept of them, and human labels on CIFAR-10."""

import io
import os
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from image_files import cifar10_expected, cifar10_files, folder_of, old_pickle, tar_of, zip_of

from spear_amal.data import load_images
from spear_amal.data.download.sources import SourceError
from spear_amal.data.images import cifar_n, registry
from spear_amal.data.images.locate import GUARD
from spear_amal.data.images.spec import Decoded
from spear_amal.errors import ChecksumError, DataUnavailableError, FileFormatError, InputError
from spear_amal.io.arrays import read_arrays

OFF = {"progress": False, "check": False, "validation": 0}


@dataclass
class Gives:
    """A source that writes these files, or fails."""

    files: dict
    calls: int = 0

    def describe(self):
        return "a made-up source"

    def fetch(self, folder, bar):
        self.calls += 1
        if not self.files:
            raise SourceError("nothing there")
        folder_of(Path(folder), self.files)


def digest_of(files, tmp_path):
    data = load_images("cifar10", path=tar_of(tmp_path / "d.tgz", files), **OFF)
    return Decoded(data.x, data.y, data.split, data.classes).digest()


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """Make "cifar10" a set of 42 pictures that the given sources deliver."""

    def make(*sources, digest=None):
        spec = replace(registry.IMAGES["cifar10"], sources=sources, digest=digest)
        monkeypatch.setitem(registry.IMAGES, "cifar10", spec)

    return make


def test_fetched_once_then_read_from_the_cache(toy, tmp_path):
    source = Gives(cifar10_files())
    toy(Gives({}), source, digest=digest_of(cifar10_files(), tmp_path))
    first = load_images("cifar10", progress=False, validation=0.4)
    again = load_images("cifar10", progress=False, validation=0.4, offline=True)
    assert first.source == "a made-up source"
    assert again.source.startswith("cache (")
    assert source.calls == 1
    assert np.array_equal(first.x, cifar10_expected()[0])
    assert np.array_equal(first.x, again.x)
    assert np.array_equal(first.split, again.split)


def test_other_content_never_reaches_the_cache(toy, tmp_path):
    toy(Gives(cifar10_files(n=5)), digest=digest_of(cifar10_files(), tmp_path))
    before = sorted((tmp_path / "cache").rglob("*.npz"))
    with pytest.raises(ChecksumError, match=r"made-up source.*not the published"):
        load_images("cifar10", progress=False)
    assert sorted((tmp_path / "cache").rglob("*.npz")) == before


def test_nowhere_says_where_to_put_them(toy):
    toy(Gives({}))
    with pytest.raises(DataUnavailableError, match=r"(?s)nothing there.*datasets/cifar10\.md"):
        load_images("cifar10", progress=False)
    with pytest.raises(DataUnavailableError, match="offline was asked for"):
        load_images("cifar10", offline=True)
    with pytest.raises(DataUnavailableError, match="no source to fetch from"):
        load_images("dogs")
    with pytest.raises(DataUnavailableError, match="path=FOLDER"):
        load_images("folders")


def test_archives_are_decoded_once_and_again_when_they_change(tmp_path, monkeypatch):
    place = tar_of(tmp_path / "x.tgz", cifar10_files())
    load_images("cifar10", path=place, **OFF)
    calls = []
    spec = registry.IMAGES["cifar10"]
    reading = replace(spec, read=lambda *given: calls.append(1) or spec.read(*given))
    monkeypatch.setitem(registry.IMAGES, "cifar10", reading)
    load_images("cifar10", path=place, **OFF)
    assert calls == []
    tar_of(place, cifar10_files(n=11))
    assert len(load_images("cifar10", path=place, **OFF)) == 66
    assert calls == [1]


def test_a_cache_without_room_is_a_warning(tmp_path):
    (tmp_path / "cache").write_text("a file where the cache should be")
    place = tar_of(tmp_path / "x.tgz", cifar10_files())
    with pytest.warns(RuntimeWarning, match="cannot be kept"):
        assert len(load_images("cifar10", path=place, **OFF)) == 42


def saved(path, **arrays):
    path.parent.mkdir(exist_ok=True, parents=True)
    np.savez(path, **arrays)
    return path


def arrays(n=13):
    split = np.where(np.arange(n) < n - 3, "train", "test")
    return {"x": np.zeros((n, 3, 5, 7), np.uint8), "y": np.arange(n) % 5, "split": split}


@pytest.mark.parametrize("where", ["cifar10.npz", "cifar10/cifar10.npz"])
def test_decoded_files_of_the_data_directory(where, tmp_path):
    saved(tmp_path / "data" / where, **arrays())
    data = load_images("cifar10", data_dir=tmp_path / "data", **OFF)
    assert data.x.shape == (13, 3, 5, 7)
    assert data.source == str(tmp_path / "data" / where)
    with pytest.raises(ChecksumError, match="check=False"):
        load_images("cifar10", data_dir=tmp_path / "data")


def test_validation_of_a_file_is_kept_and_test_rows_stay(tmp_path):
    held = arrays(31)
    held["split"] = np.array(["train"] * 17 + ["validation"] * 7 + ["test"] * 7)
    data = load_images("folders", path=saved(tmp_path / "x.npz", **held))
    assert [len(data.rows(part)) for part in ("train", "validation", "test")] == [17, 7, 7]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda held: held.pop("split"), "split"),
        (lambda held: held.update(y=held["y"][:-1]), "do not fit"),
        (lambda held: held.update(x=held["x"].astype(float)), "do not fit"),
        (lambda held: held.update(y=np.array([{}] * 13)), "damaged"),  # would need pickle
        (lambda held: held.update(md5=np.asarray("{")), "damaged"),
    ],
)
def test_decoded_files_that_cannot_be_used(change, told, tmp_path):
    held = arrays()
    change(held)
    with pytest.raises(FileFormatError, match=told):
        load_images("cifar10", path=saved(tmp_path / "x.npz", **held), **OFF)


@pytest.mark.parametrize("keep", [0, 100, -30])
def test_decoded_files_that_are_truncated(keep, tmp_path):
    place = saved(tmp_path / "x.npz", **arrays())
    place.write_bytes(place.read_bytes()[:keep])
    with pytest.raises(
        FileFormatError, match=r"x\.npz is not a \.npz file of plain arrays or is damaged"
    ):
        load_images("cifar10", path=place, **OFF)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("cifar", {}, r"unknown images 'cifar'.*digits.*cifar10"),
        ("digits", {"size": 96}, "'digits' take no size"),
        ("digits", {"labels": "worse"}, "'digits' take no labels"),
        ("cifar100", {"labels": "worse"}, "'cifar100' take no labels"),
        ("cifar10", {"size": 96}, "'cifar10' take no size"),
        ("cifar10", {"path": "/nowhere/x.tgz"}, "does not exist"),
    ],
)
def test_bad_names_and_options(name, options, told):
    with pytest.raises(InputError, match=told):
        load_images(name, **options)


def test_sets_that_need_no_file():
    assert len(load_images("digits", seed=3)) == 1797
    assert load_images("kd_synthetic", seed=3).noise_rate == pytest.approx(0.1)


# -- human labels -------------------------------------------------------------------------------


def people(n=35):
    clean = cifar10_expected()[1][:n]
    worse = clean.copy()
    worse[::5] = (worse[::5] + 1) % 10
    held = dict.fromkeys(cifar_n.KEYS.values(), clean)
    return {**held, "worse_label": worse}


def published_pt(labels):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", old_pickle(labels))
    return stream.getvalue()


@pytest.fixture
def images(tmp_path):
    folder_of(tmp_path / "data/cifar10", cifar10_files())
    return tmp_path / "data"


def test_human_labels_touch_training_rows_only(images):
    saved(images / "cifar10n/CIFAR-10_human.npz", **people())
    data = load_images(
        "cifar10", images, labels="worse", progress=False, check=False, validation=0.3
    )
    train = data.rows("train")
    assert np.array_equal(data.clean_y, cifar10_expected()[1])
    assert np.array_equal(data.y[train], people()["worse_label"][train])
    assert not data.noisy[data.split != "train"].any()
    assert data.noise_rate == (train % 5 == 0).mean()
    assert load_images("cifar10", images, labels="random1", **OFF).noise_rate == 0


@pytest.mark.parametrize("nested", [True, False])
def test_human_labels_from_their_sources(images, nested, monkeypatch, tmp_path):
    content = {"CIFAR-N/CIFAR-10_human.pt": published_pt(people())}
    packed = {"CIFAR-N.zip": zip_of(tmp_path / "n.zip", content).read_bytes()}
    source = Gives(packed if nested else {"CIFAR-10_human.pt": published_pt(people())})
    monkeypatch.setattr(cifar_n, "SOURCES", (Gives({}), source))
    monkeypatch.setattr(cifar_n, "DIGEST", cifar_n.file_digest(people()))
    worse = load_images("cifar10", images, labels="worse", **OFF)
    assert worse.noise_rate == pytest.approx(0.2)
    again = load_images("cifar10", images, labels="worse", offline=True, **OFF)
    assert np.array_equal(worse.y, again.y)
    assert source.calls == 1


def test_human_labels_of_other_content_are_not_kept(images, monkeypatch, tmp_path):
    monkeypatch.setattr(cifar_n, "SOURCES", (Gives({"CIFAR-10_human.pt": published_pt(people())}),))
    with pytest.raises(ChecksumError, match="not the published ones"):
        load_images("cifar10", images, labels="worse", **OFF)
    assert not (tmp_path / "cache/cifar10n").exists()


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({**people(), "clean_label": people()["worse_label"]}, "do not belong to these images"),
        (people(30), "do not belong to these images"),
        ({"clean_label": people()["clean_label"]}, "lacks the labels aggre_label"),
        ({**people(), "worse_label": np.full(35, 10)}, "worse_label is no list"),
        ({**people(), "worse_label": np.zeros(7, int)}, "worse_label is no list"),
        ({**people(), "worse_label": np.array([None] * 35)}, "damaged"),
    ],
)
def test_human_labels_that_cannot_be_used(images, labels, told):
    saved(images / "cifar10n/CIFAR-10_human.npz", **labels)
    with pytest.raises(FileFormatError, match=told):
        load_images("cifar10", images, labels="worse", **OFF)


def test_unknown_human_labels(images):
    with pytest.raises(InputError, match="labels must be one of"):
        load_images("cifar10", images, labels="best", **OFF)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", zip_of, old_pickle({})],
)
def test_published_file_that_is_damaged(content, tmp_path):
    raw = b"PK\x05\x06" + b"\0" * 18 if content is zip_of else content  # an empty zip archive
    (tmp_path / "CIFAR-10_human.pt").write_bytes(raw)
    with pytest.raises(FileFormatError, match=r"CIFAR-10_human\.pt cannot be read"):
        cifar_n.read_published(tmp_path)


RATES = {
    "aggregate": 0.0901,
    "random1": 0.17234,
    "random2": 0.18122,
    "random3": 0.1764,
    "worse": 0.40208,
}


def test_the_real_human_labels(real_data):
    file = Path(real_data) / "cifar10n/CIFAR-10_human.npz"
    if not file.is_file():
        pytest.skip("the data directory has no cifar10n/CIFAR-10_human.npz")
    held = cifar_n.checked_labels(read_arrays(file, *GUARD), str(file))
    assert cifar_n.file_digest(held) == cifar_n.DIGEST
    clean = held["clean_label"]
    assert np.bincount(clean).tolist() == [5000] * 10
    for name, rate in RATES.items():
        assert (held[cifar_n.KEYS[name]] != clean).mean() == pytest.approx(rate, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cifar10", "fashion-mnist"])
def test_real_fetch(name, monkeypatch, tmp_path):
    if not os.environ.get("SPEAR_AMAL_FETCH"):
        pytest.skip("SPEAR_AMAL_FETCH is not set: nothing is fetched")
    monkeypatch.undo()  # the network again
    data = load_images(name, cache_dir=tmp_path, progress=False)
    assert len(data.rows("test")) == 10_000
