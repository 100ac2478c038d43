"""The command ``init``: a small project that runs as it is."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

from spear_amal.cli.console import print_result
from spear_amal.cli.options.project import CliConfig
from spear_amal.cli.options.start import InitOptions
from spear_amal.cli.own_project import (
    OwnTable,
    lfs_file,
    look_at_table,
    project_class_names,
    relative,
)
from spear_amal.cli.prompted_section import with_prompted_lf
from spear_amal.cli.schema import kind_of
from spear_amal.data import Corpus, synthetic_corpus, write_table
from spear_amal.declared_lfs.rules_text import RULES_HEAD
from spear_amal.errors import OutputExistsError
from spear_amal.io.atomic import write_aside, written_together
from spear_amal.io.leftovers import remove_leftovers

N_ROWS, N_TEST, N_LABELLED = 700, 200, 100

# Keys of the project's spear.toml, and others that stand there as comments.
SETTINGS = {
    **{"data": "data.csv", "test": "test.csv", "text_column": "text", "label_column": "label"},
    **{"lfs": "lfs.py", "rules": "rules.toml"},
    **{"method": "recommended", "metric": "accuracy", "seed": 0},
    **{"votes": "votes.npz", "output": "model.safetensors", "predictions": "predictions.csv"},
}
EXAMPLES = {
    **{
        "validation": "validation.csv",
        "features": "tfidf",
        "max_epochs": 100,
        "report": "report.html",
    },
    **{"checkpoint": "checkpoint.safetensors", "gold": "next.csv", "cache": ".spear_amal_cache"},
    **{"id_column": "id", "sep": ";", "encoding": "cp1252", "sheet": "Sheet1"},
    **{"max_cost": 2.0, "llm_model": "local", "llm_base_url": "http://127.0.0.1:8080/v1"},
    **{"llm_key_variable": "MY_LLM_KEY", "llm_input_price": 0.15, "llm_output_price": 0.6},
}

README = """\
# A project for spear-amal

{about} `lfs.py` holds labelling functions, `rules.toml` declared ones, `spear.toml` the settings.
Run in this folder, again and again:

    spear-amal apply        # apply the labelling functions, print what they do
    spear-amal analyze      # what to mend next, and the rows that they get wrong
    spear-amal compare      # do the rules help, and what score is to be expected on new rows?
    spear-amal next -n 20   # which rows to label next

and when you are content:

    spear-amal train        # train a classifier, print the score to expect
{evaluate}    spear-amal predict      # add predictions to the data, as predictions.csv

From Python:

    from spear_amal import TextClassifier
    TextClassifier.load("model.safetensors").predict(["a text"], lfs=["lfs.py", "rules.toml"])

{own}
"""
# Classes of the made-up rows, in words for a language model; and for rows of the user's own.
_PLOTS = {"romance": "a plot about love", "action": "a plot of fights, chases and crime"}
_SAY_WHAT = "TODO: say in a few words what belongs here"
_EVALUATE = "    spear-amal evaluate     # score it on test.csv\n"
_MADE_UP = (
    "`data.csv` holds {rows} made-up plots of films, {labelled} of them with a label (romance or\n"
    "action); `test.csv` holds {test} more, all labelled."
)
_MAKE_IT_YOURS = (
    "To make it yours, begin anew with a table of your own: `spear-amal init NAME --data FILE`."
)
_WRITE_RULES = (
    "The labelling functions there are a mere beginning, one for each class: write what you know,\n"
    "and look at `spear-amal analyze` after every change."
)


def create_project(options: InitOptions) -> None:
    """Write the project into a new or empty folder, wholly or not at all, and say what comes next.

    Raises
    ------
    OutputExistsError
        If the folder holds something, or is a file.
    InputError
        If the table cannot be read, or options about one were given without one.
    """
    write_project(options)
    print_result(f"Project written to {options.folder}. Next:")
    print_result(f"  cd {options.folder}")
    print_result("  spear-amal apply" if options.data or options.llm else "  spear-amal train")
    print_result("README.md there lists the other commands.")


def write_project(options: InitOptions) -> None:
    """Write the project; errors are those of :func:`create_project`."""
    folder = options.folder
    remove_leftovers(folder)  # what a killed command left does not count
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise OutputExistsError(
            f"{folder} already exists and is not an empty folder; choose a new name"
        )
    if options.data:
        table = look_at_table(options)
        print_result(table.summary)
        files = _own_files(table, options)
    else:
        options.refuse_reading("needs a table of your own, name it with --data FILE")
        files = _made_up_files(options)
    _write_all(folder, files)


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


def _made_up_files(options: InitOptions) -> dict[str, Callable[[Path], None]]:
    corpus = synthetic_corpus(n=N_ROWS, n_test=N_TEST)
    about = _MADE_UP.format(rows=N_ROWS - N_TEST, labelled=N_LABELLED, test=N_TEST)
    readme = README.format(about=about, evaluate=_EVALUATE, own=_MAKE_IT_YOURS)
    lfs = resources.files("spear_amal.cli.template").joinpath("lfs.py").read_text(encoding="utf-8")
    return {
        "README.md": _text(readme),
        CliConfig.FILE: _text(settings_file(SETTINGS)),
        **_lf_files(lfs, _PLOTS, options),
        "data.csv": _rows(corpus, "train", N_LABELLED),
        "test.csv": _rows(corpus, "test", N_TEST),
    }


def _own_files(table: OwnTable, options: InitOptions) -> dict[str, Callable[[Path], None]]:
    data = [relative(path, options.folder) for path in table.data]
    about = f"The rows are those of {', '.join(f'`{path}`' for path in data)}.\n"
    own = {
        "data": data[0] if len(data) == 1 else data,
        "text_column": table.text_column,
        "label_column": table.label_column,
    }
    # A column that the settings name must be there; one that they do not may come later.
    without = {"test"} | ({"label_column"} if table.label_column is None else set())
    own |= {n: value for n, value in options.reading().items() if n not in own}
    settings = {name: value for name, value in (SETTINGS | own).items() if name not in without}
    described = dict.fromkeys(project_class_names(table.classes), _SAY_WHAT)
    return {
        "README.md": _text(README.format(about=about, evaluate="", own=_WRITE_RULES)),
        CliConfig.FILE: _text(settings_file(settings)),
        **_lf_files(lfs_file(table.classes), described, options),
    }


def _lf_files(
    lfs: str, classes: Mapping[str, str], options: InitOptions
) -> dict[str, Callable[[Path], None]]:
    """Return the files of LFs: `lfs` is the text of the Python file."""
    text = with_prompted_lf(lfs, classes) if options.llm else lfs
    return {"lfs.py": _text(text), "rules.toml": _text(RULES_HEAD)}


def settings_file(settings: Mapping[str, Any]) -> str:
    """Return the text of a project's spear.toml: every key, and what it is for.

    Parameters
    ----------
    settings : mapping
        Values by key; other keys stand there as comments.
    """
    blocks = [
        "# Settings of `spear-amal`. Flags on the command line go before them, and paths are\n"
        "# relative to this file."
    ]
    for name, value in (SETTINGS | EXAMPLES | dict(settings)).items():
        field = CliConfig.model_fields[name]
        about = f"{field.description}{' May be a list.' if kind_of(field)[1] else ''}"
        note = textwrap.indent(textwrap.fill(about, 88), "# ")
        line = f"{name} = {json.dumps(value, ensure_ascii=False)}"
        blocks.append(f"{note}\n{'' if name in settings else '# '}{line}")
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
