"""Locks between processes, and the file that several studies write to at once."""

import json
import subprocess
import sys

from spear_amal.io.locks import exclusive
from spear_amal.studies.results_file import StudyFile

N_ROWS, N_PROCESSES = 41, 3

ADD = """
import sys
from spear_amal.studies.results_file import StudyFile
store = StudyFile("study.json")
print("ready", flush=True)
sys.stdin.readline()
for seed in range({first}, {first} + {n}):
    store.add({{
        **{{"corpus": "sms", "method": "spear", "title": "SPEAR", "seed": seed, "labels": 17}},
        **{{"metric": "accuracy", "features": "tfidf", "protocol": "random", "config": {{}}}},
        **{{"score": 0.5, "val_score": 0.25, "seconds": 1.5, "error": None}},
    }})
"""


def test_no_row_is_lost_between_processes(tmp_path):
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    others = [
        subprocess.Popen(
            [sys.executable, "-c", ADD.format(first=1000 * i, n=N_ROWS)], cwd=tmp_path, **pipe
        )
        for i in range(N_PROCESSES)
    ]
    for other in others:  # all have read the file before the first writes
        assert other.stdout.readline() == "ready\n"
    for other in others:
        other.stdin.write("go\n")
        other.stdin.flush()
    for other in others:
        other.communicate()
        assert other.returncode == 0
    expected = sorted(1000 * i + j for i in range(N_PROCESSES) for j in range(N_ROWS))
    content = json.loads((tmp_path / "study.json").read_text())
    assert sorted(row["seed"] for row in content["rows"]) == expected
    assert sorted(row["seed"] for row in StudyFile(tmp_path / "study.json").rows) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["study.json"]


def test_a_lock_lasts_as_long_as_the_block_and_leaves_no_file(tmp_path):
    code = (
        "from spear_amal.io.locks import exclusive\n"
        "with exclusive('a'): print('inside', flush=True)\n"
    )
    with exclusive(tmp_path / "a"):
        assert [path.name for path in tmp_path.iterdir()] == [".a.lock"]
        other = subprocess.Popen(
            [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        (tmp_path / "mine").write_text("still alone")
    assert other.communicate()[0] == "inside\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
