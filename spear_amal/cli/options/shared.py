"""Options that several commands have, and what training takes wherever it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from spear_amal.cli.schema import Options, option

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
