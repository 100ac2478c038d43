"""Options of studies and benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from spear_amal.cli.options.shared import CacheDir, DataDir, Force, Lfs
from spear_amal.cli.schema import Options, option


class RunOptions(Options):
    """What all commands that run a study have in common."""

    output: Path = option(..., "JSON file with one row a run; one that is there is continued.")
    jobs: int = option(1, "Processes, of one thread each.", ge=1)
    max_epochs: int | None = option(None, "Number of epochs at most.", ge=1)
    data_dir: DataDir = None


class StudyOptions(RunOptions):
    """Options of ``study SOURCE``."""

    SHOWN: ClassVar = {
        "Options": "source output method seeds n_labelled jobs baseline only",
        "Rows and features": "features protocol lfs placebo data_dir",
        "Training": "max_epochs tune trials_at_once",
    }

    RENAMED: ClassVar = {"labels": "n_labelled"}

    source: str = option(
        ...,
        "A corpus (plots, sms, youtube, imdb, census, mushroom, generated), or a folder or archive "
        "in WRENCH's format.",
        metavar="SOURCE",
    )
    method: tuple[str, ...] = option(
        (), "NAME or NAME:option=value,..; default: five that show what rules and AMAL are worth."
    )
    seeds: int = option(5, "Partitions: seeds 0 to N-1.")
    n_labelled: int | None = option(
        None, "Labelled rows for training, and as many for validation; default: the corpus' own."
    )
    features: str | None = option(
        None,
        "tfidf, published, columns (standardised), codes (one-hot), columns:a,b, encoder:NAME or "
        "file:PATH; default: tfidf of texts, else published.",
    )
    protocol: str = option(
        "random",
        "random; published: the corpus' own labelled rows; or wrench: no labelled rows, and the "
        "corpus' own validation rows.",
    )
    tune: int = option(0, "Trials of tuning for every method.", ge=0)
    trials_at_once: int = option(
        10, "Trials that tuning proposes at a time, and trains together.", ge=1
    )
    lfs: Lfs = None
    placebo: bool = option(False, "Shuffle the votes, so that the rules tell nothing.")
    only: bool = option(False, "Do not add only-l, only-lv and supervised.")
    baseline: str | None = option(None, "Gains are taken over this method; default: only-l.")


class BenchOptions(Options):
    """Options of ``bench``."""

    SHOWN: ClassVar = {
        "Options": "corpus label_model end_model method seeds output html force jobs",
        "Rows and features": "protocol n_labelled features data_dir cache_dir",
        "Training": "max_epochs",
    }

    corpus: tuple[str, ...] = option(
        (),
        "A corpus by name, or a folder or archive (.tar.gz, .zip) in WRENCH's format; default: all "
        "known ones on this machine.",
    )
    label_model: tuple[str, ...] = option(
        (), "NAME or NAME:option=value,..; none for none; default: all that are installed."
    )
    end_model: tuple[str, ...] = option(
        (),
        "Classifier on a label model's answers: linear, mlp, ..; none for the label model alone; "
        "default: none and linear.",
    )
    method: tuple[str, ...] = option(
        (),
        "NAME or NAME:option=value,.. beside them; none for none; default: classifiers without "
        "rules, Imply Loss, L2R, SPEAR, AMAL, recommended.",
    )
    seeds: int = option(5, "Seeds 0 to N-1.")
    output: Path = option(
        Path("bench.json"),
        "JSON file with one row a run, or a folder with a file for each corpus; one that is there "
        "is continued.",
    )
    html: Path | None = option(None, "HTML page to write; an earlier one is replaced.")
    force: Force = False
    jobs: int = option(1, "Processes, of one thread each.", ge=1)
    protocol: tuple[str, ...] = option(
        (),
        "random: a few labelled rows of each class, and as many for validation; wrench: no "
        "labelled rows, and the corpus' own validation rows, as for published figures; default: "
        "both.",
    )
    n_labelled: int | None = option(
        None, "Labelled rows under random, and as many for validation; default: the corpus' own."
    )
    features: str | None = option(
        None,
        "tfidf, published, columns (standardised), codes (one-hot), encoder:NAME, ..; default: "
        "tfidf of texts, else published.",
    )
    data_dir: DataDir = None
    cache_dir: CacheDir = None
    max_epochs: int | None = option(None, "Number of epochs at most.", ge=1)


class GridStudyOptions(RunOptions):
    """Options of a study that has a name; what one of them lacks it refuses when it runs."""

    SHOWN: ClassVar = {
        "Options": "output method seeds jobs baseline",
        "The study": "scale corpus settings max_epochs data_dir",
    }

    method: tuple[str, ...] = option((), "Only this method.")
    seeds: int | None = option(None, "Seeds 0 to N-1; default: those of the study.")
    scale: str | None = option(None, "small fits two cores, paper needs a GPU.")
    corpus: str | None = option(None, "Other images, or other texts.")
    settings: tuple[str, ...] = option((), "OPTION=VALUE of the study, as n_train=500.", flag="set")
    baseline: str | None = option(None, "Gains are taken over this method; default: ce, single, ..")


class StudyReportOptions(Options):
    """Options of ``study report``."""

    file: Path = option(..., "JSON file that a study wrote.", metavar="FILE")
    baseline: str | None = option(
        None, "Gains are taken over this method; default: only-l, ce, single, .."
    )
    markdown: bool = option(False, "Print Markdown.")
    html: Path | None = option(None, "HTML report to write.")
    figures: Path | None = option(None, "Folder for the figures of a study of distillation.")
    force: Force = False
