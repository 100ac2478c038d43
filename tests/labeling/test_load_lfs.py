import sys

import pytest

from spear_amal.errors import InputError
from spear_amal.labeling import LFApplier, load_lfs

HEAD = "from spear_amal.labeling import labeling_function, keyword_lf\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="my_lfs.py", head=HEAD):
        (tmp_path / name).write_text(head + text)
        return tmp_path / name

    return write


def test_public_lfs_in_the_order_of_definition(write):
    path = write(
        "CLASSES = ['ham', 'spam']\n"
        "@labeling_function\ndef zeta(x): return 1\n"
        "_hidden = keyword_lf('hidden', ['a'], 1)\n"
        "more = [keyword_lf(w, [w], 'spam') for w in ('win', 'cash')]\n"
        "alpha = keyword_lf('alpha', ['a'], 1)\n"
        "again = alpha\n"
        "pair = (alpha, 3)\n"
    )
    lfs, classes = loaded = load_lfs(path)
    assert [lf.name for lf in lfs] == ["zeta", "win", "cash", "alpha"]
    assert classes == ("ham", "spam") and loaded.classes is classes
    assert LFApplier(lfs, classes).apply(["win"]).shape == (1, 4)


def test_the_list_lfs_wins(write):
    path = write("a = keyword_lf('a', 'a', 1)\nb = keyword_lf('b', 'b', 1)\nLFS = (b,)\n")
    assert [lf.name for lf in load_lfs(path).lfs] == ["b"]
    assert load_lfs(str(path)).classes is None


def test_enum_classes_and_dataclasses(write):
    path = write(
        "from __future__ import annotations\nimport enum\nfrom dataclasses import dataclass\n"
        "from spear_amal.labeling import labeling_function\n"
        "class CLASSES(enum.Enum):\n    HAM = 0\n    SPAM = 1\n"
        "@dataclass\nclass Config:\n    words: list[str]\n"
        "@labeling_function(label=CLASSES.SPAM)\ndef f(x): return True\n",
        head="",
    )
    lfs, classes = load_lfs(path)
    assert LFApplier(lfs, classes).apply(["a"]).classes == ("HAM", "SPAM")


def test_a_module_beside_the_file_can_be_imported(write, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "word_lists_of_test", raising=False)
    (tmp_path / "word_lists_of_test.py").write_text("WORDS = ['win']\n")
    before = list(sys.path)
    path = write("from word_lists_of_test import WORDS\na = keyword_lf('a', WORDS, 1)\n")
    assert load_lfs(path).lfs[0]("win") == 1
    assert sys.path == before


def test_a_file_is_read_anew_and_nothing_is_written_beside_it(write, tmp_path):
    assert load_lfs(write("a = keyword_lf('a', 'a', 1)\n")).lfs[0].name == "a"
    assert load_lfs(write("b = keyword_lf('b', 'b', 1)\n")).lfs[0].name == "b"
    assert [path.name for path in tmp_path.iterdir()] == ["my_lfs.py"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("x = 3\n", "holds no labelling function"),
        ("def f(x): return 1\n", "decorate functions with @labeling_function"),
        ("LFS = []\n", "holds no labelling function"),
        ("LFS = 3\n", "must be a list"),
        ("LFS = [len]\n", "holds <built-in function len>"),
        ("x = 1\ny = 1 / 0\n", r"my_lfs\.py, line 3: raised ZeroDivisionError"),
        ("import no_such_module_here\n", r"line 2: raised ModuleNotFoundError"),
        ("x = (\n", r"my_lfs\.py, line 2: raised SyntaxError"),
        ("raise SystemExit(3)\n", r"line 2: raised SystemExit: 3"),
    ],
)
def test_files_that_cannot_be_used(write, text, message):
    names = set(sys.modules)
    with pytest.raises(InputError, match=message):
        load_lfs(write(text))
    assert not [n for n in set(sys.modules) - names if "my_lfs" in n and "raised" in message]


def test_no_file(tmp_path):
    for path in (tmp_path / "none.py", tmp_path):
        with pytest.raises(InputError, match="no such file"):
            load_lfs(path)


def test_snorkels_lfs_are_found(write):
    pytest.importorskip("snorkel", reason="snorkel is not installed")
    path = write(
        "from snorkel.labeling import labeling_function\n"
        "@labeling_function()\ndef old(x): return 1\n",
        head="",
    )
    assert [lf.name for lf in load_lfs(path).lfs] == ["old"]
