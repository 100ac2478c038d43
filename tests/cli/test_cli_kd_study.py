"""Commands of distillation studies: run, go on, report; and what they refuse."""

import dataclasses
import json
from pathlib import Path

import pytest

from spear_amal.studies import CATALOGUE, load_study
from spear_amal.studies.distillation import synthetic
from spear_amal.studies.grid import students

QUICK = ("--seeds", 2, "--max-epochs", 2, "--output", "a.json")
SMALL = ("study", "kd-synthetic", *QUICK)


def rows():
    return json.loads(Path("a.json").read_text(encoding="utf-8"))["rows"]


def test_a_study_runs_goes_on_and_is_reported(ok, run):
    result = ok(*SMALL, "--method", "ce", "--method", "amal")
    assert "kd-synthetic, kd-synthetic: noise 0.1" in result.stdout
    assert "max_epochs=2" in result.stdout and "labels alone" in result.stdout
    assert "AMAL" in result.stdout and "2 seeds, too few to rely on" in result.stdout
    assert "gap closed" not in result.stdout and "KD" not in result.stdout
    assert "teacher mlp:80, seed 0" in result.stderr and "6/6" in result.stderr
    assert "Runs are in a.json" in result.stdout and len(rows()) == 4
    again = ok(*SMALL, "--method", "ce", "--method", "amal", "--method", "kd", "--baseline", "kd")
    assert again.stderr.startswith("5/6") and "KD(0.9)" in again.stdout
    wanted = ("study", "report", "a.json", "--markdown", "--html", "a.html", "--figures", "f")
    shown = ok(*wanted)
    assert "| method | test accuracy | sd | gain over ce |" in shown.stdout
    page = Path("a.html").read_text(encoding="utf-8")
    assert "Study: kd-synthetic" in page and "Gain over labels alone" in page
    pictures = {picture.name for picture in Path("f").iterdir()}
    assert "kd-synthetic-noise-0.1-rate-0.01-temperature-1-gains.png" in pictures
    Path("a.html").unlink()
    refused = run(*wanted)
    assert refused.exit_code == 2 and refused.stdout == "" and not Path("a.html").exists()
    ok(*wanted, "--force")


def test_pages_are_of_one_kind_and_figures_of_distillation(ok, run):
    kd = {
        **{"corpus": "digits", "method": "ce", "seed": 0, "metric": "accuracy", "labels": 0},
        **{"features": "pixels", "protocol": "kd-noise: 40% random", "title": "labels alone"},
        **{"config": {"version": "1"}, "score": 0.5, "val_score": 0.5, "seconds": 1.0},
    }
    other = kd | {"protocol": "random", "title": "Only-L", "dedup": None, "corpus": "sms"}
    Path("b.json").write_text(json.dumps({"format": 1, "rows": [kd, other]}), encoding="utf-8")
    shown = ok("study", "report", "b.json").stdout
    assert "kd-noise, digits: 40% random" in shown and "sms: 0 labels" in shown
    refused = run("study", "report", "b.json", "--html", "b.html")
    assert refused.exit_code == 2 and "a page shows one kind" in refused.stderr
    Path("b.json").write_text(json.dumps({"format": 1, "rows": [other]}), encoding="utf-8")
    refused = run("study", "report", "b.json", "--figures", "f")
    assert refused.exit_code == 2 and "is for studies of distillation" in refused.stderr


def test_failed_runs_end_with_1_and_the_others_are_shown(run, monkeypatch):
    def fail(spec, folder):
        if spec.method == "kd":
            raise ArithmeticError("singular")
        return {"score": 0.5, "val_score": 0.5}

    broken = dataclasses.replace(load_study("kd-synthetic"), run=fail, teachers=lambda spec: [])
    monkeypatch.setattr(synthetic, "STUDY", broken)
    result = run(*SMALL)
    assert result.exit_code == 1 and "2 of 10 runs failed" in result.stderr
    assert "kd, seed 1: ArithmeticError: singular" in result.stderr
    assert "labels alone" in result.stdout
    only = run(*SMALL, "--method", "kd")
    assert only.exit_code == 1 and only.stdout.strip() == "Runs are in a.json"


def test_interrupt_says_what_is_kept(run, monkeypatch):
    def stop(*ignored):
        raise KeyboardInterrupt

    monkeypatch.setattr(students, "trained", stop)
    result = run(*SMALL)
    assert result.exit_code == 130
    assert "runs are kept in a.json, teachers in a folder beside it" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("study", "kd-nois", *QUICK), "kd-noise"),
        ((*SMALL, "--method", "kdd"), "has no method 'kdd'"),
        ((*SMALL, "--baseline", "cage"), "'cage' is not among the methods"),
        ((*SMALL, "--corpus", "digits"), "study kd-synthetic has no option --corpus"),
        ((*SMALL, "--corpus", "digits"), "and with --set: noise"),
        ((*SMALL, "--set", "noise"), "--set needs OPTION=VALUE"),
        ((*SMALL, "--set", "share=0.5"), "no option share; its own are --max-epochs, and with"),
        (("study", "kd-capacity", *QUICK, "--scale", "huge"), "scale must be one of small"),
        (("study", "kd-capacity", *QUICK, "--set", "student=resnet9"), "resnet9"),
        ((*SMALL, "--seeds", 1), "at least two seeds"),
        ((*SMALL, "--jobs", 0), "jobs"),
        (("study", "kd-synthetic"), "output"),
    ],
)
def test_bad_input_ends_with_2_and_writes_nothing(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2 and message in result.stderr and result.stdout == ""
    assert not list(Path().iterdir())


def test_a_study_that_is_not_there_is_said(run, monkeypatch):
    monkeypatch.delitem(CATALOGUE, "kd-synthetic")
    result = run(*SMALL)
    assert result.exit_code == 2 and "unknown study 'kd-synthetic'" in result.stderr


def test_help_names_the_studies(ok):
    shown = ok("study", "--help").stdout
    for name in CATALOGUE:
        assert name in shown
    assert "--scale" in ok("study", "kd-noise", "--help").stdout
