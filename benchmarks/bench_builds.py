"""Training and commands against the build before, and folds and joint learning against peers.

``run.py --against DIR`` names a checkout of the build before, such as one of
``git worktree add ../before COMMIT``. Jobs run by turns, each in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import harness
import machine
from harness import BENCHMARKS, Skip, benchmark, row_of
from workers import TREE, Side, by_turns, row_values

#: Largest part of a score that may differ between two builds: their random streams may.
SCORE_MARGIN = 0.03
MEMORY = 1 / 1.2  # of the build before over ours


def compared(name: str, ours: Side, peer: Side | None, size: str, rounds: int, small: bool) -> Any:
    """One row: both jobs by turns."""
    done = by_turns(ours, peer, 1 if small else rounds, small)
    values = row_values(done)
    _check(values, small)
    row = row_of(BENCHMARKS[name], size, values["ours_s"], values.get("peer_s")) | values
    if peer is not None and peer.tree != TREE:
        row["against"] = machine.commit(peer.tree)
    if values["ours_mb"] and values.get("peer_mb"):
        row["memory_ratio"] = values["peer_mb"] / values["ours_mb"]
    return [row]


def _check(row: dict[str, Any], small: bool) -> None:
    """Raise if a side failed, or if the two do not give the same."""
    ours, peer = row["ours_result"], row.get("peer_result", row["ours_result"])
    if ours.get("failed") or peer.get("failed"):
        raise AssertionError(f"runs of the study failed: ours {ours}, peer {peer}")
    scores = [side["test score"] for side in (ours, peer) if "test score" in side]
    if scores and max(scores) - min(scores) > SCORE_MARGIN and not small:
        raise AssertionError(f"the two sides do not give the same: {ours} and {peer}")


def against(name: str, part: str, times: float, size: str, rounds: int, small: bool) -> Any:
    """One row: a job of this build against that of the build before."""
    tree = harness.BUILD_BEFORE
    if tree is None and BENCHMARKS[name].limit_s is None:
        raise Skip("needs --against DIR, a checkout of the build before")
    peer = None if tree is None else Side(part, tree, times)
    return compared(name, Side(name), peer, size, rounds, small)


def register(name: str, make: Callable[..., Any], peer: str, **goals: Any) -> None:
    """Add a row to the table."""
    benchmark(name, peer=peer, **goals)(make)


def before(name: str, size: str, rounds: int = 3, part: str = "", times: float = 1, **goals: Any):
    """Add a comparison with the build before."""
    goals = {"memory_goal": MEMORY} | goals
    make = partial(against, name, part or name, times, size, rounds)
    register(name, make, "the build before", **goals)


for method, least in (("recommended", 8), ("amal", 4), ("spear", 4)):
    before(f"{method}-plots", "1,129 rows, TF-IDF", goal=least)
    before(f"{method}-imdb", "published files, 1,136 rows", goal=least)
    before(f"{method}-sms", "5,002 rows, MiniLM", goal=least)
before(
    "table-2",
    "IMDB, 20 seeds; before: 4 seeds, times 5",
    rounds=2,
    part="table-2-part",
    times=5,
    goal=6,
    memory_goal=1 / 21,
)
before("demo", "the command, plots", limit_s=15)
before("train-3000", "the command, 8 LFs, recommended", limit_s=5)
before("train-20000", "the command, 8 LFs, recommended", limit_s=20)
for name in ("gold", "mlp", "l2r"):
    before(f"drawn-{name}", "4,000 rows, 12 LFs", memory_goal=None)
for name in ("apply", "label-model", "dawid-skene"):
    before(f"drawn-{name}", "20,000 rows", memory_goal=None)

for name, one, size in (
    ("folds-plots", "amal-plots", "5 folds, epochs as chosen"),
    ("folds-epochs-plots", "one-model-epochs-plots", "5 folds, 40 epochs each"),
):
    make = partial(compared, name, Side(name), Side(one), size, 3)
    register(name, make, "one model, ours", goal=1 / 2, memory_goal=1 / 6)
for network in ("", "-mlp"):
    name = f"joint-learning{network}"
    make = partial(
        compared,
        *(name, Side(name), Side(f"joint-learning-decile{network}")),
        *(f"an epoch, IMDB, {'512-512' if network else 'linear'}, batch 32", 3),
    )
    register(name, make, "decile-spear 1.0.8", goal=None if network else 100)
