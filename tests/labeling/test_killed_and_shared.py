"""A run that is killed outright, and two processes that share one cache of votes."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from spear_amal.io.atomic import write_aside
from spear_amal.labeling import LFApplier, ParquetLFApplier, VoteCache, keyword_lf
from spear_amal.labeling.vote_cache import SUFFIX
from spear_amal.votes.parquet import VoteFiles, part_name

TEXTS = [("free call", "see you", "free home call", "home")[i % 4] for i in range(31)]
LFS = [keyword_lf("free", ["free"], 1), keyword_lf("home", ["home"], 0)]
MAKE_LFS = "[keyword_lf('free', ['free'], 1), keyword_lf('home', ['home'], 0)]"

# The process ends without cleaning up, as the file number `limit` is about to get its name.
KILLED = f"""
import os, signal, sys
from spear_amal.labeling import ParquetLFApplier, keyword_lf
source, output, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
rename, done = os.replace, []
def replace(old, new):
    if len(done) == limit:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(new)
    rename(old, new)
os.replace = replace
ParquetLFApplier({MAKE_LFS}).apply(source, output, batch_rows=7, progress_bar=False)
"""

# Starts once both processes are ready; each time the folder is emptied, so that both write.
SHARING = f"""
import sys
from spear_amal.labeling import LFApplier, VoteCache, keyword_lf
texts = [("free call", "see you", "free home call", "home")[i % 4] for i in range(31)]
cache = VoteCache(sys.argv[1], max_bytes=int(sys.argv[2]))
applier = LFApplier({MAKE_LFS})
print("ready", flush=True)
sys.stdin.readline()
right = applier.apply(texts, progress_bar=False).to_dense().tolist()
for _ in range(30):
    cache.clear()
    votes = applier.apply(texts, progress_bar=False, cache=cache)
    assert votes.to_dense().tolist() == right
    assert not [said for said in cache.report.values() if said.startswith("not")], cache.report
"""


@pytest.mark.parametrize(
    "written", [pytest.param(0, marks=pytest.mark.slow), 3, pytest.param(5, marks=pytest.mark.slow)]
)
def test_killed_run_is_not_taken_for_finished_and_goes_on(tmp_path, written):
    pytest.importorskip("pyarrow")
    source, output = tmp_path / "rows.parquet", tmp_path / "votes"
    pd.DataFrame({"text": TEXTS}).to_parquet(source, row_group_size=7)
    command = [sys.executable, "-c", KILLED, str(source), str(output), str(written)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with pytest.raises(FileNotFoundError, match="did not end"):
        VoteFiles(output)
    parts = [output / part_name(i) for i in range(5)]
    assert [path.exists() for path in parts] == [i < written for i in range(5)]
    before = [path.stat().st_mtime_ns for path in parts[:written]]

    votes = ParquetLFApplier(LFS).apply(source, output, batch_rows=7, progress_bar=False)
    assert [path.stat().st_mtime_ns for path in parts[:written]] == before
    whole = ParquetLFApplier(LFS).apply(source, tmp_path / "w", batch_rows=7, progress_bar=False)
    assert votes.files == whole.files
    expected, found = whole.to_label_matrix(), votes.to_label_matrix()
    assert np.array_equal(found.to_dense(), expected.to_dense())
    assert np.array_equal(found.row_ids, expected.row_ids)


@pytest.mark.slow
@pytest.mark.parametrize("room", [10**9, 1])
def test_two_processes_share_a_cache(tmp_path, room):
    command = [sys.executable, "-W", "error", "-c", SHARING, str(tmp_path), str(room)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    two = [subprocess.Popen(command, text=True, **pipes) for _ in range(2)]
    assert [one.stdout.readline() for one in two] == ["ready\n"] * 2
    for one in two:
        one.stdin.write("\n")
        one.stdin.flush()
    said = [one.communicate()[1] for one in two]
    assert [one.returncode for one in two] == [0, 0], said

    cache = VoteCache(tmp_path)
    for _ in range(2):
        votes = LFApplier(LFS).apply(TEXTS, progress_bar=False, cache=cache)
    assert set(cache.report.values()) == {"cached"}
    expected = LFApplier(LFS).apply(TEXTS, progress_bar=False)
    assert np.array_equal(votes.to_dense(), expected.to_dense())


def test_file_that_another_process_is_writing_is_left_alone(tmp_path):
    with write_aside(tmp_path / f"abc{SUFFIX}") as being_written:
        being_written.write_bytes(b"half")
        cache = VoteCache(tmp_path, max_bytes=1)
        LFApplier(LFS).apply(TEXTS, progress_bar=False, cache=cache)
        cache.clear()
        assert being_written.exists()
