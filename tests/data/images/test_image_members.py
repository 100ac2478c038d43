"""Looking into archives: every kind gives its files; damage and strange names are refused."""

import gzip
import io
import random
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import cifar10_files, deb_of, fashion_files, folder_of, idx, tar_of, zip_of
from scipy.io import savemat

from spear_amal.data import load_images
from spear_amal.data.download import archives as members_module
from spear_amal.data.download.archives import members
from spear_amal.data.images import decode
from spear_amal.data.images.decode import fitted_picture, read_mat
from spear_amal.data.images.fashion_mnist import read_idx
from spear_amal.errors import FileFormatError

FILES = {"a/one.bin": b"1" * 1009, "a/b/two.bin": b"2" * 7, "three.txt": b"3"}


def packed(kind, folder, files=FILES):
    if kind == "folder":
        return folder_of(folder / "held", files)
    if kind == "deb":
        return deb_of(folder / "x.deb", files)
    if kind == "zip":
        return zip_of(folder / "x.zip", files)
    mode = {"tar": "w", "tgz": "w:gz", "tar.gz": "w:gz", "tar.xz": "w:xz"}[kind]
    return tar_of(folder / f"x.{kind}", files, mode, prefix="./")


KINDS = ("folder", "tar", "tgz", "tar.gz", "tar.xz", "zip", "deb")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_wanted_files(kind, tmp_path):
    place = packed(kind, tmp_path)
    start = "usr/share/" if kind == "deb" else ""
    found = dict(members(place, lambda name: name.endswith(".bin")))
    assert found == {start + name: FILES[name] for name in FILES if name.endswith(".bin")}
    assert list(members(place, lambda name: False)) == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "folder"])
@pytest.mark.parametrize("part", [0, 3, 0.4, 0.97])
def test_truncated_archives_are_told_or_lack_their_end(kind, part, tmp_path):
    place = packed(kind, tmp_path)
    whole = place.read_bytes()
    place.write_bytes(whole[: part if part in (0, 3) else int(part * len(whole))])
    try:
        found = dict(members(place, lambda name: True))
    except FileFormatError as error:
        assert str(place) in str(error)  # either way is sound
    else:  # only what follows the last file was cut off: zeros and sums
        assert list(found.values()) == list(FILES.values())


def test_archives_inside_a_folder_after_plain_files(tmp_path):
    packed("zip", tmp_path, {"same.bin": b"archive", "other.bin": b"o"})
    (tmp_path / "same.bin").write_bytes(b"plain")
    assert list(members(tmp_path, lambda name: True)) == [
        ("same.bin", b"plain"),
        ("same.bin", b"archive"),
        ("other.bin", b"o"),
    ]


@pytest.mark.parametrize("kind", ["tar", "zip", "deb"])
@pytest.mark.parametrize("name", ["../../etc/x", "/etc/x", "a/../../x", "C:/x", "..\\x"])
def test_names_outside_the_archive_are_refused(kind, name, tmp_path):
    if kind == "zip":
        place = zip_of(tmp_path / "x.zip", {name: b"evil"})
    elif kind == "tar":
        place = tar_of(tmp_path / "x.tar", {name: b"evil"}, "w")
    else:
        if not name.startswith(("..", "a/")):
            pytest.skip("the helper writes names below usr/share")
        place = deb_of(tmp_path / "x.deb", {name: b"evil"})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FileFormatError, match=r"outside the archive"):
        list(members(place, lambda name: False))
    assert sorted(tmp_path.rglob("*")) == before


