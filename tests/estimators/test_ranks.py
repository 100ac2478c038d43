"""Two processes that torchrun starts train what one trains, each with half of the rows."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from spear_amal import RuleModelConfig, SpearClassifier, TrainerConfig
from spear_amal.distributed.shard import Shard
from spear_amal.errors import FileFormatError, SpearAmalError
from spear_amal.estimators import DistilledClassifier
from spear_amal.teachers import ArrayTeacher
from spear_amal.training.table import DENSE_WIDTH

pytestmark = pytest.mark.slow
WORLD = 2
N, M = 83, 3
SEED = np.random.default_rng(7)
CENTRES = np.repeat([0, 1], [40, N - 40])
X = SEED.normal(size=(N, 5)) + 1.5 * CENTRES[:, None]
Y = np.where(SEED.random(N) < 0.4, CENTRES, -1)
GUESS = np.where(SEED.random((N, M)) < 0.3, 1 - CENTRES[:, None], CENTRES[:, None])
VOTES = np.where(SEED.random((N, M)) < 0.5, GUESS, -1)
VOTES[:, 0] = np.where(VOTES[:, 0] == 0, -1, VOTES[:, 0])
WIDE = sp.csr_array(
    np.pad(np.where(SEED.random((N, 30)) < 0.2, 1.0, 0.0), ((0, 0), (0, DENSE_WIDTH)))
)
TEACHER = 2 * SEED.normal(size=(N, 2)) + np.eye(2)[CENTRES]
TEACHER[::5] = np.nan
# Refreshed often, in groups of which one process may have few rows.
LEARNT = {"warmup": 1, "refresh_every": 2, "group_size": 31, "weight_lr": 1.0}
USUAL = {
    "max_epochs": 4,
    "batch_size": 7,
    "dtype": "float64",
    "guard": False,
    "keep_uncovered": True,
}


def amal(**options):
    return {"mixer": "amal", "mixer_options": {**LEARNT, **options}}


SPEAR = {
    "fixed, sparse": {"mixer": "fixed"},
    "amal, sparse": amal(),
    "row, mlp": amal(weight_sharing="row") | {"feature_model": "mlp", "hidden": (11,)},
    "one row a batch": amal(normalise="none", eta_lambda=3.0) | {"batch_size": 1, "max_epochs": 2},
    "rules too": amal(outer="feature+rules", normalise="max-abs", group_size=None, weight_lr=0.05),
    "whole network": amal(look_ahead="network", normalise="l2", weight_sharing="loss")
    | {"feature_model": "mlp", "hidden": (11,)},
    "few losses": amal() | {"losses": (1, 3)},
    "uncertainty": {"mixer": "uncertainty"},
    "refit": amal() | {"fit_strategy": "refit"},
    "mean weights": amal()
    | {"fit_strategy": "crossfit-weights", "n_folds": 2, "validation": "split"},
}
SGD = {"optimiser": "sgd", "lr": 0.05}
KD = {
    "kd": {"mixer": "kd"},
    "alm-kd": {"mixer": "alm-kd", "mixer_options": LEARNT} | SGD,
    "amal for kd": amal() | SGD,
    "superloss": {"mixer": "superloss", "mixer_options": {"tau": "mean"}},
}

KILLED = "amal, sparse"
ERRORS = {
    "mixer": "GradientCosine compares or draws among rows",
    "batch norm": "batch statistics ('feature.",
    "data": "were given other data or settings than process",
    "processes": "is a checkpoint of 1 processes, these are 2",
}


def fit(name, **more):
    """Parameters, weights and the course of one fit."""
    if name in SPEAR:
        model = SpearClassifier.from_options(**USUAL | SPEAR[name] | more)
        model.fit(WIDE if "sparse" in name else X, Y, L=VOTES)
    else:
        model = DistilledClassifier.from_options(
            "mlp:11", [ArrayTeacher(TEACHER, silent=True)], **USUAL | KD[name] | more
        ).fit(X, Y)
    found = {
        f"{i}.{k}": v for i, one in enumerate(model.models_) for k, v in one.state_dict().items()
    }
    numbers = model.history_.drop(columns="seconds").select_dtypes("number")
    frames = {"weights": model.weights_, "history": numbers}
    return found | {key: torch.as_tensor(np.array(frame, float)) for key, frame in frames.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def ranks(folder):
    """What the processes found; one launch for all, as starting takes longer than training."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(WORLD), "--max-restarts", "1", __file__, str(folder)]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    try:
        said = running.communicate(timeout=240)[1]
    finally:
        running.terminate()  # it then ends its processes
        running.wait(60)
    assert running.returncode == 0, said
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORLD)]


