"""The options of every command: fields are flags, and for some commands keys of a TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from spear_amal.cli.schema import Options, flag_of, option
from spear_amal.errors import InputError

Metric = Literal["accuracy", "f1", "macro-f1", "auto"]
EstimateSource = Literal["cv", "test", "none"]

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Lfs = Annotated[
    Path | None, Field(description="Python file with the labelling functions; it is run.")
]
Rules = Annotated[
    Path | None,
    Field(
        description="TOML file with declared labelling functions, and the names of muted ones, "
        "which are left out."
    ),
]
Force = Annotated[bool, Field(description="Overwrite outputs that are there.")]
FaultTolerant = Annotated[
    bool, Field(description="Let a labelling function that fails on a row abstain there.")
]
DataDir = Annotated[
    Path | None, Field(description="Folder with corpora; default: $SPEAR_AMAL_DATA.")
]
CacheDir = Annotated[
    Path | None, Field(description="Where fetched corpora are kept; default: $SPEAR_AMAL_CACHE.")
]
NoCache = Annotated[bool, Field(description="Neither read votes from a cache nor keep them there.")]
Yes = Annotated[
    bool, Field(description="Ask language models whatever it costs, without a question before.")
]
IdColumn = Annotated[
    Text | None,
    Field(
        description="Column with the ids of the rows; default: id, if it is there and tells them "
        "apart."
    ),
]
Sep = Annotated[
    Text | None,
    Field(
        description="What stands between the cells of a .csv: a character, tab, comma, semicolon "
        "or pipe; default: found from the file."
    ),
]
Encoding = Annotated[
    Text | None,
    Field(
        description="Encoding of text files, such as cp1252; default: UTF-8, or UTF-16 if it "
        "begins with its mark."
    ),
]
Sheet = Annotated[
    Text | None, Field(description="Sheet of an .xlsx file to read; default: the first.")
]
Events = Annotated[
    Path | None,
    Field(
        description="File to write a line of JSON into for every epoch of every model, and every "
        "finished part, as they end; of those that --jobs trains in other processes parts only."
    ),
]
MODEL = Path("model.safetensors")

# -- a project of one's own: spear.toml -----------------------------------------------------------


class TrainingConfig(Options):
    """What ``train`` and ``distill`` have in common."""

    data: tuple[Path, ...] = option(
        (), "Table: .csv, .tsv, .jsonl or .parquet; several files are one table."
    )
    validation: Path | None = option(
        None,
        "Table of labelled rows that choose the epoch; default: some of those in the data.",
    )
    text_column: Text = option("text", "Column with the text.")
    label_column: Text = option(
        "label", "Column with gold labels; an empty cell, or -1, is no label."
    )
    id_column: IdColumn = None
    sep: Sep = None
    encoding: Encoding = None
    sheet: Sheet = None
    gold: tuple[Path, ...] = option(
        (),
        "Table with further labels for rows of the data, known by id (else by text): what next "
        "wrote, filled in.",
    )
    lfs: Lfs = None
    rules: Rules = None
    cache: Path | None = option(
        None,
        "Folder where votes are kept, so that only edited labelling functions run again; default: "
        ".spear_amal_cache beside the file of labelling functions.",
    )
    max_cost: float | None = option(
        None,
        "What labelling functions that ask language models may spend, in the currency of the "
        "prices that they give.",
        ge=0,
    )
    metric: Metric = option(
        "accuracy",
        "What chooses the epoch and is reported: accuracy, f1 or macro-f1; auto reports accuracy, "
        "and chooses by the likelihood of gold, which sees rare classes.",
    )
    seed: int = option(0, "Starts the training; the same seed gives the same model.", ge=0)
    max_epochs: int = option(100, "Number of epochs at most.", ge=1)
    output: Path = option(MODEL, "Model file to write.")
    report: Path | None = option(
        None, "HTML report to write; needs: pip install 'spear-amal[report]'."
    )
    checkpoint: Path | None = option(
        None,
        "File from which a run that was stopped goes on; one for each fold or network, or for "
        "folds that are trained together.",
    )


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


# -- distillation: distill.toml -------------------------------------------------------------------

# A teacher is a network's name or a file; a file is known by its suffix or its folder.
MODEL_SUFFIX = ".safetensors"
OUTPUT_SUFFIXES = (".npz", ".csv", ".jsonl", ".ndjson", ".parquet")


def is_file_name(teacher: str) -> bool:
    """Return whether a teacher is a file and not the name of a network.

    Examples
    --------
    >>> is_file_name("teacher.npz"), is_file_name("models/big"), is_file_name("wrn-16-1")
    (True, True, False)
    """
    path = Path(teacher)
    return path.suffix.lower() in (MODEL_SUFFIX, *OUTPUT_SUFFIXES) or len(path.parts) > 1


Images = Annotated[
    Text | None,
    Field(description="Images instead of a table: digits, cifar10, ..; docs/data.md has all."),
]
ImagesPath = Annotated[
    Path | None, Field(description="Folder, archive or .npz file that holds the images.")
]


_ONLY_WITH = {
    "--data": (
        *("validation", "gold", "id_column", "sep", "encoding", "sheet", "lfs", "rules", "cache"),
    ),
    "--images": ("images_path", "subset", "label_noise", "augment"),
}


class DistillConfig(TrainingConfig):
    """Keys of ``distill.toml``."""

    FILE: ClassVar = "distill.toml"
    HINT: ClassVar = (
        "`spear-amal distill --help` lists the options, docs/distillation.md shows such a file"
    )
    RENAMED: ClassVar = {"row_id_column": "id_column"}

    images: Images = None
    images_path: ImagesPath = None
    subset: int | None = option(None, "Draw so many training images, classes in proportion.", ge=1)
    label_noise: float = option(0.0, "Share of training images that get another class.")
    validation_share: float = option(
        0.2, "Share of the labelled rows that choose the epoch, where no table of them is given."
    )
    student: Text | None = option(
        None, "Network to train: linear, mlp, mlp:32, or for images resnet8, wrn-16-1, convnet, .."
    )
    teacher: tuple[Text, ...] = option(
        (),
        "A network by name (trained first), a model file of train or distill, or a file of teacher "
        "outputs.",
    )
    assistant: tuple[Text, ...] = option(
        (), "Network between teacher and student, the largest first (takd, dgkd)."
    )
    method: Text = option(
        "amal",
        "How to teach: amal, alm-kd, kd, ce, ..; an unknown name lists all, and what they are.",
    )
    mixer_options: dict[str, Any] = option({}, "Further options of the method.")
    temperature: float = option(4.0, "Softens the teachers' answers.")
    optimiser: Text = option("adam", "adam or sgd.")
    lr: float | None = option(None, "Learning rate; default: that of the optimiser.")
    schedule: Text = option("constant", "Of the learning rate: constant, cosine or steps.")
    milestones: tuple[Count, ...] = option((), "Epoch at which steps lowers the learning rate.")
    augment: Text | None = option(None, "crop, crop-flip or turn-crop-flip: training images only.")
    batch_size: int | None = option(None, "Rows in a step; default: by the kind of data.", ge=1)
    device: Text = option("cpu", "cpu, cuda or auto.")
    keep_epochs: tuple[Count, ...] = option((), "Also write the student as it is after this epoch.")
    early_stopped: bool = option(
        False, "Keep the epochs of the teachers that are trained here: each one teaches."
    )
    teacher_cache: Path | None = option(None, "Folder in which teachers' answers are kept.")
    weights: Path | None = option(None, "Table of the learnt weights by row id to write.")

    @classmethod
    def is_path(cls, name: str, text: str) -> bool:
        """Return whether a string of the TOML file is a path: a teacher may be one."""
        return super().is_path(name, text) or (name == "teacher" and is_file_name(text))

    def check(self) -> None:
        """Raise InputError for options that do not go together, or lack one another."""
        for name in ("label_noise", "validation_share"):
            share = getattr(self, name)
            if not 0 <= share < 1:
                raise InputError(f"{name} must be a share from 0 up to 1, found {share}")
        if not self.validation_share and self.validation is None:
            raise InputError("validation_share must be above 0: validation rows choose the epoch")
        if bool(self.data) == bool(self.images):
            found = "both" if self.data else "neither"
            raise InputError(f"distill needs a table (--data) or images (--images), found {found}")
        if self.student is None:
            raise InputError(
                "--student is missing: give 'linear', 'mlp', 'mlp:32' or a network such as "
                f"'resnet8' (in {self.FILE}: the key 'student')"
            )
        needed = "--images" if self.data else "--data"
        for name in _ONLY_WITH[needed]:
            if getattr(self, name):
                flag = flag_of(name, DistillConfig.model_fields[name])
                raise InputError(f"{flag} goes with {needed} only; leave it out")


class DistillOptions(DistillConfig):
    """Options of ``distill``."""

    SHOWN: ClassVar = {
        "Options": "data images student teacher method output report weights force",
        "Tables": "text_column label_column gold id_column sep encoding sheet validation lfs "
        "rules fault_tolerant cache no_cache",
        "Images": "images_path data_dir subset label_noise augment",
        "Teachers": "assistant temperature early_stopped teacher_cache",
        "Training": "metric max_epochs optimiser lr schedule milestones batch_size seed device "
        "checkpoint keep_epochs",
    }

    fault_tolerant: FaultTolerant = False
    no_cache: NoCache = False
    data_dir: DataDir = None
    force: Force = False


class TeacherOutputsOptions(Options):
    """Options of ``teacher-outputs``."""

    RENAMED: ClassVar = {"row_id_column": "id_column"}

    model: Path = option(..., "Model file that train or distill wrote.")
    output: Path = option(..., "File to write (.npz).")
    data: tuple[Path, ...] = option(
        (), "Table: .csv, .tsv, .jsonl or .parquet; several files are one table."
    )
    id_column: IdColumn = None
    sep: Sep = None
    encoding: Encoding = None
    sheet: Sheet = None
    images: Images = None
    images_path: ImagesPath = None
    lfs: Lfs = None
    rules: Rules = None
    data_dir: DataDir = None
    force: Force = False


# -- a start --------------------------------------------------------------------------------------


class DemoOptions(Options):
    """Options of ``demo``."""

    output: Path | None = option(None, "HTML report to write; default: report.html.")
    seed: int = option(0, "Draws the split and starts the training.", ge=0)
    offline: bool = option(False, "Fetch nothing.")
    force: Force = False
    lfs: Lfs = None
    data_dir: DataDir = None
    cache_dir: CacheDir = None
    max_epochs: int = option(100, "Number of epochs at most.", ge=1)


class OwnTableOptions(Options):
    """How a table is read around which a project is made."""

    text_column: Text | None = option(None, "Column with the text; default: it is looked for.")
    label_column: Text | None = option(None, "Column with gold labels; default: it is looked for.")
    id_column: IdColumn = None
    sep: Sep = None
    encoding: Encoding = None
    sheet: Sheet = None

    def reading(self) -> dict[str, str]:
        """Return the options that were given about how to read the table."""
        given = {name: getattr(self, name) for name in OwnTableOptions.model_fields}
        return {name: value for name, value in given.items() if value is not None}

    def refuse_reading(self, reason: str) -> None:
        """Raise InputError if options about a table were given where none is read."""
        if given := self.reading():
            flags = ", ".join("--" + name.replace("_", "-") for name in given)
            raise InputError(f"{flags}: {reason}")


class InitOptions(OwnTableOptions):
    """Options of ``init``."""

    SHOWN: ClassVar = {
        "Options": "folder data llm",
        "Rows": "text_column label_column id_column sep encoding sheet",
    }

    folder: Path = option(..., "New folder.", metavar="DIR")
    llm: bool = option(
        False,
        "Also write a labelling function that asks a language model, on this machine unless you "
        "name another place.",
    )
    data: tuple[Path, ...] = option(
        (), "A table of your own, which stays where it is; default: made-up rows are written."
    )


class WorkbenchOptions(OwnTableOptions):
    """Options of ``workbench``."""

    SHOWN: ClassVar = {
        "Options": "place port no_browser",
        "Rows of a table": "text_column label_column id_column sep encoding sheet",
    }

    place: Path = option(
        Path("."),
        "Folder of a project, or a table, around which a project is made beside it; default: here.",
        metavar="DIR",
    )
    port: int = option(
        0, "Port of this machine to listen on; default: a free one.", ge=0, le=65_535
    )
    no_browser: bool = option(False, "Print the address, and open no browser.")


class CorporaListOptions(Options):
    """Options of ``corpora list``."""

    data_dir: DataDir = None
    cache_dir: CacheDir = None


class CorporaFetchOptions(CorporaListOptions):
    """Options of ``corpora fetch``."""

    name: str = option(..., "A name that `corpora list` shows.", metavar="NAME")


# -- studies --------------------------------------------------------------------------------------


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
