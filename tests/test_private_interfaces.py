"""What the package relies on in private parts of others, and which version broke it.

Each of them is imported in one module only. That of scikit-learn is in tests/test_params.py.
"""

import ast
import inspect
import pickle
import platform
import re
from pathlib import Path

import joblib
import pytest
import torch
from torch import nn

import spear_amal
from spear_amal.data.formats import safe_pickle
from spear_amal.labeling import re2_patterns, required_literals
from spear_amal.models.feature_model import batch_norms

PYTHON = f"Python {platform.python_version()}"
PACKAGE = Path(spear_amal.__file__).parent
# Private name of others -> the module that may import it.
PRIVATE = {
    "sklearn.utils._param_validation": "params.py",
    "re._parser": "labeling/required_literals.py",
    "re._compiler": "labeling/re2_patterns.py",
    "joblib.externals": "labeling/worker_pool.py",
    "torch.nn.modules.batchnorm._BatchNorm": "models/feature_model.py",
    "torch._dynamo": "training/objective.py",
}


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_private_names_of_others_are_imported_in_one_module_each():
    found = {}
    for path in PACKAGE.rglob("*.py"):
        for name in _imports(path):
            private = any(part.startswith("_") and part != "__future__" for part in name.split("."))
            if not name.startswith("spear_amal") and (private or "joblib.externals" in name):
                found.setdefault(name, set()).add(path.relative_to(PACKAGE).as_posix())
    for name, modules in found.items():
        known = [home for start, home in PRIVATE.items() if name.startswith(start)]
        assert modules == set(known), f"{name} is imported in {modules}, expected {known}"


def test_the_parser_of_regular_expressions():
    assert required_literals.parser is not None, f"{PYTHON} has no re._parser"
    needed = {
        r"(won|win)ner.*prize": ["prize"],
        r"(?:free|cash)+ now": [" now"],
        r"(?:alpha|beta)": ["alpha", "beta"],
        r"(?>word)s": ["word"],
        r"(?i:free)": [],
    }
    for pattern, words in needed.items():
        try:
            found = required_literals.needed_words(re.compile(pattern))
        except (AttributeError, TypeError, ValueError) as error:
            pytest.fail(f"{PYTHON} parses {pattern!r} into another tree: {error!r}")
        assert found == words, f"{PYTHON} parses {pattern!r} into another tree"


def test_the_compiler_of_parsed_patterns():
    """Parts of a pattern are compiled by themselves: `re` says which characters they match."""
    assert re2_patterns.compiler is not None, f"{PYTHON} has no re._compiler"
    expected = {  # a newline ends a row, and is in none
        r"(?a)\d": "[0-9]",
        r"(?a)[a-f\s]": r"[\x{9}-\x{9}\x{b}-\x{d}\x{20}-\x{20}a-f]",
        r"(?i)k": r"[K-Kk-k\x{212a}-\x{212a}]",  # the sign of kelvin too
    }
    for pattern, characters in expected.items():
        try:
            found = re2_patterns.translated(re.compile(pattern))
        except (AttributeError, TypeError, ValueError) as error:
            pytest.fail(f"{PYTHON} compiles a part of {pattern!r} in another way: {error!r}")
        expected = re2_patterns.Translation(characters)
        assert found == expected, f"{PYTHON} reads {pattern!r} otherwise"


def test_the_pool_of_joblib():
    version = f"joblib {joblib.__version__}"
    from joblib.externals.loky.process_executor import ProcessPoolExecutor as executor

    taken = set(inspect.signature(executor).parameters)
    assert {"max_workers", "env"} <= taken, f"{version}: its pool takes {sorted(taken)}"
    taken = set(inspect.signature(executor.shutdown).parameters)
    assert {"wait", "kill_workers"} <= taken, f"{version}: shutdown takes {sorted(taken)}"


def test_the_unpickler_in_python():
    base = safe_pickle._Unpickler.__mro__[1]
    assert base is not pickle.Unpickler, f"{PYTHON}: the compiled unpickler takes its place"
    assert isinstance(getattr(base, "dispatch", None), dict), f"{PYTHON}: no table of opcodes"
    found = safe_pickle.unpickle_arrays(pickle.dumps({"a": [1, 2.5]}), "made here", 1)
    assert found == [{"a": [1, 2.5]}], f"{PYTHON}: its unpickler reads something else"


def test_the_base_of_batch_norms():
    version = f"torch {torch.__version__}"
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.LazyBatchNorm1d)
    others = (nn.InstanceNorm1d, nn.GroupNorm, nn.LayerNorm)
    net = nn.Sequential(*(kind(4) for kind in norms[:4]), norms[4]())
    assert len(batch_norms(net)) == len(norms), f"{version}: a batch norm has another base"
    net = nn.Sequential(others[0](4), others[1](2, 4), others[2](4))
    assert batch_norms(net) == {}, f"{version}: another layer counts as a batch norm"
