"""The progress bar on a terminal, in a notebook and in a log file."""

import io
import re
import sys
import types
import warnings

import pytest

from spear_amal import progress
from spear_amal.labeling import LFApplier, labeling_function
from spear_amal.progress import Progress
from spear_amal.training import ProgressBar

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


class Clock:
    """Time that passes when a test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(monotonic=clock))
    return clock


@pytest.fixture
def log(capsys):
    """What was written, in lines; pytest's own stream is no terminal."""
    return lambda: capsys.readouterr().err.splitlines()


@pytest.fixture
def open_terminal(monkeypatch):
    """Put a terminal in the place of standard error; called in the test, after pytest did so."""

    def put(stdout=None):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(sys, "stdout", stdout or stream)
        return stream

    return put


class Shown(list):
    """Texts in the order in which they were shown, and how many places they took."""

    displays = 0


@pytest.fixture
def notebook(monkeypatch):
    """What a cell shows, as it is now and was before."""
    shown = Shown()

    class Handle:
        def update(self, data, raw):
            shown.append(data["text/plain"])

    def display(data, raw, display_id):
        shown.displays += 1
        shown.append(data["text/plain"])
        return Handle()

    fake = types.ModuleType("IPython")
    shell = types.SimpleNamespace(kernel=object(), execution_count=object())  # a cell of its own
    fake.get_ipython = lambda: shell
    fake.display = types.ModuleType("IPython.display")
    fake.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "IPython.display", fake.display)
    return shown


# -- log files ------------------------------------------------------------------------------------


def test_a_log_file_gets_a_line_now_and_then(clock, log):
    with Progress("reading", total=8, log_every=60) as bar:
        for _ in range(8):
            clock.now += 20
            bar.update(note="fine")
    assert log() == [
        "38% reading, fine, 1:40 left",
        "75% reading, fine, 0:40 left",
    ]


def test_what_is_over_soon_leaves_no_line(clock, log):
    with Progress("reading", total=2) as bar:
        clock.now += 59
        bar.update(2)
    assert log() == []


def test_every_step_of_a_study_is_a_line(clock, log):
    with Progress("study", unit="", log_every=0) as bar:
        bar.begin(3, done=1)  # of an earlier run: no line
        for title in ("amal, seed 0", "amal, seed 1"):
            clock.now += 90
            bar.title = title
            bar.update()
    assert log() == ["2/3 amal, seed 0, 1:30 left", "3/3 amal, seed 1"]


# -- notebooks ------------------------------------------------------------------------------------


def test_a_notebook_updates_one_line_without_widgets(clock, notebook, log):
    with warnings.catch_warnings(), Progress("reading", total=4) as bar:
        warnings.simplefilter("error")
        for _ in range(4):
            bar.update(0.5)  # faster than anybody looks
        for note in ("one", "two"):
            clock.now += 10
            bar.update(note=note)
    assert notebook == ["75% reading, one, 0:03 left", "100% reading, two", ""]
    assert log() == []


def test_bars_of_a_cell_share_one_place(clock, notebook):
    """Five folds leave one line, and a bar within another one is a line below it."""
    for fold in (1, 2):
        with Progress(f"fold {fold}", total=1) as bar:
            clock.now += 10
            bar.update()
    with Progress("study", total=2, unit="") as outer:
        clock.now += 10
        outer.update()
        with Progress("training") as inner:
            clock.now += 10
            inner.update()
    assert notebook == [
        *("100% fold 1", "", "100% fold 2", "", "1/2 study, 0:10 left"),
        *("1/2 study, 0:10 left\ntraining", "1/2 study, 0:10 left\ntraining"),
        *("1/2 study, 0:10 left", ""),
    ]
    assert notebook.displays == 1


def test_the_line_goes_where_the_block_fails(notebook):
    with pytest.raises(KeyError), Progress("fetching"):
        raise KeyError
    assert notebook == ["fetching", ""]


def test_what_is_over_at_once_leaves_no_trace_in_a_notebook(clock, notebook):
    with Progress("reading", total=4) as bar:
        bar.update(4)
    assert notebook == []


# -- terminals ------------------------------------------------------------------------------------


def test_a_terminal_gets_a_bar_that_vanishes(open_terminal):
    terminal = open_terminal()
    with Progress("reading [draft]", total=4, unit="epoch") as bar:
        bar.update(3, note="val [0.5]")
    shown = ESCAPES.sub("", terminal.getvalue())
    assert "reading [draft]" in shown and "epoch 3/4" in shown and "val [0.5]" in shown
    assert terminal.getvalue().rstrip().endswith("\x1b[2K"), "the last line was not erased"
    assert progress._Terminal._screen is None


def test_a_bar_within_another_is_a_line_below_it(open_terminal):
    open_terminal()
    with Progress("study", total=2) as outer:
        outer.update()
        screen = progress._Terminal._screen
        with Progress("training", total=5) as inner:
            inner.update(2)
            assert progress._Terminal._screen is screen
            assert [task.description for task in screen.tasks] == ["study", "training"]
        assert [task.description for task in screen.tasks] == ["study"]
    assert progress._Terminal._screen is None


def test_results_for_a_file_reach_it_while_a_bar_is_shown(open_terminal):
    out = io.StringIO()
    open_terminal(stdout=out)
    with Progress("reading", total=4):
        sys.stdout.write("result\n")
    assert out.getvalue() == "result\n"


# -- what uses it ---------------------------------------------------------------------------------


def test_hidden_bars_show_nothing(clock, open_terminal):
    terminal = open_terminal()
    with Progress("reading", total=4, show=False) as bar:
        clock.now += 1e6
        bar.update()
    assert terminal.getvalue() == ""


def test_the_names_that_pooch_wants(log):
    with Progress("fetching") as bar:
        assert bar.total == 0 and bar.count() == ""
        bar.total = 200
        bar.update(50)
        assert (bar.total, bar.done, bar.count()) == (200, 50, "25%")
        bar.reset()
        assert (bar.total, bar.done) == (200, 0)
        bar.close()
        bar.total = 100  # of the next file
        assert bar.done == 0


def test_training_tells_epochs_and_scores(clock, log):
    bar = ProgressBar("amal")
    bar.on_begin(10, 4)
    for epoch in range(4, 6):
        clock.now += 61
        bar.on_epoch(epoch, {"val_score": 0.75} if epoch == 5 else {})
    bar.on_end()
    assert log() == [
        "epoch 5/10 amal, 5:05 left",
        "epoch 6/10 amal, val 0.750, 4:04 left",
    ]


def test_labelling_advances_to_the_end(clock, notebook):
    @labeling_function()
    def short(x):
        clock.now += 1
        return 0 if len(x) < 5 else -1

    LFApplier([short]).apply(["a"] * 7)
    assert notebook == ["100% Labelling", ""]
