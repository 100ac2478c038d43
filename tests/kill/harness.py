"""Kills commands that write at chosen steps and random moments, and gives them again.

After each kill no process may be left after ten seconds; after the next run of the same command the
folder holds what an undisturbed run leaves there, byte for byte (times aside), and nothing else.

Commands run in forks of a process that has imported everything: a kill costs what its command
costs, and not the seconds of the imports.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kill_cases import COMMANDS, SHARES, USUAL_SHARE, copy_folder, outputs, write_inputs

# Calls of the system that change a folder or a file on disk: a command is killed before and after.
STEPS = ("replace", "fsync", "unlink", "mkdir", "rmdir", "open")
_PATIENCE = 10.0  # seconds after which a process is an orphan
REFUSED = 2  # exit code of a command whose outputs are there already


@dataclass
class Outcome:
    """What became of all kills."""

    kills: Counter[str] = field(default_factory=Counter)
    too_late: int = 0  # the command had ended before its moment came
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        each = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        return (
            f"{self.kills.total()} kills ({each}); {self.too_late} came too late; "
            f"{len(self.faults)} faults\n" + "\n".join(self.faults)
        )


class Workshop:
    """Folders with the inputs, and what an undisturbed run of each command makes of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inputs = root / "inputs"
        self.inputs.mkdir(parents=True)
        write_inputs(self.inputs)
        self.temporary = root / "tmp"
        self.temporary.mkdir()
        for name, made in (
            ("apply", {"votes.npz": "made.npz"}),
            ("train", {"model.safetensors": "made.safetensors"}),
            ("study", {"study.json": "made.json"}),
        ):
            folder = self.fresh("making")
            assert self.run(COMMANDS[name], folder).code == 0, self.log()
            for written, kept in made.items():
                shutil.copy(folder / written, self.inputs / kept)
        self._undisturbed: dict[str, tuple[dict[str, bytes], float, int]] = {}

    def fresh(self, name: str) -> Path:
        """Return a new folder with the inputs."""
        folder = self.root / name
        shutil.rmtree(folder, ignore_errors=True)
        copy_folder(self.inputs, folder)
        return folder

    def undisturbed(self, case: str) -> tuple[dict[str, bytes], float, int]:
        """Return the outputs of a case, the seconds that it takes, and the number of its steps."""
        if case not in self._undisturbed:
            folder = self.fresh("undisturbed")
            began = time.monotonic()
            ended = self.run(COMMANDS[case], folder, before=counting(self.root / "steps"))
            seconds = time.monotonic() - began
            assert ended.code == 0, self.log()
            steps = (self.root / "steps").stat().st_size
            self._undisturbed[case] = outputs(folder), seconds, steps
        return self._undisturbed[case]

    def log(self) -> str:
        """Return what the last command printed."""
        return (self.root / "log").read_text(encoding="utf-8", errors="replace")

    def start(self, command: tuple[str, ...], folder: Path, before: Callable[[], None]) -> int:
        """Start a command in a fork, as the leader of a session of its own; return its number."""
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _become(command, folder, self.temporary, self.root / "log", before)
        return pid

    def run(
        self, command: tuple[str, ...], folder: Path, before: Callable[[], None] = lambda: None
    ) -> Ended:
        """Run a command to its end."""
        return wait(self.start(command, folder, before))


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, negative for a signal."""

    code: int


def wait(pid: int) -> Ended:
    """Wait for a process, and for those that it started."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Ended(code)


def _become(
    command: tuple[str, ...], folder: Path, temporary: Path, log: Path, before: Callable[[], None]
) -> None:
    """Turn this fork into the command; never returns."""
    code = 70
    try:
        os.setsid()
        with open(log, "wb", buffering=0) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.chdir(folder)
        os.environ.update(TMPDIR=str(temporary), SPEAR_AMAL_CACHE=str(folder / "none"))
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(log.with_name("inductor"))
        os.environ.pop("SPEAR_AMAL_DATA", None)
        tempfile.tempdir = None
        from spear_amal.cli.app import app
        from spear_amal.io import leftovers

        leftovers._swept.clear()
        before()
        try:
            code = int(app(list(command), standalone_mode=False) or 0)
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException as error:
            code = int(getattr(error, "exit_code", 1))
            traceback.print_exception(error)
        sys.stdout.flush()
        sys.stderr.flush()
        _end_pools()
    finally:
        os._exit(code)


def _end_pools() -> None:
    """End idle processes of pools, as the end of an interpreter does."""
    from joblib.externals.loky import reusable_executor

    executor = reusable_executor._executor
    if executor is not None:
        executor.shutdown(wait=True, kill_workers=True)


# -- steps ----------------------------------------------------------------------------------------


