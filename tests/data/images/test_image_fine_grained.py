"""Cars, dogs, aircraft and own folders: lists and pictures in every form they come in."""

import numpy as np
import pytest
from image_files import (
    cell,
    colour_of,
    folder_of,
    mat,
    picture,
    pixels,
    records,
    tar_of,
)

from spear_amal.data import load_images
from spear_amal.data.images.decode import fitted_picture
from spear_amal.errors import FileFormatError, InputError, MissingExtraError


def load(name, path, **options):
    return load_images(name, path=path, progress=False, **{"validation": 0, **options})


def cars(train=(3, 1, 2, 1), test=(2, 3)):
    """Devkit and pictures; the picture of row i has the colour of seed i."""
    files = {
        "devkit/cars_meta.mat": mat(class_names=np.array([["Audi", "BMW", "Fiat"]], dtype=object)),
    }
    for part, name, classes, first in (
        ("train", "devkit/cars_train_annos.mat", train, 0),
        ("test", "cars_test_annos_withlabels.mat", test, len(train)),
    ):
        named = [f"{row + 1:05}.jpg" for row in range(len(classes))]
        files[name] = mat(annotations=records(fname=named, **{"class": list(classes)}))
        for row, file in enumerate(named):
            files[f"cars_{part}/{file}"] = picture(first + row)
    return files


def colours(data):
    assert (data.x == data.x[:, :, :1, :1]).all()
    return data.x[:, :, 0, 0]


@pytest.mark.parametrize("packed", ["folder", "three archives"])
@pytest.mark.parametrize("size", [96, 224])
def test_cars(packed, size, tmp_path):
    files = cars()
    if packed == "folder":
        place = folder_of(tmp_path, files)
    else:
        place = tmp_path
        for name in ("cars_train", "cars_test", "devkit"):
            tar_of(tmp_path / f"{name}.tgz", {k: v for k, v in files.items() if k.startswith(name)})
    data = load("cars", place, size=size)
    assert data.x.shape == (6, 3, size, size)
    assert data.y.tolist() == [2, 0, 1, 0, 1, 2]
    assert data.split.tolist() == ["train"] * 4 + ["test"] * 2
    assert data.classes == ("Audi", "BMW", "Fiat")
    assert np.array_equal(colours(data), [colour_of(seed) for seed in range(6)])


def test_cars_as_first_published(tmp_path):
    named = [f"car_ims/{row + 1:06}.jpg" for row in range(5)]
    lists = mat(
        annotations=records(
            relative_im_path=named, test=[0, 1, 0, 0, 1], **{"class": [1, 2] * 2 + [1]}
        ),
        class_names=np.array([["Audi", "BMW"]], dtype=object),
    )
    pictures = {name: picture(row) for row, name in enumerate(named)}
    data = load("cars", folder_of(tmp_path, {"cars_annos.mat": lists, **pictures}))
    assert data.y.tolist() == [0, 1, 0, 1, 0]
    assert data.split.tolist() == ["train", "test", "train", "train", "test"]
    assert np.array_equal(colours(data), [colour_of(seed) for seed in range(5)])


def dogs():
    listed = {
        "train": ["n02-Pug/n02_3.jpg", "n01-Saint_Bernard/n01_7.jpg", "n02-Pug/n02_1.jpg"],
        "test": ["n01-Saint_Bernard/n01_2.jpg", "n02-Pug/n02_11.jpg"],
    }
    labels = {"train": [2, 1, 2], "test": [1, 2]}
    files = {}
    for part, named in listed.items():
        files[f"{part}_list.mat"] = mat(file_list=cell(named), labels=np.array([labels[part]]).T)
        files.update({f"Images/{n}": picture(len(files) + i) for i, n in enumerate(named)})
    return files


