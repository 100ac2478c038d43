"""All LFs of a project: order, muting, names that clash, classes; and the settings file."""

import pandas as pd
import pytest

from spear_amal.declared_lfs import (
    KeywordRule,
    RulesFile,
    add_to_settings,
    applier_of,
    change_rules,
    load_project_lfs,
)
from spear_amal.errors import FileFormatError, InputError
from spear_amal.labeling import PandasLFApplier

PYTHON = """
from spear_amal.labeling import keyword_lf
CLASSES = {classes}
free = keyword_lf("free", ["free"], label={label})
"""
OF_NAMES = PYTHON.format(classes='("ham", "spam")', label='"spam"')
CALL = KeywordRule(name="call", label="spam", keywords=["call"])


@pytest.fixture
def files(tmp_path):
    """Writes the files of a project and returns their paths."""

    def write(*rules, muted=(), python=OF_NAMES):
        lfs, toml = tmp_path / "lfs.py", tmp_path / "rules.toml"
        lfs.write_text(python)
        change_rules(toml, lambda _: RulesFile(rules, frozenset(muted)))
        return lfs, toml

    return write


def names(loaded):
    return [lf.name for lf in loaded.lfs]


def test_python_first_then_declared_without_muted(files):
    arrive = CALL.model_copy(update={"name": "arrive", "label": "ham"})
    lfs, rules = files(CALL, arrive)
    loaded = load_project_lfs(lfs, rules)
    assert names(loaded) == ["free", "arrive", "call"] and loaded.classes == ("ham", "spam")
    assert names(load_project_lfs(lfs, None)) == ["free"]
    assert names(load_project_lfs(lfs, rules.with_name("none.toml"))) == ["free"]
    assert load_project_lfs(None, rules).classes == ("ham", "spam")  # of the rules' labels
    lfs, rules = files(CALL, arrive, muted=["free", "call"])
    assert names(load_project_lfs(lfs, rules)) == ["arrive"]


def test_what_is_muted_must_be_there(files):
    lfs, rules = files(CALL, muted=["call", "fre"])
    with pytest.warns(UserWarning, match=r"rules.toml mutes 'fre', which no labelling function"):
        assert names(load_project_lfs(lfs, rules)) == ["free"]
    lfs, rules = files(CALL, muted=["call", "free"])
    with pytest.raises(InputError, match=r"rules.toml mutes all 2 labelling functions"):
        load_project_lfs(lfs, rules)


def test_names_and_labels_that_do_not_fit(files):
    lfs, rules = files(CALL.model_copy(update={"name": "free"}))
    with pytest.raises(InputError, match=r"the rule 'free' has the name of .* lfs.py|lfs.py"):
        load_project_lfs(lfs, rules)
    lfs, rules = files(CALL.model_copy(update={"label": "Spam"}))
    with pytest.raises(InputError, match=r"rules.toml: the rule 'call' votes for 'Spam', which is"):
        load_project_lfs(lfs, rules)
    lfs, rules = files(CALL, python=PYTHON.format(classes=None, label=1))
    with pytest.raises(InputError, match=r"the rule 'call' votes for 'spam', but .*add CLASSES"):
        load_project_lfs(lfs, rules)
    with pytest.raises(InputError, match=r"the rules vote for 'spam' alone"):
        load_project_lfs(None, rules)
    assert load_project_lfs(None, rules, labels=["ham"]).classes == ("ham", "spam")
    with pytest.raises(InputError, match=r"there are no labelling functions"):
        load_project_lfs(None, rules.with_name("none.toml"))


@pytest.mark.parametrize(
    ("classes", "python", "label", "code"),
    [
        ("None", "0", "1", 1),
        ("None", "0", 1, 1),
        ("2", "0", "1", 1),
        ("(1, 2)", "1", "2", 1),
        ("('ham', 'spam')", "'ham'", 1, 1),
        ("{'ham': 4, 'spam': 7}", "'ham'", "7", 1),
        (
            "None\nfrom enum import Enum\nclass K(Enum):\n    HAM = 0\n    SPAM = 1\n",
            "K.HAM",
            "SPAM",
            1,
        ),
        ("('0', '1')", "'0'", "1", 1),
    ],
)
def test_a_label_may_be_a_number(files, classes, python, label, code):
    rule = CALL.model_copy(update={"label": label})
    loaded = load_project_lfs(*files(rule, python=PYTHON.format(classes=classes, label=python)))
    votes = PandasLFApplier(*loaded).apply(pd.DataFrame({"text": ["call", "free"]}))
    assert votes.to_dense().tolist() == [[-1, code], [0, -1]]


def test_python_that_holds_classes_alone(files):
    lfs, rules = files(CALL, python="CLASSES = ('spam', 'ham')")
    assert load_project_lfs(lfs, rules).classes == ("spam", "ham")
    with pytest.raises(InputError, match=r"lfs.py holds no labelling function"):
        load_project_lfs(lfs, None)


def test_appliers_of_paths(files):
    lfs, rules = files(CALL)
    assert repr(applier_of([lfs, str(rules)])) == "PandasLFApplier, LFs: ['free', 'call']"
    assert repr(applier_of((str(lfs),))) == "PandasLFApplier, LFs: ['free']"
    applier = applier_of(rules, labels=["ham", "spam", "ham"])
    assert repr(applier) == "PandasLFApplier, LFs: ['call']"
    with pytest.raises(InputError, match=r"no such file of labelling functions: .*none.toml"):
        applier_of([lfs, rules.with_name("none.toml")])
    with pytest.raises(InputError, match=r"one Python file and one file of rules at most"):
        applier_of([lfs, lfs])
    with pytest.raises(InputError, match=r"'call' votes for 'spam', which is none of the classes"):
        applier_of(rules, classes=["a", "b"])


# -- spear.toml -----------------------------------------------------------------------------------

SETTINGS = """\
# Settings.
data = "rows.csv"  # ours

# Table with further labels.
# gold = "next.csv"

lfs = "lfs.py"
"""


def test_a_key_is_added_where_a_comment_shows_it(tmp_path):
    path = tmp_path / "spear.toml"
    path.write_text(SETTINGS)
    assert add_to_settings(path, "gold", "gold.csv")
    shown = '# gold = "next.csv"\n'
    assert path.read_text() == SETTINGS.replace(shown, shown + 'gold = "gold.csv"\n')
    assert not add_to_settings(path, "gold", "gold.csv")
    assert add_to_settings(path, "gold", "more.csv")
    assert path.read_text() == SETTINGS.replace(shown, shown + 'gold = ["gold.csv", "more.csv"]\n')
    assert add_to_settings(path, "rules", "rules.toml")
    assert path.read_text().endswith('\nrules = "rules.toml"\n')
    path.write_text('data = "a"\n\n[mixer_options]\nx = 1\n# gold = "shown.csv"\n')
    assert add_to_settings(path, "gold", "gold.csv")
    assert path.read_text().index("gold.csv") < path.read_text().index("[mixer_options]")


def test_a_settings_file_that_is_none(tmp_path):
    path = tmp_path / "spear.toml"
    path.write_text("data = ")
    with pytest.raises(FileFormatError, match=r"spear.toml is no valid TOML"):
        add_to_settings(path, "gold", "gold.csv")
    assert path.read_text() == "data = "
