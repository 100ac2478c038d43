"""A user's loop gets AMAL by at most five lines that are new or changed."""

import ast
import difflib
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "20_amal_in_your_own_loop.py"
MOST_LINES = 5


def body(name):
    """Lines of a function of the example, without its name."""
    code = EXAMPLE.read_text(encoding="utf-8")
    (found,) = (n for n in ast.parse(code).body if getattr(n, "name", "") == name)
    return code.splitlines()[found.lineno : found.end_lineno]


def test_the_loops_differ_in_at_most_five_lines():
    marks = [line[:2] for line in difflib.ndiff(body("plain"), body("with_amal"))]
    assert 0 < marks.count("+ ") <= MOST_LINES
    assert marks.count("- ") == 1  # changed, not taken away
    assert "mixer(" in "".join(body("with_amal"))
