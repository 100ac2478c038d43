"""Options of the commands on tables of your own, and the keys of ``spear.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from spear_amal.cli.options.shared import (
    MODEL,
    DataDir,
    EstimateSource,
    Events,
    FaultTolerant,
    Force,
    NoCache,
    Text,
    TrainingConfig,
    Yes,
)
from spear_amal.cli.schema import option
from spear_amal.errors import InputError


class CliConfig(TrainingConfig):
    """Keys of ``spear.toml``, which the commands on a user's own tables share."""

    FILE: ClassVar = "spear.toml"
    HINT: ClassVar = "make a project with: spear-amal init"
    RENAMED: ClassVar = {"labels": "votes"}

    test: tuple[Path, ...] = option((), "Table of labelled rows that models are scored on.")
    method: Text = option(
        "recommended",
        "What to train: recommended (a pool of gold alone and AMAL in 5 folds), amal, spear, "
        "majority, only-lv (no rules), ..; an unknown name lists all, docs/concepts.md says what "
        "they are. With options: "
        "amal:crossfit=3,weight_lr=30.",
    )
    features: Text = option(
        "tfidf",
        "What the classifier sees: tfidf, encoder:NAME, columns:a,b (other columns of the table), "
        "or several, as tfidf+columns:a,b.",
    )
    votes: Path | None = option(
        None, "Label matrix (.npz) that apply writes and analyze reads, or a folder of votes."
    )
    predictions: Path | None = option(None, "Table that predict writes.")
    llm_model: Text | None = option(
        None, "Language model that suggest --llm asks, as its server calls it."
    )
    llm_base_url: Text = option(
        "http://127.0.0.1:8080/v1", "Where it is served: an OpenAI-compatible address, up to /v1."
    )
    llm_key_variable: Text | None = option(
        None,
        "Environment variable that holds the key of that server; the key itself is no setting.",
    )
    llm_input_price: float | None = option(
        None,
        "Price of a million tokens that it is sent, for the forecast and max_cost; 0 for a server "
        "of your own.",
        ge=0,
    )
    llm_output_price: float | None = option(
        None, "Price of a million tokens that it answers.", ge=0
    )


class ApplyOptions(CliConfig):
    """Options of ``apply``."""

    SHOWN: ClassVar = {
        "Options": "data lfs rules votes votes_folder force",
        "Rows": "text_column label_column gold id_column sep encoding sheet",
        "Labelling functions": "fault_tolerant jobs cache no_cache max_cost yes",
    }

    votes: Path | None = option(None, "Label matrix to write (.npz).", flag="output")
    fault_tolerant: FaultTolerant = False
    jobs: int = option(1, "Processes; -1 for all cores.")
    no_cache: NoCache = False
    yes: Yes = False
    votes_folder: Path | None = option(
        None,
        "For Parquet files of any size: write votes in parts here, in place of a label matrix. A "
        "run that was stopped goes on.",
    )
    force: Force = False


class AnalyzeOptions(CliConfig):
    """Options of ``analyze``."""

    SHOWN: ClassVar = {
        "Options": "data lfs rules lf votes table html force",
        "Rows": "text_column label_column gold id_column sep encoding sheet",
        "Labelling functions": "fault_tolerant jobs cache no_cache max_cost yes",
    }

    votes: Path | None = option(
        None,
        "Label matrix, or folder of votes, that apply wrote; default: the votes of the labelling "
        "functions as they are now.",
    )
    lf: Text | None = option(None, "Show this labelling function alone: its wrong rows, conflicts.")
    table: Path | None = option(
        None, "Also write the table of labelling functions here.", flag="output"
    )
    html: Path | None = option(
        None,
        "HTML page of the review to write, with figures; needs: pip install 'spear-amal[report]'.",
    )
    fault_tolerant: FaultTolerant = False
    jobs: int = option(1, "Processes; -1 for all cores.")
    no_cache: NoCache = False
    yes: Yes = False
    force: Force = False


class NextOptions(CliConfig):
    """Options of ``next``."""

    SHOWN: ClassVar = {
        "Options": "count data lfs rules output chosen force",
        "Rows": "text_column label_column gold id_column sep encoding sheet",
        "Labelling functions": "fault_tolerant jobs cache no_cache max_cost yes",
    }

    count: int = option(20, "How many rows.", flag="count", short="n", ge=1)
    output: Path = option(
        MODEL, "Model file whose uncertainty counts, where it is there.", flag="model"
    )
    chosen: Path = option(
        Path("next.csv"),
        "Table to write: id, text, an empty column of labels, and the reason for each row.",
        flag="output",
    )
    fault_tolerant: FaultTolerant = False
    jobs: int = option(1, "Processes; -1 for all cores.")
    no_cache: NoCache = False
    yes: Yes = False
    force: Force = False