@pytest.mark.parametrize("packed", ["tar", "folder"])
def test_dogs(packed, tmp_path):
    files = dogs()
    if packed == "folder":
        folder_of(tmp_path, files)
    else:
        tar_of(tmp_path / "images.tar", {k: v for k, v in files.items() if "Images" in k}, "w")
        tar_of(tmp_path / "lists.tar", {k: v for k, v in files.items() if "list" in k}, "w")
    data = load("dogs", tmp_path)
    assert data.y.tolist() == [1, 0, 1, 0, 1]
    assert data.classes == ("Saint_Bernard", "Pug")
    assert np.array_equal(colours(data), [colour_of(seed) for seed in (1, 2, 3, 5, 6)])
    if packed == "tar":
        assert data.source.endswith("packed otherwise than published: images.tar, lists.tar")


def aircraft(name="fgvc-aircraft-2013b/data/"):
    lines = {
        "images_variant_trainval.txt": "0034309 A330-200\n0034958 Boeing 707\n0037511 A330-200\n",
        "images_variant_test.txt": "0037512 Boeing 707\n0038598 A330-200\n",
        "variants.txt": "Boeing 707\nA330-200\n",
        "images_variant_train.txt": "0034309 A330-200\n",
    }
    files = {name + file: text.encode() for file, text in lines.items()}
    for seed, row in enumerate(("0034309", "0034958", "0037511", "0037512", "0038598")):
        files[f"{name}images/{row}.jpg"] = picture(seed, height=61)
    return files


@pytest.mark.parametrize("packed", ["tar.gz", "folder"])
def test_aircraft(packed, tmp_path):
    place = tmp_path / "fgvc-aircraft-2013b.tar.gz"
    place = tar_of(place, aircraft()) if packed == "tar.gz" else folder_of(tmp_path, aircraft())
    data = load("aircraft", place)
    assert data.x.shape == (5, 3, 96, 96)
    assert data.y.tolist() == [1, 0, 1, 0, 1]
    assert data.split.tolist() == ["train"] * 3 + ["test"] * 2
    assert np.array_equal(colours(data), [colour_of(seed) for seed in range(5)])


def own_folders():
    return {
        "pets/train/dog/b.png": picture(0),
        "pets/train/cat/a.jpg": picture(1),
        "pets/val/dog/z.png": picture(2),
        "pets/test/cat/q.PNG": picture(3),
        "pets/test/cat/.hidden.png": b"",
        "pets/train/dog/notes.txt": b"no picture",
    }


@pytest.mark.parametrize("name", ["folders", "cars", "dogs", "aircraft"])
def test_folders_by_part_and_class(name, tmp_path):
    data = load(name, folder_of(tmp_path, own_folders()), validation=0.1)
    assert data.classes == ("cat", "dog")
    assert data.y.tolist() == [0, 1, 1, 0]
    assert data.split.tolist() == ["train", "train", "validation", "test"]
    assert np.array_equal(colours(data), [colour_of(seed) for seed in (1, 0, 2, 3)])


def changed(files, more=(), drop=()):
    kept = {
        name: content for name, content in files.items() if not name.endswith(tuple(drop) or "\0")
    }
    return {**kept, **dict(more)}


NAMES = "fgvc-aircraft-2013b/data/variants.txt"


