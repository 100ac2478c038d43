"""Settings of commands: from the TOML file and from flags, checked, and one schema for all."""

import tomllib
from pathlib import Path
from typing import get_args

import pytest

from spear_amal.cli.init_project import SETTINGS, settings_file
from spear_amal.cli.options.project import AnalyzeOptions, ApplyOptions, CliConfig, TrainOptions
from spear_amal.cli.options.shared import Metric
from spear_amal.errors import FileFormatError, InputError
from spear_amal.training import METRICS as TRAINED_METRICS


def write(text, name="spear.toml"):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_there_are_defaults():
    assert TrainOptions.load() == TrainOptions()


def test_file_here_is_found_and_flags_go_before_it():
    write('method = "spear"\nseed = 5\n')
    settings = TrainOptions.load(seed=7, metric=None)
    assert (settings.method, settings.seed, settings.metric) == ("spear", 7, "accuracy")
    assert settings.has_flag("seed") and not settings.has_flag("method")


def test_paths_are_relative_to_the_file():
    path = write('data = ["a.csv", "b.csv"]\nlfs = "lfs.py"\ntest = "t.csv"\n', "deep/own.toml")
    settings = TrainOptions.load(path)
    assert settings.data == (Path("deep/a.csv"), Path("deep/b.csv"))
    assert settings.lfs == Path("deep/lfs.py") and settings.test == (Path("deep/t.csv"),)
    assert TrainOptions.load(path, lfs=Path("x.py")).lfs == Path("x.py")


def test_metrics_are_those_of_training():
    assert set(get_args(Metric)) == {*TRAINED_METRICS, "auto"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('metod = "amal"', "spear.toml: unknown key 'metod'; did you mean 'method'?"),
        ("xyzzy = 1", "unknown key 'xyzzy'; known keys: data, validation"),
        ('labels = "l.npz"', "unknown key 'labels'; it is called 'votes'"),
        ("force = true", "unknown key 'force'"),  # a flag of commands only
        ('seed = "one"', "spear.toml: 'seed' must be a whole number, found 'one'"),
        ("seed = true", "'seed' must be a whole number, found True"),
        ("seed = 1.5", "'seed' must be a whole number, found 1.5"),
        ("seed = -1", "spear.toml: seed must be 0 or more, found -1"),
        ("max_epochs = 0", "max_epochs must be 1 or more, found 0"),
        ("data = [1]", "'data' must be a non-empty string, found 1"),
        ('data = [""]', "'data' must be a non-empty string, found ''"),
        ('lfs = ""', "'lfs' must be a non-empty string"),
        ('text_column = ""', "'text_column' must be a non-empty string"),
        ('metric = "auc"', "unknown metric 'auc'; choose one of accuracy, f1, macro-f1"),
    ],
)
@pytest.mark.parametrize("command", [ApplyOptions, TrainOptions])
def test_wrong_settings_are_named_also_where_a_command_has_no_use_for_them(text, said, command):
    write(text)
    with pytest.raises(InputError) as caught:
        command.load()
    assert said in str(caught.value)


def test_choices_of_an_option_that_may_be_left_out_are_listed():
    with pytest.raises(InputError, match="unknown estimate 'folds'; choose one of cv, test, none"):
        TrainOptions.load(estimate="folds")


def test_wrong_flags_are_not_blamed_on_the_file():
    write("seed = 3")
    with pytest.raises(InputError) as caught:
        TrainOptions.load(seed=-1)
    assert str(caught.value) == "seed must be 0 or more, found -1"


@pytest.mark.parametrize("content", [b"data = [", b"\xff\xfe"])
def test_what_is_no_toml(content):
    Path("spear.toml").write_bytes(content)
    with pytest.raises(FileFormatError, match="no valid TOML"):
        TrainOptions.load()


def test_named_file_must_exist():
    with pytest.raises(InputError, match=r"there is no settings file none\.toml"):
        TrainOptions.load(Path("none.toml"))


def test_missing_options_are_named_by_flag_and_key():
    options = ApplyOptions.load()
    with pytest.raises(InputError) as caught:
        options.require("data")
    assert str(caught.value) == (
        "--data is missing: give it, or the key 'data' in spear.toml (there is none here; make a "
        "project with: spear-amal init)"
    )
    with pytest.raises(InputError, match=r"--output is missing: .* the key 'votes' in"):
        options.require("votes")
    with pytest.raises(InputError, match=r"--votes-folder is missing: give it$"):
        options.require("votes_folder")
    assert options.require("seed") == 0


def test_settings_file_of_a_new_project_has_every_key():
    text = settings_file(SETTINGS)
    settings = AnalyzeOptions.load(write(text, "p/spear.toml"))
    assert settings.votes == Path("p/votes.npz") and settings.report is None
    everything = [line.removeprefix("# ") for line in text.splitlines() if " = " in line]
    values = tomllib.loads("\n".join(everything))
    assert values.keys() == CliConfig.keys().keys()
    write("\n".join(everything), "q/spear.toml")
    TrainOptions.load(Path("q/spear.toml"))


@pytest.mark.parametrize(
    ("arguments", "new"),
    [
        (("analyze", "--labels", "l.npz"), "--votes"),
        (("study", "sms", "--output", "a.json", "--labels", 23), "--n-labelled"),
    ],
)
def test_renamed_flags_are_told(arguments, new, run):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr == f"Error: there is no --labels; it is called {new}\n"
