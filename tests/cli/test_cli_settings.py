from pathlib import Path

import pytest

from spear_amal.cli.config import METRICS, CliConfig, load_settings, require
from spear_amal.errors import FileFormatError, InputError
from spear_amal.training import METRICS as TRAINED_METRICS


def write(text, name="spear.toml"):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_there_are_defaults():
    assert load_settings(None) == CliConfig()


def test_file_here_is_found_and_arguments_go_before_it():
    write('method = "spear"\nseed = 5\n')
    settings = load_settings(None, seed=7, metric=None)
    assert (settings.method, settings.seed, settings.metric) == ("spear", 7, "accuracy")


def test_paths_are_relative_to_the_file():
    path = write('data = ["a.csv", "b.csv"]\nlfs = "lfs.py"\n', "deep/own.toml")
    settings = load_settings(path)
    assert settings.data == (Path("deep/a.csv"), Path("deep/b.csv"))
    assert settings.lfs == Path("deep/lfs.py")
    assert load_settings(path, lfs=Path("x.py")).lfs == Path("x.py")


def test_metrics_are_those_of_training():
    assert set(METRICS) == set(TRAINED_METRICS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('metod = "amal"', "unknown key 'metod'; did you mean 'method'?"),
        ("xyzzy = 1", "unknown key 'xyzzy'; known keys: data, validation"),
        ('seed = "one"', "'seed' must be a whole number, found 'one'"),
        ("seed = true", "'seed' must be a whole number, found True"),
        ("seed = 1.5", "'seed' must be a whole number, found 1.5"),
        ("seed = -1", "seed must be 0 or more, found -1"),
        ("max_epochs = 0", "max_epochs must be 1 or more, found 0"),
        ("data = [1]", "'data' must be a non-empty string, found 1"),
        ('lfs = ""', "'lfs' must be a non-empty string"),
        ('metric = "auc"', "unknown metric 'auc'; choose one of accuracy, f1, macro-f1"),
    ],
)
def test_wrong_settings_are_named(text, said):
    write(text)
    with pytest.raises(InputError) as caught:
        load_settings(None)
    assert said in str(caught.value)


@pytest.mark.parametrize("held", [b"data = [", b"\xff\xfe"])
def test_what_is_no_toml(held):
    Path("spear.toml").write_bytes(held)
    with pytest.raises(FileFormatError, match="no valid TOML"):
        load_settings(None)


def test_named_file_must_exist():
    with pytest.raises(InputError, match=r"there is no settings file none\.toml"):
        load_settings(Path("none.toml"))


def test_need_names_option_and_key():
    with pytest.raises(InputError, match=r"--text-column is missing: .*'text_column'"):
        require(None, "--text-column")
    with pytest.raises(InputError, match="the key 'labels' in"):
        require((), "--output", "labels")
    assert require(0, "--seed") == 0
