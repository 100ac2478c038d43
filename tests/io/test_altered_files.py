"""Headers that were altered end in the package's own errors, whatever was put into them."""

import json
import resource
import sys
import warnings
import zipfile

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from spear_amal import LabelMatrix, SpearClassifier, TrainerConfig
from spear_amal.errors import FileFormatError, InputError, SpearAmalError
from spear_amal.io.arrays import read_array, read_arrays
from spear_amal.io.guard import check_json_digest, with_digest
from spear_amal.io.safetensors import FORMAT, read_tensors, write_tensors
from spear_amal.labeling import LFApplier, VoteCache, keyword_lf
from spear_amal.studies import read_study
from spear_amal.studies.results_file import StudyFile
from spear_amal.votes.parquet import MANIFEST, VoteFiles, finish_votes, write_part

# What takes the place of a value; the last is deeper than Python's stack.
DEEP = "[" * 100_000
VALUES = [None, "x", -1, 0, 1e300, [], {}, True, 10**15, [None], [[1]], {"x": 1}]
X = np.random.default_rng(0).normal(size=(61, 5)).astype(np.float32)
Y = np.where(np.arange(61) < 37, (X[:, 0] > 0).astype(int), -1)
L = np.where(np.random.default_rng(1).random((61, 3)) < 0.4, -1, (X[:, :1] > 0).astype(int))
LIMIT = 8 << 30  # of address space: an allocation by a number in a header would pass it


@pytest.fixture(autouse=True)
def limited():
    """What a header declares is not allocated: it would end in a MemoryError here."""
    if sys.platform != "linux":
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def altered(content, path=()):
    """Yield a JSON object with one value in turn removed or replaced, inner ones too."""
    for key in content if isinstance(content, dict) else range(len(content)):
        for value in VALUES:
            changed = json.loads(json.dumps(content))
            changed[key] = value
            yield (*path, key, value), changed
        changed = json.loads(json.dumps(content))
        del changed[key]
        yield (*path, key, "removed"), changed
        if isinstance(content[key], dict | list) and len(path) < 2:
            for where, inner in altered(content[key], (*path, key)):
                changed = json.loads(json.dumps(content))
                changed[key] = inner
                yield where, changed


