"""Every example runs from the repository root, at its small size and without a network."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import pytest
import torch

from spear_amal.label_models import LABEL_MODELS
from spear_amal.losses.spear import LOSSES
from spear_amal.mixers import MIXERS
from spear_amal.studies import METHODS

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "examples").glob("[0-9]*.py"))
MOST_LINES = 79
DATA = "SPEAR_AMAL_DATA"
GENERATED = r"not on this machine; this is a generated one"
SCORE = r"[01]\.\d{3}"
VERDICT = r"Is AMAL worth it on \w+ \(\d+ labels\)\? Too early"
# Longer than the rest; 03 and 09 are quick relatives of theirs.
SLOW = {"05", "10", "11", "12", "14", "15"}

# number of the script -> what its output must hold, in this order
EXPECTED = {
    "01": [
        r"= spam",
        r"LabelMatrix\(n=4, m=8",
        r"prize +short_code",
        r"Scores of many_digits: \[0",
    ],
    "02": [
        GENERATED,
        r"rows with a vote \d",
        r"Emp\. Acc\.",
        r"most conflicts: \w+ against",
        "wrong",
    ],
    "03": [GENERATED, rf"gold of L and V +{SCORE}", rf"SPEAR +{SCORE}", rf"AMAL +{SCORE}"],
    "04": [
        GENERATED,
        r"scored on \d+ test rows",
        rf"L\+V +{SCORE}",
        rf"AMAL \+ rules, 5 folds +{SCORE}",
    ],
    "05": [
        GENERATED,
        r"only-lv +\d\d\.\d",
        r"amal .* V: 30 to learn weights",
        r"amal:crossfit=5 .* each fold V once",
    ],
    "06": [
        r"500 rows, 120 of them",
        r"Emp\. Acc\.",
        "romance +0",
        "action +0",
        "the same answers as before: True",
    ],
    "07": [
        GENERATED,
        rf"L\+V +{SCORE}",
        "rules are right on",
        rf"consensus +{SCORE}",
        "weights.png",
    ],
    "08": [GENERATED, "best of the grid", rf"test f1 {SCORE} .* no rules", "own network"],
    "09": [GENERATED, r"10 runs in study", "generated: 30 labels", r"AMAL +\d\d\.\d", VERDICT],
    "10": [GENERATED, r"LFs \(plots\.py\), labelled rows: random", r"SPEAR +\d\d\.\d", VERDICT],
    "11": [
        GENERATED,
        r"gain over only-lv:crossfit=5",
        r"Recommended pool, 5 folds +\d\d\.\d",
        VERDICT,
        r"one model against one model: [+-]\d.* on [012] of 2 partitions",
    ],
    "12": [GENERATED, "30 labels", "15 labels", "placebo: votes shuffled", VERDICT],
    "13": [
        GENERATED,
        r"Unanimous votes \+ classifier +\d",
        r"classifier, refit on L\+V +\d",
        r"SPEAR, gold and consensus +\d",
    ],
    "14": [
        GENERATED,
        r"Imply Loss +\d\d\.\d",
        r"Recommended pool, 5 folds +\d\d\.\d",
        "Is AMAL worth it",
    ],
    "15": [
        GENERATED,
        "generated-budget.png .* number of gold labels",
        "generated-refresh.png .* 30 labels: how often",
        "generated-lookahead.png .* how far AMAL looks ahead",
        r"generated-weights.png +\d+ rows with votes",
        r"AUC {'consensus': \d",
    ],
    "16": [
        r"wrong training labels: 39\.8%",
        rf"teacher +mlp:64 +4810 +{SCORE}",
        rf"amal +mlp:16 +1210 +{SCORE}",
        r"label is wrong +\n",
        rf"amal tells wrong labels .* AUC {SCORE}",
    ],
    "17": [
        GENERATED,
        r"forest\.npz: \d+ rows",
        rf"forest \(teacher\) +{SCORE}",
        rf"student, amal +{SCORE}",
    ],
    "18": [
        GENERATED,
        rf"rules, AMAL +{SCORE}",
        rf"both, AMAL +{SCORE}",
        r"consensus +\d+ +\d\.",
        r"teacher +\d+ +\d\.",
    ],
    "19": [
        rf"mlp:64@6 +{SCORE}",
        rf"alm-kd, all 3 early-stopped teachers +{SCORE}",
        r"106 of 211 rows",
        rf"ratio +{SCORE} +\d+\.\d%",
    ],
    "20": [rf"^plain +{SCORE}", rf"plain, no teacher +{SCORE}", rf"^AMAL +{SCORE} .* to {SCORE}"],
    "21": [
        r"wrong training labels: 39\.9%",
        rf"label alone +{SCORE} on 360 test rows",
        rf"plain sum +{SCORE}",
        rf"AMAL +{SCORE} .*'weight/teacher': '0\.\d\d'",
        rf"0\.1 and 0\.9 +{SCORE}",
    ],
    "22": [
        r"'train': 400, .* 100 labelled, rules speak on \d\d% of rows",
        rf"label alone +{SCORE} on 200 test rows",
        rf"plain sum +{SCORE}",
        rf"AMAL +{SCORE} .*'rule': [01]\.\d+",
    ],
    "23": [
        r"53 labelled images, 158 others",
        rf"rotation +gcs +{SCORE} +0\.\d\d",
        rf"rotation-shuffled +single +{SCORE} +0\.00",
        r"rotation by module: body\.0 \d\.\d\d, .*body\.10 \d",
        r"rotation-shuffled by module: body\.0 \d\.\d\d",
    ],
    "24": [
        r"plain sum +30\.0 +5\.0+ +<NA>",
        r"main loss alone +30\.0 +10\.0\d+ +297",
        r"GCS, weighted +30\.0 +9\.99\d+ +82",
        r"by hand, .*: t = 10\.000",
    ],
    "25": [r"1 process", rf"without a label {SCORE}", r"weight of 'consensus' 0\.\d"],
    "26": [GENERATED, rf"focal for gold +test f1 {SCORE}"],
    "27": [GENERATED, rf"self-paced +test f1 {SCORE}"],
    "28": [GENERATED, rf"agreeing +test f1 {SCORE}"],
    "29": [
        rf"Recommended pool, 5 folds +{SCORE}",
        "scored only by models that never saw it: 5 folds",
        "The rules add|Too early to say",
    ],
    "30": [
        r"120 of 120 requests to send; \d+ tokens",
        r"Votes on \d\d% of rows, \d\d% of them right",
        "calibration error|scores stay as they are",
        "120 answers are kept",
        r"Score 0\.8 or more: \d+ votes",
    ],
    "32": [
        r"\d+ kB; held against the model on \d+ rows",
        r"onnxruntime alone says \['good', 'bad', 'good'\]",
        "below 1e-5: True",
    ],
    "31": [
        r"bert of \d+ pieces, pooled by first",
        rf"accuracy on test rows {SCORE}, file of \d\.\d MB",
        "the same without the folder: True",
    ],
    "33": ["'status': 'ok'", r"\[\{'label': 'spam', 'probabilities': \{'ham': 0", "Trained with"],
}
WITH_DATA = {
    "04": [r"^73 published rules|^\d+ LFs of", "AMAL \\+ rules, 5 folds +0"],
    "05": [r"'youtube'", r"amal:crossfit=5 +\d\d\.\d"],
    "10": [r"^73 LFs \(published rules\), labelled rows: published", "sms: 69 labels", VERDICT],
    "12": ["imdb: 30 labels", "imdb: 15 labels", VERDICT],
}


def number(script: Path) -> str:
    return script.name[:2]


def run_example(script: Path, folder: Path, data: str | None) -> str:
    """Run a script as if from a shell, with nothing at hand but `data`; returns what it prints.

    In this process, which has imported already what the script imports. What a script may leave
    behind is put back: modules beside it, what it registers, torch's seed.
    """
    printed = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as shell,
        contextlib.ExitStack() as registries,
        torch.random.fork_rng(devices=[]),
        contextlib.redirect_stdout(printed),
    ):
        for registry in (METHODS, MIXERS, LABEL_MODELS, LOSSES):
            registries.enter_context(mock.patch.dict(registry))
        shell.chdir(ROOT)
        shell.syspath_prepend(script.parent)
        shell.setattr(sys, "argv", [str(script.relative_to(ROOT)), "--small"])
        shell.setattr(tempfile, "tempdir", str(folder))
        shell.setenv("COLUMNS", "200")
        shell.setenv("SPEAR_AMAL_CACHE", str(folder / "empty"))
        shell.setenv(DATA, data) if data else shell.delenv(DATA, raising=False)
        shell.delitem(sys.modules, "shared", raising=False)
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as exit:
            assert not exit.code
        finally:
            sys.modules.pop("shared", None)
    return printed.getvalue()


@pytest.mark.parametrize(
    ("script", "real"),
    [
        pytest.param(script, real, marks=pytest.mark.slow if real or number(script) in SLOW else ())
        for real in (False, True)
        for script in SCRIPTS
        if not real or number(script) in WITH_DATA
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else ("generated", "real")[value],
)
def test_example_runs(script: Path, real: bool, tmp_path: Path) -> None:
    if real and not os.environ.get(DATA):
        pytest.skip(f"{DATA} is not set: no real corpora at hand")
    printed = run_example(script, tmp_path, os.environ.get(DATA) if real else None)
    position = 0
    for pattern in (WITH_DATA if real else EXPECTED)[number(script)]:
        found = re.compile(pattern, re.MULTILINE).search(printed, position)
        assert found, f"{pattern!r} is not in the rest of:\n{printed}"
        position = found.end()


def test_an_example_runs_from_a_shell() -> None:
    command = [sys.executable, "-W", "error", f"examples/{SCRIPTS[0].name}"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for pattern in EXPECTED[number(SCRIPTS[0])]:
        assert re.search(pattern, ran.stdout)


@pytest.mark.parametrize("script", [s for s in SCRIPTS if number(s) in ("26", "27", "28")])
def test_what_one_adds_is_a_short_file_and_a_line_of_registration(script: Path) -> None:
    code = script.read_text(encoding="utf-8")
    assert code.count("\n") < 60
    assert len(re.findall(r"^register_\w+\(", code, re.MULTILINE)) == 1
    assert re.search(r"^check_\w+\(", code, re.MULTILINE)


def test_numbers_are_complete() -> None:
    assert [number(script) for script in SCRIPTS] == sorted(EXPECTED)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_example_is_short_and_says_what_it_teaches(script: Path) -> None:
    code = script.read_text(encoding="utf-8")
    assert code.count("\n") <= MOST_LINES
    says = ast.get_docstring(ast.parse(code)) or ""
    assert "You learn" in says
    assert f"python examples/{script.name}" in says
