"""Writing aside: what stays, what is swept, what is refused, and what errors name."""

import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from spear_amal.errors import InputError, OutputExistsError
from spear_amal.io import leftovers
from spear_amal.io.atomic import check_writable, refuse_existing, write_aside, written_together
from spear_amal.io.leftovers import remove_leftovers, scratch_folder
from spear_amal.io.safetensors import write_tensors

posix = pytest.mark.skipif(os.name == "nt", reason="signals, links and pipes of POSIX")


@pytest.fixture(autouse=True)
def another_process(monkeypatch):
    """Each folder is swept once in a process: begin as a new one would."""
    monkeypatch.setattr(leftovers, "_swept", set())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def killed(code, folder):
    """Run code in another process, which kills itself."""
    head = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from spear_amal.io.atomic import write_aside, written_together\n"
        "from spear_amal.io.leftovers import scratch_folder\n"
        "def kill(): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", head + code], cwd=folder, check=False)
    assert done.returncode == -signal.SIGKILL


# -- leftovers ------------------------------------------------------------------------------------


@posix
def test_what_a_killed_process_left_is_gone_after_the_next_write(tmp_path):
    killed("with write_aside('a.txt') as t:\n  t.write_text('half')\n  kill()", tmp_path)
    assert len(names(tmp_path)) == 2  # the mark and the folder
    with write_aside(tmp_path / "other.txt") as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == ["other.txt"]


@posix
def test_scratch_folders_of_a_killed_process_are_swept(tmp_path):
    code = "with scratch_folder(Path()) as f:\n  (f / 'x').write_text('x')\n  kill()"
    killed(code, tmp_path)
    with scratch_folder(tmp_path) as folder:
        assert len(names(tmp_path)) == 2 and names(folder) == []
    assert names(tmp_path) == []


@posix
def test_what_a_living_process_writes_is_left_alone(tmp_path):
    code = (
        "import sys\n"
        "from spear_amal.io.atomic import write_aside\n"
        "with write_aside('a.txt') as t:\n"
        "  t.unlink(); t.write_text('whole')\n"  # as libraries do that rename themselves
        "  print('begun', flush=True); sys.stdin.readline()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=pipe, stdout=pipe, text=True
    ) as other:
        assert other.stdout.readline() == "begun\n"
        remove_leftovers(tmp_path)
        other.communicate("go on\n")
    assert other.returncode == 0 and names(tmp_path) == ["a.txt"]


# -- several files --------------------------------------------------------------------------------

PAIR = (
    "with written_together():\n"
    "  for name in ('model', 'report'):\n"
    "    with write_aside(name) as t: t.write_text(name)\n"
)


@posix
@pytest.mark.parametrize("n_renamed", [0, 1, 2])
def test_a_kill_between_renames_leaves_all_or_none(tmp_path, n_renamed):
    code = (
        f"left, rename = [{n_renamed}], os.replace\n"
        "def replace(a, b):\n"
        "  if not left[0]: kill()\n"
        "  left[0] -= 1; rename(a, b)\n"
        "os.replace = replace\n"
        "import shutil\n"
        "if left[0] == 2: shutil.rmtree = lambda *a, **k: kill()\n" + PAIR
    )
    killed(code, tmp_path)
    for name in ("model", "report"):
        if n_renamed < 2:
            refuse_existing(tmp_path / name)
        else:
            with pytest.raises(OutputExistsError):
                refuse_existing(tmp_path / name)
    assert names(tmp_path) == (["model", "report"] if n_renamed == 2 else [])


def test_a_file_of_the_users_is_not_taken_for_part_of_a_killed_command(tmp_path):
    killed(
        "rename = os.replace\ndef once(a, b):\n  rename(a, b); kill()\nos.replace = once\n" + PAIR,
        tmp_path,
    )
    (tmp_path / "model").unlink()
    (tmp_path / "model").write_text("of the user")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["model"]


def test_a_failed_write_takes_the_others_back(tmp_path):
    with pytest.raises(ZeroDivisionError), written_together():
        with write_aside(tmp_path / "model") as temporary:
            temporary.write_text("model")
        with write_aside(tmp_path / "report"):
            raise ZeroDivisionError
    assert names(tmp_path) == []


def test_a_failed_rename_takes_new_files_back(tmp_path):
    with pytest.raises(OSError, match="report"), written_together():
        for name in ("model", "report"):
            with write_aside(tmp_path / name) as temporary:
                temporary.write_text(name)
        (tmp_path / "report").mkdir()
    assert names(tmp_path) == ["report"]


# -- what is no regular file ----------------------------------------------------------------------


@posix
def test_links_pipes_folders_and_devices_are_never_replaced(tmp_path):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = names(tmp_path)
    for path, kind in (
        (tmp_path / "link", f"symbolic link to {tmp_path / 'file'}"),
        (tmp_path / "dangling", "symbolic link to"),
        (tmp_path / "folder", "is a folder"),
        (tmp_path / "pipe", "is a pipe"),
        (Path("/dev/null"), "is a device"),
    ):
        for check in (lambda p: refuse_existing(p, overwrite=True), check_writable):
            with pytest.raises(OutputExistsError, match=kind):
                check(path)
        with pytest.raises(OutputExistsError, match=kind), write_aside(path):
            pass
    assert names(tmp_path) == before and (tmp_path / "file").read_text() == "kept"


# -- probes and messages --------------------------------------------------------------------------


def test_the_probe_leaves_nothing_and_names_the_path(tmp_path):
    (tmp_path / "file").write_text("x")
    check_writable(tmp_path / "new" / "deep" / "a.csv", 1)
    with pytest.raises(NotADirectoryError) as told:
        check_writable(tmp_path / "file" / "a.csv")
    assert told.value.filename == str(tmp_path / "file" / "a.csv")
    with pytest.raises(OSError, match="bytes are needed") as told:
        check_writable(tmp_path / "a.csv", 1 << 60)
    assert told.value.errno == errno.ENOSPC and told.value.filename == str(tmp_path / "a.csv")
    with pytest.raises(OSError, match="too long"):
        check_writable(tmp_path / ("a" * 300))
    with pytest.raises(InputError, match="NUL"):
        check_writable(tmp_path / "a\0b")
    assert names(tmp_path) == ["file"]


@posix
def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def refuse(*arguments, **further):
        raise PermissionError(errno.EACCES, "Permission denied", "something.tmp")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(PermissionError) as told:
        check_writable(tmp_path / "a.csv")
    assert told.value.filename == str(tmp_path / "a.csv")


@posix
def test_a_full_disk_is_told_with_the_path_that_was_asked_for(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as told:
            with write_aside(tmp_path / "a.bin") as temporary:
                temporary.write_bytes(b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert told.value.filename == str(tmp_path / "a.bin") and names(tmp_path) == []


def test_long_names_and_endings_are_kept(tmp_path):
    path = tmp_path / ("a" * 240 + ".safetensors")
    with write_aside(path) as temporary:
        assert temporary.name == path.name
        temporary.write_text("x")
    assert names(tmp_path) == [path.name]


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_who_may_read_a_model_depends_on_the_mask_alone(tmp_path):
    (tmp_path / "plain").touch()
    write_tensors(tmp_path / "model", {"a": torch.zeros(3)}, {"kind": "k"})
    assert (tmp_path / "model").stat().st_mode == (tmp_path / "plain").stat().st_mode