def stepping(act: Callable[[], None]) -> None:
    """Call `act` before and after each call that changes files, in this process from now on."""
    for name in STEPS:
        original = getattr(os, name)

        def step(*arguments, _original=original, _name=name, **further):
            changes = _name != "open" or (len(arguments) > 1 and arguments[1] & os.O_CREAT)
            if changes:
                act()
            result = _original(*arguments, **further)
            if changes:
                act()
            return result

        setattr(os, name, step)


def counting(path: Path) -> Callable[[], None]:
    """Return what writes one byte for each step."""

    def begin() -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        stepping(lambda: os.write(file, b"."))

    return begin


def killing_at(number: int) -> Callable[[], None]:
    """Return what kills the process at step `number`."""
    left = [number]

    def act() -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return lambda: stepping(act)


# -- processes ------------------------------------------------------------------------------------


def of_session(leader: int) -> list[int]:
    """Return the processes of a session that are alive."""
    alive = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] not in "ZX":
                alive.append(int(stat.parent.name))
    return alive


def orphans(leader: int) -> list[int]:
    """Return the processes of a session that live on; they have ten seconds to end."""
    until = time.monotonic() + _PATIENCE
    while (alive := of_session(leader)) and time.monotonic() < until:
        time.sleep(0.05)
    return alive


# -- kills ----------------------------------------------------------------------------------------


def moments(workshop: Workshop, case: str, n: int, chance: random.Random) -> Iterator[tuple]:
    """Draw n moments: ("step", number), or a signal after some seconds."""
    _, seconds, steps = workshop.undisturbed(case)
    for i in range(n):
        if i % 2 == 0 and steps:
            yield "step", chance.randrange(steps)
        else:
            yield chance.choice(("SIGKILL", "SIGKILL", "SIGTERM")), chance.uniform(0, seconds)


def kill_once(workshop: Workshop, case: str, how: str, when: float, outcome: Outcome) -> None:
    """Kill a command at a moment, look for what it left, give it again and compare."""
    expected, _, _ = workshop.undisturbed(case)
    where = f"{case}, {how} {when:.3f}"
    folder = workshop.fresh("killed")
    if how == "step":
        pid = workshop.start(COMMANDS[case], folder, killing_at(int(when)))
        ended = wait(pid)
    else:
        pid = workshop.start(COMMANDS[case], folder, lambda: None)
        time.sleep(when)
        with suppress(ProcessLookupError):
            os.kill(pid, getattr(signal, how))
        ended = wait(pid)
    if ended.code == 0:
        outcome.too_late += 1
    outcome.kills[case] += 1
    if how == "SIGTERM" and ended.code not in (0, 143, -15):
        outcome.faults.append(f"{where}: exit code {ended.code}: {workshop.log()[-300:]}")
    if left := orphans(pid):
        outcome.faults.append(f"{where}: processes {left} live on")
        for number in left:
            os.kill(number, signal.SIGKILL)
    left_there = outputs(folder)
    complete = all(left_there.get(name) == content for name, content in expected.items())
    again = workshop.run(COMMANDS[case], folder)
    if again.code != 0 and not (again.code == REFUSED and complete):
        outcome.faults.append(f"{where}: the next run ends with {again.code}: {workshop.log()}")
        return
    found = outputs(folder)
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            kind = "litter" if name not in expected else "missing" if name not in found else "other"
            outcome.faults.append(f"{where}: {name}: {kind}")
    known = {part for name in expected for part in Path(name).parts}  # a cache, for one
    folders = {p.name for p in folder.rglob(".*")} - known
    litter = sorted(folders | {p.name for p in workshop.temporary.iterdir()})
    if litter:
        outcome.faults.append(f"{where}: litter {litter}")
        shutil.rmtree(workshop.temporary)
        workshop.temporary.mkdir()


def campaign(
    root: Path, kills: int, seed: int, cases: list[str], show=lambda text: None
) -> Outcome:
    """Kill commands `kills` times altogether, slow ones less often."""
    workshop, outcome, chance = Workshop(root), Outcome(), random.Random(seed)
    shares = {case: SHARES.get(case, USUAL_SHARE) for case in cases}
    for i, case in enumerate(cases):
        n = kills * shares[case] // sum(shares.values())
        n += i < kills - sum(kills * s // sum(shares.values()) for s in shares.values())
        began = time.monotonic()
        for how, when in moments(workshop, case, n, chance):
            kill_once(workshop, case, how, when, outcome)
        _, seconds, steps = workshop.undisturbed(case)
        show(
            f"{case}: {n} kills in {time.monotonic() - began:.0f} s (alone {seconds:.1f} s, "
            f"{steps} steps), faults so far: {len(outcome.faults)}"
        )
    return outcome


def warm_up() -> None:
    """Import what commands import, with one thread, so that forks are safe and quick."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    import matplotlib.pyplot

    from spear_amal.cli import apply, demo, distill, predict, study, teacher_outputs, train

    assert all((apply, demo, distill, predict, study, teacher_outputs, train, matplotlib))
    import torch._dynamo  # by the first optimiser, and it takes seconds
