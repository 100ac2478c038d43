"""Work in another process: answers as they come, and an end to what takes too long."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO

import pytest

from spear_amal.workbench.fork_source import ForkedProcess
from spear_amal.workbench.killable import (
    KillableWorker,
    SupersededError,
    TimeLimitError,
    WorkerDiedError,
)


@pytest.fixture
def worker(request: pytest.FixtureRequest) -> Iterator[KillableWorker]:
    worker = KillableWorker(request.param)
    yield worker
    worker.close()


def worked_by(handler: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("worker", [handler], indirect=True)


@worked_by("builtins:divmod")
def test_answers_and_errors_come_from_one_warm_process(worker: KillableWorker) -> None:
    assert list(worker.answers(7, 2, seconds=60)) == [3, 1]
    process = worker._process
    with pytest.raises(ZeroDivisionError, match="by zero"):
        list(worker.answers(7, 0, seconds=60))
    assert list(worker.answers(9, 2, seconds=60)) == [4, 1]
    assert worker._process is process


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="no priorities here")
def test_work_that_nobody_waits_for_gives_way() -> None:
    worker = KillableWorker("builtins:divmod", is_urgent=False)
    try:
        worker.start()
        assert worker._process is not None
        pid = worker._process.pid
        usual = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, pid) == max(usual, 10)
        assert list(worker.answers(7, 2, seconds=60)) == [3, 1]
    finally:
        worker.close()


@worked_by("time:sleep")
def test_what_takes_too_long_is_killed_and_the_next_request_is_served(
    worker: KillableWorker,
) -> None:
    worker.start()
    process = worker._process
    assert process is not None
    with pytest.raises(TimeLimitError, match="time limit"):
        list(worker.answers(3600, seconds=0.05))
    assert process.poll() is not None
    with pytest.raises(TypeError):  # that a sleep gives no answers shows that it ended
        list(worker.answers(0, seconds=60))


@worked_by("time:sleep")
def test_what_is_no_longer_wanted_is_killed(worker: KillableWorker) -> None:
    with pytest.raises(SupersededError, match="newer request"):
        list(worker.answers(3600, seconds=60, wanted=lambda: False))


@worked_by("itertools:count")
def test_who_stops_to_listen_ends_the_work(worker: KillableWorker) -> None:
    answers = worker.answers(0, seconds=60)
    assert [next(answers), next(answers)] == [0, 1]
    process = worker._process
    assert process is not None
    answers.close()
    assert process.poll() is not None
    assert next(worker.answers(5, seconds=60)) == 5


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="no forks here")
def test_a_process_that_ends_as_it_is_killed_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pid_file = os.pidfd_open(process.pid)
    ended = ForkedProcess(process.pid, pid_file, BytesIO(), BytesIO())
    monkeypatch.setattr(ended, "poll", lambda: None)  # it ends between this look and the signal
    ended.kill()
    assert ended.wait() == 0


@worked_by("os:_exit")
def test_a_process_that_dies_is_told_from_one_that_answers(worker: KillableWorker) -> None:
    with pytest.raises(WorkerDiedError, match="ended by itself"):
        list(worker.answers(1, seconds=60))


@worked_by("builtins:print")
def test_what_it_prints_goes_nowhere(worker: KillableWorker) -> None:
    with pytest.raises(TypeError):
        list(worker.answers("text", seconds=60))
    with pytest.raises(TypeError):
        list(worker.answers("more", seconds=60))


@worked_by("builtins:divmod")
def test_a_closed_worker_starts_no_process(worker: KillableWorker) -> None:
    worker.close()
    worker.start()
    assert worker._process is None
    with pytest.raises(SupersededError, match="closed"):
        list(worker.answers(7, 2, seconds=60))
