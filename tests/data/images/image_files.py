"""Small files in the forms in which image sets are published; helpers for tests, not tests."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from typing import ClassVar

import numpy as np


class OldPickler(pickle._Pickler):
    """Write bytes and text as Python 2 wrote them: one kind of string for both."""

    dispatch: ClassVar[dict] = dict(pickle._Pickler.dispatch)

    def save_old(self, value):
        raw = value.encode("latin-1") if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(raw)) + raw)

    dispatch[bytes] = save_old
    dispatch[str] = save_old


def old_pickle(value):
    stream = io.BytesIO()
    OldPickler(stream, protocol=2).dump(value)
    return stream.getvalue()


def pixels(n, seed, shape=(3, 32, 32)):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def cifar10_files(n=7, dump=old_pickle):
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    batches = [
        {
            "batch_label": name,
            "labels": [(row + i) % 10 for row in range(n)],
            "data": pixels(n, seed=i).reshape(n, -1),
            "filenames": [f"{row}.png" for row in range(n)],
        }
        for i, name in enumerate(names)
    ]
    return {f"cifar-10-batches-py/{b['batch_label']}": dump(b) for b in batches}


def cifar10_expected(n=7):
    x = np.concatenate([pixels(n, seed=i) for i in range(6)])
    y = np.concatenate([(np.arange(n) + i) % 10 for i in range(6)])
    return x, y


def cifar100_files(n=7):
    parts = {
        part: {
            "fine_labels": [(13 * row) % 100 for row in range(n)],
            "coarse_labels": [0] * n,
            "data": pixels(n, seed=i).reshape(n, -1),
        }
        for i, part in enumerate(("train", "test"))
    }
    parts["meta"] = {"fine_label_names": [f"thing {i}" for i in range(100)]}
    return {f"cifar-100-python/{name}": old_pickle(part) for name, part in parts.items()}


def idx(array):
    head = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def fashion_files(n=7, n_test=5, pack=True):
    held = {
        "train-images-idx3-ubyte": idx(pixels(n, 1, (28, 28))),
        "train-labels-idx1-ubyte": idx(np.arange(n, dtype=np.uint8)),
        "t10k-images-idx3-ubyte": idx(pixels(n_test, 2, (28, 28))),
        "t10k-labels-idx1-ubyte": idx(np.arange(n_test, dtype=np.uint8)),
    }
    return {f"{k}.gz": gzip.compress(v) for k, v in held.items()} if pack else held


def tar_of(path, files, mode="w:gz", prefix=""):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(prefix + name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def zip_of(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def folder_of(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def deb_of(path, files):
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:xz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./usr/share/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": inner.getvalue()}
    with path.open("wb") as out:
        out.write(b"!<arch>\n")
        for name, content in parts.items():
            out.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode())
            out.write(content + b"\n" * (len(content) % 2))
    return path


def picture(seed, width=41, height=29, kind="PNG", mode="RGB"):
    """A picture of one colour, so that any scaling keeps its pixels."""
    from PIL import Image

    colour = tuple(pixels(1, seed, (len(mode),))[0].tolist())
    stream = io.BytesIO()
    Image.new(mode, (width, height), colour if len(mode) > 1 else colour[0]).save(stream, kind)
    return stream.getvalue()


def colour_of(seed):
    return pixels(1, seed, (3,))[0]


def mat(**held):
    from scipy.io import savemat

    stream = io.BytesIO()
    savemat(stream, held)
    return stream.getvalue()


def records(**columns):
    """A structure array (1, n), as MATLAB writes lists of annotations."""
    n = len(next(iter(columns.values())))
    array = np.empty((1, n), dtype=[(name, object) for name in columns])
    for name, values in columns.items():
        array[name][0, :] = values
    return array


def cell(values):
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array