@pytest.mark.parametrize(
    ("name", "files", "told"),
    [
        ("cars", changed(cars(), drop=["cars_meta.mat"]), "lacks the lists cars_meta.mat"),
        ("cars", changed(cars(), drop=["train/00002.jpg"]), "lacks 1 of the 6.*cars_train/00002"),
        ("cars", changed(cars(), {"cars_train/00002.jpg": b"JFIF"}), "00002.jpg is damaged"),
        ("cars", changed(cars(), {"cars_train/00002.jpg": picture(1)[:-40]}), "00002.jpg is dam"),
        ("cars", changed(cars(), {"devkit/cars_meta.mat": b"?" * 200}), "cars_meta.mat is damaged"),
        ("cars", cars(train=(1, 4)), "classes 0 to 3, but names for 3"),
        ("cars", cars(train=(1, 0)), "classes -1 to 2"),
        (
            "cars",
            changed(cars(), {"devkit/cars_train_annos.mat": mat(annotations=records(bbox=[1]))}),
            "has no fname, class under 'annotations'",
        ),
        ("dogs", changed(dogs(), drop=["test_list.mat"]), "lacks the lists test_list.mat"),
        ("dogs", changed(dogs(), {"test_list.mat": mat(other=[1])}), "no file_list and labels"),
        ("dogs", changed(dogs(), drop=["n02_11.jpg"]), "such as n02-Pug/n02_11.jpg"),
        (
            "dogs",
            changed(dogs(), {"test_list.mat": mat(file_list=cell(["a/b.jpg"]), labels=[1, 2])}),
            "4 files but 5 labels",
        ),
        (
            "dogs",
            changed(dogs(), {"test_list.mat": mat(file_list=cell(["a/b"]), labels=cell(["?"]))}),
            "classes that are no numbers",
        ),
        (
            "dogs",
            changed(
                dogs(), {"test_list.mat": mat(file_list=cell(["a/b", "a/c"]), labels=[1, 10**9])}
            ),
            "3 classes, but numbers from 1 to 1000000000",
        ),
        ("aircraft", changed(aircraft(), drop=["variants.txt"]), "lacks the lists variants.txt"),
        ("aircraft", changed(aircraft(), {NAMES: b"A330-200"}), "Boeing 707', of no known variant"),
        ("aircraft", {}, "neither the publisher's lists nor pictures"),
        ("folders", changed(own_folders(), drop=["q.PNG"]), "neither the publisher's lists"),
        ("folders", changed(own_folders(), {"test/cow/a.png": picture(1)}), "'cow'.* no picture"),
    ],
)
def test_what_cannot_be_used(name, files, told, tmp_path, monkeypatch):
    monkeypatch.setenv("SPEAR_AMAL_CACHE", str(tmp_path / "cache"))
    place = folder_of(tmp_path / "held", {"README": b"", **files})
    with pytest.raises(FileFormatError, match=told) as raised:
        load(name, place)
    assert str(place) in str(raised.value)
    assert list(tmp_path.rglob("*.npz")) == []


def test_pictures_are_cut_from_the_middle():
    from PIL import Image

    half = np.zeros((20, 60, 3), dtype=np.uint8)
    half[:, 20:40] = 255  # the middle third is white
    import io

    stream = io.BytesIO()
    Image.fromarray(half).save(stream, "PNG")
    assert (fitted_picture(stream.getvalue(), "x", 20) == 255).all()
    upright = io.BytesIO()
    banner = np.full((60, 40, 3), 255, dtype=np.uint8)
    banner[40:] = 0
    Image.fromarray(banner).save(upright, "PNG")
    assert (fitted_picture(upright.getvalue(), "x", 10, trim_bottom=20) == 255).all()
    assert (fitted_picture(upright.getvalue(), "x", 10) == 0).any()


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "L"), ("PNG", "RGBA"), ("JPEG", "RGB")])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (300, 7), (401, 311)])
def test_every_kind_of_picture_becomes_a_square(kind, mode, width, height):
    content = picture(5, width, height, kind, mode)
    assert fitted_picture(content, "x", 31).shape == (3, 31, 31)
    if mode == "L":
        grey = pixels(1, 5, (1,))[0, 0]
        assert (fitted_picture(content, "x", 31) == grey).all()


def test_without_pillow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(MissingExtraError, match=r"spear-amal\[images\]"):
        fitted_picture(b"", "x", 5)


def test_sizes_to_choose_from(tmp_path):
    with pytest.raises(InputError, match=r"size must be one of \(96, 224\)"):
        load("cars", folder_of(tmp_path, cars()), size=97)