class SuggestOptions(CliConfig):
    """Options of ``suggest``."""

    SHOWN: ClassVar = {
        "Options": "count data lfs rules add",
        "Rows": "text_column label_column gold id_column sep encoding sheet",
        "Language model": "llm llm_model llm_base_url llm_key_variable llm_input_price "
        "llm_output_price task n_shown",
        "Labelling functions": "fault_tolerant jobs cache no_cache max_cost yes",
    }

    count: int = option(20, "How many rules at most.", flag="count", short="n", ge=1)
    add: bool = option(
        False, "Add the rules that are told from luck to the file of declared rules, --rules."
    )
    llm: bool = option(
        False,
        "Let a language model write the rules, in place of mining them from the rows. It is sent "
        "the task, the classes, and a few rows, some of them with their labels.",
    )
    task: str = option("", "What the task is, in a sentence for the language model.")
    n_shown: int = option(
        5, "Labelled rows of each class that the language model is sent.", flag="shown", ge=0
    )
    fault_tolerant: FaultTolerant = False
    jobs: int = option(1, "Processes; -1 for all cores.")
    no_cache: NoCache = False
    yes: Yes = False


class TrainOptions(CliConfig):
    """Options of ``train``."""

    SHOWN: ClassVar = {
        "Options": "data lfs rules method output report row_outputs events force",
        "Rows": "text_column label_column gold id_column sep encoding sheet validation "
        "fault_tolerant cache no_cache max_cost yes",
        "Training": "features metric seed max_epochs checkpoint",
        "Estimate": "estimate test",
    }

    events: Events = None
    row_outputs: Path | None = option(
        None,
        "File (.npz) to write with what the model says of every row of the data: probabilities, "
        "those of its rule model, learnt weights.",
    )
    estimate: EstimateSource | None = option(
        None,
        "How to estimate the score on new rows: cv (trains on five parts of the labelled rows, "
        "about five times the cost), test (on the rows of --test) or none; default: test where "
        "there are test rows, else cv.",
    )
    fault_tolerant: FaultTolerant = False
    no_cache: NoCache = False
    yes: Yes = False
    force: Force = False

    def check(self) -> None:
        """Raise InputError for an estimate on test rows without any."""
        super().check()
        if self.estimate == "test" and not self.test:
            raise InputError("--estimate test needs test rows: give --test, or the key 'test'")


class CompareOptions(CliConfig):
    """Options of ``compare``."""

    SHOWN: ClassVar = {
        "Options": "data lfs rules further html runs events force",
        "Rows": "text_column label_column gold id_column sep encoding sheet validation test "
        "in_folds fault_tolerant cache no_cache max_cost yes",
        "Comparison": "folds repeats baseline smallest_gain jobs",
        "Training": "features metric seed max_epochs",
    }

    further: tuple[Text, ...] = option(
        (),
        "Compare this one as well; majority vote, gold alone and what train would train always "
        "are. NAME or NAME:option=value,..",
        flag="method",
    )
    html: Path | None = option(None, "HTML page to write; needs: pip install 'spear-amal[report]'.")
    events: Events = None
    runs: Path = option(
        Path("comparison.json"),
        "JSON file with one row a run; one that is there is continued.",
        flag="output",
    )
    in_folds: bool = option(
        False, "Score in folds of the labelled rows, also where spear.toml names test rows."
    )
    folds: int = option(5, "Folds into which the labelled rows are dealt.", ge=2)
    repeats: int = option(2, "How often they are dealt, each time otherwise.", ge=1)
    baseline: str | None = option(
        None, "Gains are taken over this method; default: gold alone in the same folds."
    )
    smallest_gain: float = option(1.0, "Points that rules must add to be worth having.", ge=0)
    jobs: int = option(1, "Processes, of one thread each.", ge=1)
    fault_tolerant: FaultTolerant = False
    no_cache: NoCache = False
    yes: Yes = False
    force: Force = False


