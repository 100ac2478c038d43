"""Training speed of large networks: AMAL and fixed weights against a plain PyTorch loop.

    python benchmarks/gpu.py --json gpu.json                     # on a GPU: a few minutes
    python benchmarks/gpu.py --network encoder --precision bf16
    python benchmarks/gpu.py --device cpu --small                # a quick look

Three networks: ResNet-8 on 32 x 32 images; a text encoder of BERT's base size (110 million
parameters, random weights, 128 tokens a row) with a linear head, as a module of one's own; and the
same one by its name, ``encoder:FOLDER``, on texts of 4 to 128 tokens. The losses are the
cross-entropy to the label and the divergence from a teacher. Per network three ways, by turns:

* ``plain``: a hand-written loop with the same network, losses, optimiser and batch size, data on
  the device, and validation rows after each epoch, as the trainer scores them too;
* ``fixed``: the estimator with fixed weights;
* ``amal``: the estimator with AMAL, one refresh of the weights within the epochs that are timed.

Seconds are those of whole epochs after the first, each of which ends by waiting for the device.
Goals: ``amal/fixed`` and ``fixed/plain``, ratios of samples per second, at least 0.95. *Waits* are
synchronisations of host and GPU per step, counted by torch's own mode for that.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gpu_jobs
import machine
import torch
from gpu_jobs import Job

GOAL = 0.95
WAYS = ("plain", "fixed", "amal")


def main() -> int:
    """Measure and print the table."""
    asked = arguments()
    torch.set_num_threads(asked.threads)
    where = machine.about() | {"device": device_name(asked.device)}
    rows = []
    for name in asked.network:
        job = gpu_jobs.JOBS[name](asked.small, asked.device, asked.precision)
        rows.append(measured(job, asked.repeats) | where)
        if asked.json is not None:
            asked.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    show(rows)
    return 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--network", action="append", choices=sorted(gpu_jobs.JOBS), default=None)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--small", action="store_true", help="small sizes, for a quick look")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="of the host")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    asked.network = asked.network or sorted(gpu_jobs.JOBS)
    return asked


def measured(job: Job, repeats: int) -> dict[str, Any]:
    """One row: samples per second of each way, their ratios, waits per step."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(repeats):  # by turns, so that a busy machine slows all
        for way in WAYS:
            print(f"{job.name}, {way} ...", file=sys.stderr, flush=True)
            seconds[way].append(sum(gpu_jobs.run(job, way)[1:]))  # the first epoch warms up
    samples = (job.epochs - 1) * job.n
    speed = {way: samples / statistics.median(held) for way, held in seconds.items()}
    ratios = {f"{a}/{b}": speed[a] / speed[b] for a, b in (("amal", "fixed"), ("fixed", "plain"))}
    return {
        "benchmark": f"gpu-{job.name}",
        "size": f"{job.parameters / 1e6:.1f}M parameters, {job.n} rows, batches of {job.batch}",
        "precision": job.precision,
        "samples_per_s": speed,
        "seconds": seconds,
        **ratios,
        "met": all(ratio >= GOAL for ratio in ratios.values()),
        "waits_per_step": {way: waits_per_step(job, way) for way in WAYS},
    }


def waits_per_step(job: Job, way: str) -> float | None:
    """Count synchronisations per step; None on a CPU.

    Those of all rows less those of half of them: what happens once per epoch cancels out.
    """
    if not job.device.startswith("cuda"):
        return None
    once, twice = (waits(lambda part=part: gpu_jobs.run(part, way)) for part in job.halves())
    return (twice - once) / (job.n // 2 // job.batch * job.epochs)


def waits(call: Callable[[], Any]) -> int:
    """Count warnings of synchronising calls."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            call()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(one.message) for one in said)


def device_name(device: str) -> str:
    """Name of the GPU, or of the processor."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{machine.processor()}, {torch.get_num_threads()} threads"


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Samples per second on {rows[0]['device']}, {rows[0]['precision']}")
    for name in ("network", "size", *WAYS, "amal/fixed", "fixed/plain", "goal", "waits a step"):
        table.add_column(name, justify="left" if name in ("network", "size") else "right")
    for row in rows:
        held = row["waits_per_step"].values()
        shown = "" if None in held else " / ".join(f"{one:.1f}" for one in held)
        speed = [f"{row['samples_per_s'][way]:,.0f}" for way in WAYS]
        table.add_row(
            *(row["benchmark"], row["size"], *speed),
            *(f"{row['amal/fixed']:.3f}", f"{row['fixed/plain']:.3f}"),
            *(f"≥ {GOAL} {'✓' if row['met'] else '✗'}", shown),
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    sys.exit(main())
