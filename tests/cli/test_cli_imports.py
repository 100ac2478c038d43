"""What commands import: nothing heavy for help texts, torch where it trains, its compiler never."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import spear_amal

PACKAGE = Path(spear_amal.__file__).parent

# Commands one after the other in one process, so that each finds imported what those before it
# needed; and what must not have been imported when it ends.
PAGES = ["matplotlib", "altair", "jinja2", "spear_amal.report.run_report"]
OTHERS = ["snorkel", "spacy", "polars", "datasets", "torchvision", "transformers", "lightning"]
MODELS = ["torch", "spear_amal.estimators", "spear_amal.training", "spear_amal.studies.methods"]
COMPILER = ["torch._dynamo", "torch._inductor", "sympy"]
WITHOUT_TRAINING = [
    (["--help"], ["numpy", "pandas", "scipy", "sklearn", "pyarrow", *MODELS, *PAGES, *OTHERS]),
    (["apply"], ["sklearn", "scipy.stats", "joblib", *MODELS, *PAGES, *OTHERS]),
    # It fits a label model, which is an estimator of scikit-learn, to say which LFs err alike.
    (["analyze"], [*MODELS, *PAGES, *OTHERS]),
    (["label", "--output", "labelled.csv"], [*MODELS, *PAGES, *OTHERS]),
    (["next", "-n", "2"], [*MODELS, *PAGES, *OTHERS]),
]
TRAINING = [
    (["train", "--estimate", "test"], [*COMPILER, *PAGES, *OTHERS]),
    (["predict"], [*COMPILER, *PAGES, *OTHERS]),
    (["evaluate"], [*COMPILER, *PAGES, *OTHERS]),
    (["compare", "--folds", "2", "--repeats", "1"], [*COMPILER, *PAGES, *OTHERS]),
]
RUN = """
import json, sys
from spear_amal.cli import main
found = []
for words, unwanted in json.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit as end:
        found.append([words, end.code, [name for name in unwanted if name in sys.modules]])
print(json.dumps(found))
"""
LFS = """
from spear_amal.labeling import keyword_lf
CLASSES = ("ham", "spam")
lfs = [keyword_lf("free", ["free"], "spam"), keyword_lf("lunch", ["lunch"], "ham")]
"""
SETTINGS = """
data = "rows.csv"
lfs = "lfs.py"
votes = "votes.npz"
output = "model.safetensors"
predictions = "predicted.csv"
test = "test.csv"
max_epochs = 2
"""


@pytest.mark.parametrize(
    "commands", [WITHOUT_TRAINING, pytest.param(TRAINING, marks=pytest.mark.slow)]
)
def test_a_command_imports_what_it_needs(commands, tmp_path):
    rows = [f"{('free', 'lunch')[i % 2]} {i} words,{('spam', 'ham')[i % 2]}" for i in range(40)]
    rows[0] = "free,"  # one to label next
    for name, part in (("rows.csv", rows[:30]), ("test.csv", rows[30:])):
        (tmp_path / name).write_text("\n".join(["text,label", *part]), encoding="utf-8")
    (tmp_path / "lfs.py").write_text(LFS, encoding="utf-8")
    (tmp_path / "spear.toml").write_text(SETTINGS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(commands)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == [[words, 0, []] for words, _ in commands], done.stderr


def test_nothing_imports_the_compiler_of_torch_unasked():
    """The first optimiser of torch.optim imports it, and so does what its own module imports."""
    free = {
        "training/objective.py",  # within compile=True
        "studies/toy_gradient_cosine.py",  # a loop as users write it
    }
    named = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(map(_names_the_compiler, ast.walk(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert named == free


def _names_the_compiler(node):
    modules = []
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        modules = [f"{node.value.id}.{node.attr}"]
    elif isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        modules = [f"{node.module}.{alias.name}" for alias in node.names]
    return any(module.startswith(("torch.optim", "torch._dynamo")) for module in modules)
