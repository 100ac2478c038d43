"""Processes that are asked to end, or whose parent was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spear_amal.cli.errors import exit_code, message
from spear_amal.processes import Terminated, termination_as_interrupt

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def alive(pid):
    """Tell whether a process is there and no zombie."""
    if sys.platform != "linux":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_sigterm_ends_a_block_as_ctrl_c_does_and_then_acts_as_before():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt) as told, termination_as_interrupt():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.sigtimedwait([], 5)
    assert isinstance(told.value, Terminated)
    assert exit_code(told.value) == 143
    assert message(told.value) == "interrupted by SIGTERM; no output is left half written"
    assert exit_code(KeyboardInterrupt()) == 130
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with termination_as_interrupt():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


POOLS = {
    "labelling": """
from spear_amal.labeling.worker_pool import map_in_processes
work = map_in_processes(wait, range(2), 2, str)
list(work)
""",
    "studies": """
from spear_amal.studies.engine import in_parallel
list(in_parallel(2, [(wait, (i,)) for i in range(2)]))
""",
}
WAIT = """
import os, signal, sys, threading
def wait(i):
    import os, threading
    open(f"pid-{os.getpid()}", "w").close()
    threading.Event().wait(600)
def show():
    import glob, time
    while len(glob.glob("pid-*")) < 2: time.sleep(0.02)
    print(*(p[4:] for p in glob.glob("pid-*")), flush=True)
threading.Thread(target=show, daemon=True).start()
from spear_amal.processes import termination_as_interrupt
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda s: s.name)
@pytest.mark.parametrize("pool", POOLS)
def test_workers_end_with_their_parent(tmp_path, pool, how):
    code = WAIT + "with termination_as_interrupt():" + POOLS[pool].replace("\n", "\n    ")
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2 and all(map(alive, workers))
        os.kill(parent.pid, how)
        parent.stdout.read()  # until all that hold its other end are gone: the workers too
    assert not any(map(alive, workers))
