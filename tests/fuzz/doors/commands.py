"""The command line: odd flags, settings and files end in one message and a code, never a fault."""

import contextlib
import io
import os
import sys

from hypothesis import strategies as st
from registry import door
from values import mutated, table_bytes, texts

from doors.files import whole
from spear_amal.cli import main

TEXTS = st.one_of(
    st.sampled_from(
        ["t.csv", "model", "lfs.py", "votes.npz", ".", "none", "", "-1", "0", "1e9", "x"]
    ),
    texts,
)
FLAGS = {
    "apply": [
        "--data",
        "--lfs",
        "--output",
        "--text-column",
        "--label-column",
        "--jobs",
        "--force",
    ],
    "analyze": ["--labels", "--votes", "--data", "--output", "--label-column"],
    "predict": ["--model", "--data", "--output", "--lfs", "--force"],
    "evaluate": ["--model", "--data", "--lfs", "--label-column"],
    "train": ["--data", "--lfs", "--method", "--output", "--metric", "--seed", "--text-column"],
    "init": [],
    "study": ["--methods", "--seeds", "--output"],
    "distill": ["--student", "--teacher", "--method", "--temperature"],
    "--version": [],
}
LFS = """
from spear_amal.labeling import keyword_lf
lfs = [keyword_lf("spam", ["free", "spam"], "spam"), keyword_lf("ham", ["you", "ham"], "ham")]
classes = ["ham", "spam"]
"""
SETTINGS = b"""
data = ["t.csv"]
lfs = "lfs.py"
text_column = "text"
label_column = "label"
max_epochs = 1
method = "spear"
output = "model.safetensors"
"""


@contextlib.contextmanager
def inside(folder):
    """Work in a folder, without a terminal."""
    before, argv = os.getcwd(), sys.argv
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            yield out
    finally:
        os.chdir(before)
        sys.argv = argv


def call(arguments):
    """Run the command line in this process; check its code."""
    try:
        main(arguments)
    except SystemExit as end:
        code = end.code
    else:
        code = 0
    return code


@door("cli.main")
def commands(draw, folder):
    content = table_bytes(draw)
    if draw(st.booleans()):
        content = (
            b"text,label\nfree spam,spam\nsee you,ham\nham you,\nspam,spam\nyou,ham\nfree,spam\n"
        )
    (folder / "t.csv").write_bytes(content)
    (folder / "lfs.py").write_text(LFS)
    (folder / "votes.npz").write_bytes((whole() / "votes.npz").read_bytes())
    (folder / "model").write_bytes((whole() / "text.safetensors").read_bytes())
    settings = mutated(draw, SETTINGS) if draw(st.integers(0, 2)) == 0 else SETTINGS
    (folder / "spear.toml").write_bytes(settings)
    command = draw(st.sampled_from(sorted(FLAGS)))
    arguments = [command]
    for flag in draw(st.lists(st.sampled_from([*FLAGS[command], "--help", "--odd"]), max_size=3)):
        arguments += [flag] if flag in ("--force", "--help") else [flag, draw(TEXTS)]
    if command in ("init", "study") or draw(st.integers(0, 6)) == 0:
        arguments.append(draw(TEXTS))
    with inside(folder) as out:
        code = call(arguments)
    assert code in (0, 2, 3), f"{arguments} ended with {code}: {out.getvalue()[-600:]}"
    assert "Traceback" not in out.getvalue()
