"""Every example runs from the repository root, at its small size and without a network."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "examples").glob("[0-9]*.py"))
MOST_LINES = 79
DATA = "SPEAR_AMAL_DATA"
GENERATED = r"not on this machine; this is a generated one"
SCORE = r"[01]\.\d{3}"
VERDICT = r"Is AMAL worth it on \w+ \(\d+ labels\)\? Too early"
# As in setup.cfg: Lightning's own use of torch's trees, and its advice on larger machines.
WARNINGS = (
    "error",
    "ignore:`isinstance(treespec, LeafSpec)`:FutureWarning",
    "ignore:The 'train_dataloader' does not have many workers:UserWarning",
    "ignore:GPU available but not used:UserWarning",
)

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
        rf"AMAL recommended, 5 folds +{SCORE}",
    ],
    "05": [
        GENERATED,
        r"only-lv +\d\d\.\d",
        r"amal .* V: 30 to learn weights",
        r"amal:crossfit=5 .* each fold V once",
    ],
    "06": [r"500 rows, 120 of them", r"Emp\. Acc\.", "romance +0", "action +0", "loading: True"],
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
        r"AMAL recommended, 5 folds +\d\d\.\d",
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
        r"AMAL recommended, 5 folds +\d\d\.\d",
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
}
WITH_DATA = {
    "04": [r"^73 published rules|^\d+ LFs of", "AMAL recommended, 5 folds +0"],
    "05": [r"'youtube'", r"amal:crossfit=5 +\d\d\.\d"],
    "10": [r"^73 LFs \(published rules\), labelled rows: published", "sms: 69 labels", VERDICT],
    "12": ["imdb: 30 labels", "imdb: 15 labels", VERDICT],
}


def number(script: Path) -> str:
    return script.name[:2]


def run_example(script: Path, folder: Path, data: str | None) -> subprocess.CompletedProcess[str]:
    # One thread: small matrices gain nothing from two, and lose much where cores are shared.
    env = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(folder), "COLUMNS": "200"}
    env |= {
        "SPEAR_AMAL_CACHE": str(folder / "empty"),
    }
    env.pop(DATA, None)
    warned = [word for option in WARNINGS for word in ("-W", option)]
    command = [sys.executable, *warned, str(script.relative_to(ROOT)), "--small"]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=env | ({DATA: data} if data else {}),
        capture_output=True,
        text=True,
        timeout=300,
    )


Runs = dict[tuple[str, bool], "Future[subprocess.CompletedProcess[str]]"]


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    """Start the examples of the selected tests, two at a time."""
    wanted = [
        item.callspec.params
        for item in request.session.items
        if "runs" in getattr(item, "fixturenames", ()) and hasattr(item, "callspec")
    ]
    with ThreadPoolExecutor(2) as pool:
        yield {
            (number(params["script"]), params["real"]): pool.submit(
                run_example,
                params["script"],
                tmp_path_factory.mktemp("example"),
                os.environ.get(DATA) if params["real"] else None,
            )
            for params in wanted
            if not params["real"] or os.environ.get(DATA)
        }


@pytest.mark.parametrize(
    ("script", "real"),
    [
        *((script, False) for script in SCRIPTS),
        *((script, True) for script in SCRIPTS if number(script) in WITH_DATA),
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else ("generated", "real")[value],
)
def test_example_runs(script: Path, real: bool, runs: Runs) -> None:
    if real and not os.environ.get(DATA):
        pytest.skip(f"{DATA} is not set: no real corpora at hand")
    ran = runs[number(script), real].result()
    assert ran.returncode == 0, ran.stderr
    position = 0
    for pattern in (WITH_DATA if real else EXPECTED)[number(script)]:
        found = re.compile(pattern, re.MULTILINE).search(ran.stdout, position)
        assert found, f"{pattern!r} is not in the rest of:\n{ran.stdout}"
        position = found.end()


def test_numbers_are_complete() -> None:
    assert [number(script) for script in SCRIPTS] == sorted(EXPECTED)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_example_is_short_and_says_what_it_teaches(script: Path) -> None:
    code = script.read_text(encoding="utf-8")
    assert code.count("\n") <= MOST_LINES
    says = ast.get_docstring(ast.parse(code)) or ""
    assert "You learn" in says
    assert f"python examples/{script.name}" in says