@pytest.mark.parametrize("name", [*SPEAR, *KD])
def test_two_processes_train_what_one_trains(ranks, name):
    expected = fit(name)
    for found in ranks:
        assert set(found[name]) == set(expected)
        for key, value in expected.items():
            torch.testing.assert_close(
                found[name][key], value, rtol=1e-6, atol=1e-6, equal_nan=True
            )


def test_a_killed_run_goes_on_to_the_same_bits(ranks):
    for found in ranks:
        again = found["killed"]
        for key, value in found[KILLED].items():
            assert torch.equal(value.nan_to_num(7), again[key].nan_to_num(7)), key


def test_parts_of_older_epochs_are_removed(ranks, folder):
    parts = sorted(path.name for path in folder.glob("run-epoch*"))
    assert parts == [f"run-epoch4-rank{rank}.ckpt" for rank in range(WORLD)]


def test_one_process_refuses_the_checkpoint_of_two(ranks, folder):
    with pytest.raises(FileFormatError, match="of 2 processes, these are 1"):
        fit(KILLED, checkpoint=folder / "run.ckpt")


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_spread_is_said(ranks, case):
    for found in ranks:
        assert ERRORS[case] in found["errors"][case]


# -- in the processes -----------------------------------------------------------------------------


def killed(rank, folder, again):
    """Be killed in the first attempt: all parts of an epoch are there, but not what names them."""
    path, seen, wait = Path(folder, "run.ckpt"), [], Shard.wait
    assert path.exists() == again

    def wait_or_die(shard):
        seen.append(shard)
        if rank == 1 and len(seen) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        wait(shard)

    if not again:
        Shard.wait = wait_or_die
    return fit(KILLED, checkpoint=path, distributed="auto")


def said(attempt):
    try:
        attempt()
    except SpearAmalError as error:
        return str(error)
    return "nothing"


def errors(rank, folder):
    alone, both = f"{folder}/alone{rank}.ckpt", f"{folder}/alone0.ckpt"
    fit("kd", checkpoint=alone, max_epochs=1)
    other = np.where(np.arange(N) == rank, 1, Y)
    norm = {"max_epochs": 1, "distributed": "auto", "optimiser": "sgd"}
    images = SEED.integers(0, 255, (N, 1, 8, 8), dtype=np.uint8)
    return {
        "mixer": said(lambda: fit("fixed, sparse", mixer="gcs", distributed="auto")),
        "batch norm": said(
            lambda: DistilledClassifier.from_options("resnet8", **norm).fit(images, Y)
        ),
        "data": said(
            lambda: SpearClassifier(
                trainer=TrainerConfig(distributed="auto"), rule_model=RuleModelConfig(guard=False)
            ).fit(X, other, L=VOTES)
        ),
        "processes": said(lambda: fit("kd", checkpoint=both, max_epochs=1, distributed="auto")),
    }


def work(folder):
    rank, attempt = int(os.environ["RANK"]), int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    found = {"killed": killed(rank, folder, again=attempt > 0)}
    found |= {name: fit(name, distributed="auto") for name in [*SPEAR, *KD]}
    found["errors"] = errors(rank, folder)
    torch.save(found, f"{folder}/{rank}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    work(sys.argv[1])