def test_links_are_no_files(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        entry = tarfile.TarInfo("one.bin")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(FileFormatError, match=r"x\.tar: member one\.bin is no plain file"):
        list(members(tmp_path / "x.tar", lambda name: True))


def test_a_member_that_claims_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(members_module, "MOST_BYTES", 1000)
    with pytest.raises(FileFormatError, match=r"a/one\.bin claims 1009 bytes"):
        list(members(packed("tgz", tmp_path), lambda name: True))


ZEROS = {"one.bin": bytes(1 << 20), "two.bin": bytes(1 << 20)}


@pytest.mark.parametrize("kind", ["tgz", "tar.xz", "zip"])
def test_what_is_unpacked_is_bounded_by_the_size_of_the_archive(kind, tmp_path, monkeypatch):
    place = packed(kind, tmp_path, ZEROS)
    assert place.stat().st_size < 1 << 14
    assert dict(members(place, lambda name: True)) == ZEROS  # small enough to be let through
    monkeypatch.setattr(members_module, "LEAST_ALLOWANCE", 1 << 20)
    with pytest.raises(FileFormatError, match=rf"{place.name}: unpacks to more than 1048576 bytes"):
        list(members(place, lambda name: True))
    if kind != "zip":  # what is passed over has to be unpacked as well
        with pytest.raises(FileFormatError, match="unpacks to more than"):
            list(members(place, lambda name: False))


def test_an_archive_that_is_not_packed_is_never_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(members_module, "LEAST_ALLOWANCE", 1)
    assert dict(members(packed("tar", tmp_path, ZEROS), lambda name: True)) == ZEROS


def test_a_long_name_has_a_limit(tmp_path, monkeypatch):
    place = tar_of(tmp_path / "x.tgz", {"n" * 50_000: b"1"}, "w:gz")
    assert [name for name, _ in members(place, lambda name: True)] == ["n" * 50_000]
    monkeypatch.setattr(members_module, "LEAST_ALLOWANCE", 20_000)
    with pytest.raises(FileFormatError, match=r"unpacks to more than|damaged"):
        list(members(place, lambda name: False))


def test_a_package_that_claims_more_than_it_has(tmp_path):
    place = packed("deb", tmp_path)
    content = bytearray(place.read_bytes())
    content[8 + 48 : 8 + 58] = b"9999999999"
    place.write_bytes(content)
    with pytest.raises(FileFormatError, match="ends inside a member"):
        list(members(place, lambda name: True))


def test_files_in_files_have_limits(monkeypatch):
    packed_idx = gzip.compress(idx(np.zeros((64, 64), dtype=np.uint8)))
    assert read_idx(packed_idx, "a.gz").shape == (64, 64)
    with pytest.raises(FileFormatError, match="is damaged"):
        read_idx(idx(np.zeros(1, dtype=np.uint8))[:3] + b"\x04" + b"\xff" * 16, "b")
    monkeypatch.setattr(members_module, "MOST_BYTES", 4000)
    with pytest.raises(FileFormatError, match=r"a\.gz.*packed by gzip claims 4001 bytes"):
        read_idx(packed_idx, "a.gz")
    stream = io.BytesIO()
    savemat(stream, {"annotations": np.zeros(1 << 14)}, do_compression=True)
    assert read_mat(stream.getvalue(), "m.mat")["annotations"].shape == (1 << 14,)
    monkeypatch.setattr(decode, "MOST_BYTES", 1 << 16)
    with pytest.raises(FileFormatError, match=r"m\.mat.*unpacks to more than 65536"):
        read_mat(stream.getvalue(), "m.mat")


def test_a_picture_has_a_limit(monkeypatch):
    Image = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    Image.new("L", (64, 32)).save(stream, "PNG")
    assert fitted_picture(stream.getvalue(), "p.png", 8).shape == (3, 8, 8)
    monkeypatch.setattr(decode, "MOST_PIXELS", 2047)
    with pytest.raises(FileFormatError, match=r"p\.png.*more than 2047 pixels"):
        fitted_picture(stream.getvalue(), "p.png", 8)
    monkeypatch.setattr(decode, "MOST_PIXELS", 1 << 12)
    stream = io.BytesIO()
    Image.new("L", (1, 65)).save(stream, "PNG")
    assert fitted_picture(stream.getvalue(), "thin.png", 7).shape == (3, 7, 7)
    with pytest.raises(FileFormatError, match=r"thin\.png.*too narrow"):
        fitted_picture(stream.getvalue(), "thin.png", 8)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # Pillow warns, which is an error here
    with pytest.raises(FileFormatError, match=r"p\.png"):
        fitted_picture(stream.getvalue(), "p.png", 7)


def test_damaged_bytes_in_the_middle(tmp_path):
    place = packed("zip", tmp_path, {"one.bin": bytes(range(256)) * 31})
    content = bytearray(place.read_bytes())
    content[60:80] = b"\xff" * 20
    place.write_bytes(bytes(content))
    with pytest.raises(FileFormatError, match="damaged"):
        list(members(place, lambda name: True))


def test_places_that_are_neither(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        list(members(tmp_path / "nowhere", lambda name: True))
    (tmp_path / "x.rar").write_bytes(b"Rar!")
    with pytest.raises(FileFormatError, match="neither a folder nor an archive"):
        list(members(tmp_path / "x.rar", lambda name: True))
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w"):
        pass
    (tmp_path / "empty.tar").write_bytes(stream.getvalue())
    assert list(members(tmp_path / "empty.tar", lambda name: True)) == []


def battered(content, seed):
    """Some bytes changed, left out, or the end cut off."""
    dice = random.Random(seed)
    content = bytearray(content)
    for _ in range(dice.randint(1, 5)):
        place = dice.randrange(max(1, len(content)))
        if dice.random() < 0.7:
            content[place : place + 1] = bytes([dice.randrange(256)])
        else:
            del content[place : place + dice.randint(1, 997)]
    return bytes(content)


@settings(max_examples=61)
@given(
    st.sampled_from([("cifar10", cifar10_files), ("fashion-mnist", fashion_files)]),
    st.sampled_from([("x.tgz", tar_of), ("x.zip", zip_of), ("x.deb", deb_of)]),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_no_damage_raises_anything_else(tmp_path_factory, what, how, seed, inside):
    """Damage to an archive, or to a file in it, gives an error that says so or goes unnoticed."""
    (name, make), (file, pack) = what, how
    place, files = tmp_path_factory.mktemp("damage") / file, make()
    if inside:
        files = {key: battered(held, seed) for key, held in files.items()}
    pack(place, files)
    if not inside:
        place.write_bytes(battered(place.read_bytes(), seed))
    options = {"check": False, "validation": 0, "progress": False}
    try:
        load_images(name, path=place, cache_dir=place.parent, **options)
    except FileFormatError as error:
        assert str(place) in str(error)  # either way is sound