def reads_or_refuses(read, where):
    """Read; only errors of this package, and of paths that are no files, may come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read()
        except (SpearAmalError, FileNotFoundError):
            return True
        except Exception as error:
            pytest.fail(f"{where}: {error!r}")
    return False


# -- models ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    trainer = TrainerConfig(max_epochs=2)
    fitted = SpearClassifier(trainer=trainer).fit(X, Y, L)
    fitted.save(path)
    return path, fitted


def header_of(path):
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["spear_amal"])
        return header, {name: file.get_tensor(name) for name in file.keys()}


def test_files_without_a_digest_are_read(model, tmp_path):
    path, fitted = model
    header, tensors = header_of(path)
    assert header.pop("sha256")
    save_file(tensors, tmp_path / "old", {"spear_amal": json.dumps(header)})
    again = SpearClassifier.load(tmp_path / "old")
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_the_same_training_makes_the_same_file(model, tmp_path):
    path, _ = model
    again = SpearClassifier(trainer=TrainerConfig(max_epochs=2)).fit(X, Y, L)
    again.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    assert b"seconds" not in path.read_bytes()


def test_any_altered_header_of_a_model_is_read_or_refused(model, tmp_path):
    header, tensors = header_of(model[0])
    del header["sha256"]  # else each is refused for that alone
    path, refused, n = tmp_path / "altered", 0, 0
    for where, changed in list(altered(header))[::23]:
        save_file(tensors, path, {"spear_amal": json.dumps(changed)})
        n += 1
        refused += reads_or_refuses(lambda: SpearClassifier.load(path).predict_proba(X), where)
    assert n > 50 and refused > n / 4
    save_file(tensors, path, {"spear_amal": DEEP})
    with pytest.raises(FileFormatError, match="RecursionError"):
        SpearClassifier.load(path)


def test_an_altered_header_does_not_pass_its_digest(model, tmp_path):
    header, tensors = header_of(model[0])
    header["classes"] = header["classes"][::-1]
    save_file(tensors, tmp_path / "altered", {"spear_amal": json.dumps(header)})
    with pytest.raises(FileFormatError, match="digest"):
        SpearClassifier.load(tmp_path / "altered")


@pytest.mark.parametrize(
    "change", [{"n_features_in": 10**10}, {"params": {"feature_model": "mlp", "hidden": [10**10]}}]
)
def test_no_room_is_made_for_a_network_that_the_file_does_not_hold(model, tmp_path, change):
    header, tensors = header_of(model[0])
    del header["sha256"]
    header |= {**change, "params": header["params"] | change.get("params", {})}
    save_file(tensors, tmp_path / "altered", {"spear_amal": json.dumps(header)})
    with pytest.raises(FileFormatError, match="more parameters than"):
        SpearClassifier.load(tmp_path / "altered")


def test_tensors_are_held_against_their_digest(tmp_path):
    import torch

    path = tmp_path / "a"
    write_tensors(path, {"a": torch.arange(3.0), "none": torch.zeros(0)}, {"kind": "k"})
    tensors, header = read_tensors(path, "k")
    assert header == {"format": FORMAT, "kind": "k"} and tensors["a"].tolist() == [0, 1, 2]
    raw, _ = header_of(path)
    save_file(
        {"a": torch.arange(3.0) + 1, "none": torch.zeros(0)}, path, {"spear_amal": json.dumps(raw)}
    )
    with pytest.raises(FileFormatError, match="digest"):
        read_tensors(path, "k")


def test_any_altered_checkpoint_is_gone_on_with_or_refused(tmp_path):
    path = tmp_path / "checkpoint"

    def fit():
        trainer = TrainerConfig(max_epochs=1, checkpoint=path)
        return SpearClassifier(trainer=trainer).fit(X, Y, L)

    fit()
    header, tensors = header_of(path)
    del header["sha256"]
    refused = 0
    cases = list(altered(header))[::11]
    for where, changed in cases:
        save_file(tensors, path, {"spear_amal": json.dumps(changed)})
        refused += reads_or_refuses(fit, where)
    assert refused > len(cases) / 9


# -- votes, studies, caches -----------------------------------------------------------------------


def test_any_altered_list_of_parts_is_read_or_refused(tmp_path):
    matrix = LabelMatrix.from_dense(L, row_ids=range(61), classes=("ham", "spam"))
    part = write_part(tmp_path, 0, matrix)
    finish_votes(tmp_path, [part], lf_names=matrix.lf_names, classes=matrix.classes)
    path = tmp_path / MANIFEST
    content = json.loads(path.read_text())
    check_json_digest(content)
    without = {key: value for key, value in content.items() if key != "sha256"}
    refused = []
    for where, changed in list(altered(without))[::3]:
        path.write_text(json.dumps(changed))
        refused.append(reads_or_refuses(lambda: VoteFiles(tmp_path).to_label_matrix(), where))
        path.write_text(json.dumps({**changed, "sha256": content["sha256"]}))
        if changed != without:
            with pytest.raises(FileFormatError):
                VoteFiles(tmp_path)
    assert len(refused) > 70 and sum(refused) > len(refused) / 2
    path.write_text(DEEP)
    with pytest.raises(FileFormatError):
        VoteFiles(tmp_path)
    path.write_text(json.dumps({**without, "lf_names": ["a", "b", "c"]}))
    assert VoteFiles(tmp_path).lf_names == ("a", "b", "c")  # of an earlier version, unchecked


def study_row(seed):
    return {
        **{"corpus": "sms", "method": "spear", "title": "SPEAR", "seed": seed, "labels": 17},
        **{"metric": "accuracy", "features": "tfidf", "protocol": "random", "config": {"a": 1}},
        **{"score": 0.5, "val_score": 0.25, "seconds": 1.5, "error": None},
    }


def test_any_altered_study_file_is_read_or_refused(tmp_path):
    path = tmp_path / "study.json"
    for seed in (0, 1):
        StudyFile(path).add(study_row(seed))
    content = json.loads(path.read_text())
    check_json_digest(content)
    without = {key: value for key, value in content.items() if key != "sha256"}
    for where, changed in list(altered(without))[::5]:
        path.write_text(json.dumps(changed))
        reads_or_refuses(lambda: read_study(path), where)
        path.write_text(json.dumps({**changed, "sha256": content["sha256"]}))
        if changed != without:
            with pytest.raises(FileFormatError):
                read_study(path)
    path.write_text(DEEP)
    with pytest.raises(FileFormatError):
        read_study(path)
    path.write_text(json.dumps(content | {"rows": content["rows"][:1]}))
    with pytest.raises(FileFormatError, match="if you changed it on purpose, remove 'sha256'"):
        read_study(path)


def test_layout_does_not_matter_to_a_digest_and_every_value_does():
    content = with_digest({"a": [1, 2.5, "x"], "b": {"c": None}, "n": (1, 2)})
    check_json_digest(json.loads(json.dumps(content, indent=3, sort_keys=True)))
    check_json_digest({"no": "digest"})
    for change in ({"a": [1, 2.5, "y"]}, {"b": {}}, {"further": 1}, {"n": [1, 2.0000001]}):
        with pytest.raises(ValueError, match="digest"):
            check_json_digest(content | change)


def test_the_count_of_clipped_scores_in_a_cache_is_checked_too(tmp_path):
    applier = LFApplier([keyword_lf("free", ["free"], 1)])
    for _ in range(2):
        applier.apply(["free", "no"], progress_bar=False, cache=VoteCache(tmp_path))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes().replace(b'"clipped": 0', b'"clipped": 7'))
    with pytest.warns(UserWarning, match="checksum"):
        _, meta = applier.apply(
            ["free", "no"], progress_bar=False, return_meta=True, cache=VoteCache(tmp_path)
        )
    assert meta.clipped == {}


# -- arrays ---------------------------------------------------------------------------------------


def npy_header(shape, dtype="<f8"):
    text = str({"descr": dtype, "fortran_order": False, "shape": shape})
    body = text.ljust(118 - 1).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


@pytest.mark.parametrize("shape", [(10**12,), (-1,), (10**6, 10**6), (3,)])
def test_a_declared_shape_is_held_against_the_bytes(tmp_path, shape):
    content = npy_header(shape) + np.zeros(2).tobytes()
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", content)
    for read, name in ((read_array, "a.npy"), (read_arrays, "a.npz")):
        with pytest.raises(FileFormatError, match=r"takes .* bytes, found"):
            read(tmp_path / name, "an array", "write it again")


def test_arrays_that_fit_are_read(tmp_path):
    arrays = {"a": np.arange(6).reshape(2, 3).T, "none": np.zeros((0, 3)), "one": np.array("x")}
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    found = read_arrays(tmp_path / "a.npz", "arrays", "")
    for name, values in arrays.items():
        assert np.array_equal(found[name], values) and found[name].dtype == values.dtype
    np.save(tmp_path / "a.npy", arrays["a"])
    assert np.array_equal(read_array(tmp_path / "a.npy", "an array", ""), arrays["a"])


def test_a_member_cannot_declare_more_than_it_can_hold(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.zeros(3))
    whole = bytearray(path.read_bytes())
    place = whole.index(b"PK\x01\x02") + 24  # the size in the directory of the archive
    whole[place : place + 4] = (0x7FFFFFFF).to_bytes(4, "little")
    path.write_bytes(whole)
    with pytest.raises(InputError, match="cannot hold"):
        read_arrays(path, "arrays", "write it again")
