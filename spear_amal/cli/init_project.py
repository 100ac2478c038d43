"""The command ``init``: a small project that runs as it is."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from contextlib import suppress
from importlib import resources
from pathlib import Path

from spear_amal.cli.console import print_result
from spear_amal.cli.options import CliConfig
from spear_amal.cli.schema import kind_of
from spear_amal.data import Corpus, synthetic_corpus, write_table
from spear_amal.errors import OutputExistsError
from spear_amal.io.atomic import write_aside, written_together
from spear_amal.io.leftovers import remove_leftovers

N_ROWS, N_TEST, N_LABELLED = 700, 200, 100

# Keys of the project's spear.toml, and others that stand there as comments.
SETTINGS = {
    **{"data": "data.csv", "test": "test.csv", "text_column": "text", "label_column": "label"},
    **{"lfs": "lfs.py", "method": "recommended", "metric": "accuracy", "seed": 0},
    **{"votes": "votes.npz", "output": "model.safetensors", "predictions": "predictions.csv"},
}
EXAMPLES = {
    **{"validation": "validation.csv", "max_epochs": 100, "report": "report.html"},
    "checkpoint": "checkpoint.safetensors",
    **{"id_column": "id", "sep": ";", "encoding": "cp1252", "sheet": "Sheet1"},
}

README = """\
# A project for spear-amal

`data.csv` holds {rows} made-up plots of films, {labelled} of them with a label (romance or
action); `test.csv` holds {test} more, all labelled. `lfs.py` holds labelling functions,
`spear.toml` the settings. Run in this folder:

    spear-amal apply        # apply the labelling functions, print what they do
    spear-amal analyze      # print that table again
    spear-amal train        # train a classifier on labels and votes
    spear-amal evaluate     # score it on test.csv
    spear-amal predict      # add predictions to data.csv, as predictions.csv

Outputs that are there already are kept unless you add `--force`.

To make it yours: put your texts into `data.csv` with a few labels, write your class names and your
labelling functions into `lfs.py`, and look at the table of `spear-amal apply` after every change.
"""


def create_project(folder: Path) -> None:
    """Write the project into a new or empty folder, wholly or not at all.

    Raises
    ------
    OutputExistsError
        If the folder holds something, or is a file.
    """
    remove_leftovers(folder)  # what a killed command left does not count
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise OutputExistsError(
            f"{folder} already exists and is not an empty folder; choose a new name"
        )
    _write_all(folder, _files())
    print_result(f"Project written to {folder}. Next:")
    print_result(f"  cd {folder}")
    print_result("  spear-amal train")
    print_result("README.md there lists the other commands.")


def _write_all(folder: Path, files: dict[str, Callable[[Path], None]]) -> None:
    """Write files, all or none; if one fails, leave nothing behind."""
    existed = folder.is_dir()
    try:
        with written_together():
            for name, write in files.items():
                with write_aside(folder / name) as temporary:
                    write(temporary)
    except BaseException:
        if not existed:
            with suppress(OSError):  # it is not there, or all files are: the end came a bit later
                folder.rmdir()
        raise


def _files() -> dict[str, Callable[[Path], None]]:
    corpus = synthetic_corpus(n=N_ROWS, n_test=N_TEST)
    rows = N_ROWS - N_TEST
    readme = README.format(rows=rows, labelled=N_LABELLED, test=N_TEST)
    lfs = resources.files("spear_amal.cli.template").joinpath("lfs.py").read_text(encoding="utf-8")
    return {
        "README.md": _text(readme),
        CliConfig.FILE: _text(settings_file()),
        "lfs.py": _text(lfs),
        "data.csv": _rows(corpus, "train", N_LABELLED),
        "test.csv": _rows(corpus, "test", N_TEST),
    }


def settings_file() -> str:
    """Return the text of a project's spear.toml: every key, and what it is for."""
    blocks = [
        "# Settings of `spear-amal`. Flags on the command line go before them, and paths are\n"
        "# relative to this file."
    ]
    for name, value in (SETTINGS | EXAMPLES).items():
        field = CliConfig.model_fields[name]
        about = f"{field.description}{' May be a list.' if kind_of(field)[1] else ''}"
        note = textwrap.indent(textwrap.fill(about, 88), "# ")
        blocks.append(f"{note}\n{'' if name in SETTINGS else '# '}{name} = {json.dumps(value)}")
    return "\n\n".join(blocks) + "\n"


def _text(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    return write


def _rows(corpus: Corpus, part: str, n_labelled: int) -> Callable[[Path], None]:
    """Return what writes rows of a part; only the first `n_labelled` keep their class names."""
    frame = corpus.frame.iloc[corpus.rows(part)].reset_index(drop=True)
    names = [
        corpus.classes[code] if row < n_labelled else "" for row, code in enumerate(frame["label"])
    ]
    rows = frame[["text"]].assign(label=names)

    def write(path: Path) -> None:
        write_table(rows, path, overwrite=True)  # the empty file beside the target

    return write