class CrossoverOptions(CliConfig):
    """Options of ``crossover``."""

    SHOWN: ClassVar = {
        "Options": "source data lfs rules method html runs force",
        "Rows": "text_column label_column gold id_column sep encoding sheet test in_folds "
        "fault_tolerant cache no_cache data_dir",
        "Labels": "sizes largest folds repeats smallest_gain labels_per_rule jobs",
        "Training": "features metric seed max_epochs",
    }

    source: str | None = option(
        None,
        "A corpus (plots, sms, youtube, imdb) or a WRENCH folder, whose rows all have gold; "
        "default: the table of --data.",
        metavar="SOURCE",
    )
    html: Path | None = option(None, "HTML page to write; needs: pip install 'spear-amal[report]'.")
    runs: Path = option(
        Path("crossover.json"),
        "JSON file with one row a run; one that is there is continued.",
        flag="output",
    )
    in_folds: bool = option(
        False, "Score in folds of the labelled rows, also where spear.toml names test rows."
    )
    sizes: int = option(5, "How many numbers of labels, from few to all.", ge=3)
    largest: int | None = option(
        None,
        "Labels at most; default: all that training has while a fold is held out, of a corpus its "
        "usual labelled and validation rows together.",
        ge=1,
    )
    folds: int = option(5, "Folds into which the labelled rows are dealt.", ge=2)
    repeats: int | None = option(
        None, "How often labels are drawn anew; default: 1 in folds, 5 on test rows.", ge=1
    )
    smallest_gain: float = option(1.0, "Points that are worth having.", ge=0.01)
    labels_per_rule: float = option(
        20.0, "How many labels take as long as writing one labelling function.", gt=0
    )
    jobs: int = option(1, "Processes, of one thread each.", ge=1)
    data_dir: DataDir = None
    fault_tolerant: FaultTolerant = False
    no_cache: NoCache = False
    force: Force = False


class PredictOptions(CliConfig):
    """Options of ``predict``."""

    SHOWN: ClassVar = {
        "Options": "output data predictions stream lfs rules force",
        "Rows": "id_column sep encoding sheet",
        "Labelling functions": "max_cost yes",
    }

    output: Path = option(MODEL, "Model file that train or distill wrote.", flag="model")
    predictions: Path | None = option(
        None, "Table to write: the data with predictions added.", flag="output"
    )
    stream: bool = option(
        False,
        "For Parquet files, or folders of them, of any size: read, predict and write some rows at "
        "a time.",
    )
    yes: Yes = False
    force: Force = False


class LabelOptions(CliConfig):
    """Options of ``label``."""

    SHOWN: ClassVar = {
        "Options": "data lfs rules label_model model labelled lf_votes force",
        "Rows": "text_column label_column gold id_column sep encoding sheet",
        "Labelling functions": "fault_tolerant jobs cache no_cache max_cost yes",
    }

    label_model: Text = option(
        "label-model",
        "What labels by the votes: label-model, majority, dawid-skene, ..; with options, as "
        "dawid-skene:model_abstains=false.",
    )
    model: Path | None = option(
        None, "Label by this model file instead; with --lfs votes are told as well."
    )
    labelled: Path | None = option(
        None, "Table to write: the data with labels added.", flag="output"
    )
    lf_votes: bool = option(False, "Also write the vote of each labelling function.")
    fault_tolerant: FaultTolerant = False
    jobs: int = option(1, "Processes; -1 for all cores.")
    no_cache: NoCache = False
    yes: Yes = False
    force: Force = False


class EvaluateOptions(CliConfig):
    """Options of ``evaluate``."""

    SHOWN: ClassVar = {
        "Options": "output test lfs rules",
        "Rows": "label_column sep encoding sheet",
        "Labelling functions": "max_cost yes",
    }

    output: Path = option(MODEL, "Model file that train or distill wrote.", flag="model")
    test: tuple[Path, ...] = option(
        (), "Table with labelled rows: .csv, .tsv, .jsonl or .parquet.", flag="data"
    )
    yes: Yes = False


class ExportOptions(CliConfig):
    """Options of ``export``."""

    SHOWN: ClassVar = {
        "Options": "output onnx card force",
        "ONNX": "without_votes data id_column sep encoding sheet",
        "Model card": "licence data_licence language intended_use",
    }

    output: Path = option(MODEL, "Model file that train or distill wrote.", metavar="MODEL")
    onnx: Path | None = option(
        None, "ONNX file to write; needs: pip install 'spear-amal[onnx]'.", flag="onnx"
    )
    card: Path | None = option(
        None,
        "Model card (Markdown) to write: task, data, labelling functions, estimate, limits; needs: "
        "pip install 'spear-amal[report]'.",
    )
    without_votes: bool = option(
        False, "Leave the rules out of a model that predicts with them as well."
    )
    licence: Text | None = option(
        None, "Licence of the model, as the model hub writes it: apache-2.0, cc-by-4.0, .."
    )
    data_licence: Text | None = option(None, "Licence of the data, in words.")
    language: tuple[Text, ...] = option((), "Language of the texts, as en.")
    intended_use: Text | None = option(None, "What the model is meant for, in words.")
    force: Force = False

    def check(self) -> None:
        """Raise InputError if nothing is to be written."""
        super().check()
        if self.onnx is None and self.card is None:
            raise InputError("nothing to export: give --onnx FILE, --card FILE or both")
