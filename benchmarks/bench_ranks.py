"""Two processes that train one model against one: seconds per epoch, and bytes that are sent.

torchrun starts this file. Process 0 trains alone while the other waits, then both train together,
by turns.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness import BENCHMARKS, benchmark, row_of

WORLD, CLASSES, LFS, FEATURES = 2, 6, 20, 1024
EPOCHS, BATCH = 5, 256


@benchmark("ranks-step", peer="one process")
def ranks(small: bool) -> list[dict[str, Any]]:
    """An epoch of AMAL on an MLP, a refresh before every second one, one thread each."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc-per-node", str(WORLD), __file__, str(answer), str(int(small))]
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        found = json.loads(answer.read_text(encoding="utf-8"))
    row = row_of(BENCHMARKS["ranks-step"], found["size"], found["ours_s"], found["peer_s"])
    return [row | {"bytes": found["bytes"]}]


def work(answer: Path, small: bool) -> None:
    """Train by turns in one of the processes; process 0 writes what it found."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    data, seconds = made(small), {"one": [], "two": []}
    models = {}
    for _ in range(1 if small else 3):
        if dist.get_rank() == 0:
            models["one"] = fit(data, None)
        dist.barrier()
        models["two"] = fit(data, "auto")
        for name in models:
            seconds[name] += models[name].history_["seconds"].tolist()[1:]  # the first warms up
    if dist.get_rank() == 0:
        check(models)
    sent = counted(data)
    if dist.get_rank() == 0:
        found = {
            "size": f"{len(data[1]):,} rows, batch {BATCH}, MLP {FEATURES}-512-512-{CLASSES}",
            "ours_s": statistics.median(seconds["two"]),
            "peer_s": statistics.median(seconds["one"]),
            "bytes": sent,
        }
        answer.write_text(json.dumps(found), encoding="utf-8")
    dist.barrier()
    dist.destroy_process_group()


def made(small: bool) -> tuple[Any, Any, Any]:
    """Features, labels and votes."""
    import numpy as np

    from spear_amal.data import synthetic_votes

    n = 1024 if small else 8192
    votes, gold = synthetic_votes(n, LFS, CLASSES, accuracies=0.7, coverages=0.2, seed=0)
    centres = np.random.default_rng(1).normal(size=(CLASSES, FEATURES))
    x = np.random.default_rng(0).normal(size=(n, FEATURES)) + 0.2 * centres[gold]
    return x, np.where(np.arange(n) < 200, gold, -1), votes


def fit(data: tuple[Any, Any, Any], ranks: str | None, epochs: int = EPOCHS) -> Any:
    """Train; a refresh goes before the second and the fourth epoch."""
    from spear_amal import RuleModelConfig, SpearClassifier, TrainerConfig

    x, y, votes = data
    model = SpearClassifier(
        feature_model="mlp",
        mixer_options={"warmup": 1, "refresh_every": 2},
        trainer=TrainerConfig(
            batch_size=BATCH, max_epochs=epochs, patience=epochs, distributed=ranks
        ),
        rule_model=RuleModelConfig(keep_uncovered=True),
    )
    return model.fit(x, y, L=votes)


def check(models: dict[str, Any]) -> None:
    """Raise unless both found the same, to the precision of float32."""
    import numpy as np

    one, two = models["one"], models["two"]
    np.testing.assert_allclose(one.weights_, two.weights_, atol=1e-3)
    assert one.best_epoch_ == two.best_epoch_


def counted(data: tuple[Any, Any, Any]) -> dict[str, Any]:
    """Bytes that one process hands over: in a step, in a refresh, and what formulas say."""
    import torch.distributed as dist

    from spear_amal.training import objective
    from spear_amal.training.trainer import Trainer

    sent, now = dict.fromkeys(("gradients", "step", "refresh", "other"), 0), ["other"]

    def counting(send: Any, which: int) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            part = "gradients" if options.get("async_op") else now[0]
            sent[part] += args[which].nbytes
            return send(*args, **options)

        return call

    def during(part: str, method: Any) -> Any:
        def call(*args: Any) -> Any:
            now[0] = part
            try:
                return method(*args)
            finally:
                now[0] = "other"

        return call

    changes = [
        (dist, "all_reduce", counting(dist.all_reduce, 0)),
        (dist, "all_gather", counting(dist.all_gather, 1)),
        (Trainer, "_train_batch", during("step", Trainer._train_batch)),
        (Trainer, "_refresh", during("refresh", Trainer._refresh)),
        (objective, "DistributedDataParallel", hooked_ddp()),
    ]
    before = [getattr(where, name) for where, name, _ in changes]
    for where, name, changed in changes:
        setattr(where, name, changed)
    model = fit(data, "auto", epochs=2)  # one refresh
    for (where, name, _), old in zip(changes, before, strict=True):
        setattr(where, name, old)
    trained = int(model.weights_.notna().any(axis=1).sum())
    n_steps = 2 * -(-trained // BATCH)
    return {
        "gradients_per_step": sent["gradients"] / n_steps,
        "gradients_formula": 4 * sum(p.numel() for p in model.models_[0].parameters()),
        "others_per_step": sent["step"] / n_steps,
        "others_formula": 8 * len(model.weights_.columns),
        "per_refresh": sent["refresh"],
        "groups_per_refresh": -(-trained // 1024),
    }


def hooked_ddp() -> Any:
    """Make a DistributedDataParallel that sends its gradients by ``dist.all_reduce``."""
    from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
    from torch.nn.parallel import DistributedDataParallel

    class Hooked(DistributedDataParallel):
        @functools.wraps(DistributedDataParallel.__init__)  # its arguments are looked at
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.register_comm_hook(None, allreduce_hook)

    return Hooked


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2] == "1")
