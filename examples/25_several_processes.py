"""Train one model in several processes, each with a part of the rows.

You learn that a script needs one word, distributed="auto", to be started by torchrun, that the
result is that of one process, and that a run which is killed goes on where it was.

Run from the repository root: python examples/25_several_processes.py [--small] [checkpoint file]
or: torchrun --nproc-per-node 2 examples/25_several_processes.py [--small] [checkpoint file]
"""

import os
import sys

import numpy as np
from shared import SMALL

from spear_amal import SpearClassifier, TrainerConfig
from spear_amal.data import synthetic_votes

RANK, WORLD = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
ROWS, EPOCHS = (600, 6) if SMALL else (20_000, 20)

# 1. Every process makes, or reads, the same rows in the same order.
votes, gold = synthetic_votes(ROWS, 8, accuracies=0.7, coverages=0.4, seed=0)
X = np.random.default_rng(0).normal(size=(ROWS, 20))
X[:, :5] += 0.7 * gold[:, None]
y = np.where(np.arange(ROWS) < ROWS // 20, gold, -1)  # gold for one row of twenty

# 2. Alone this is a plain fit. Under torchrun each process trains on its own rows, and holds the
#    weights of these; gradients are summed. With a checkpoint, start the same command again after
#    a process was killed: training goes on after the last epoch that was saved.
checkpoint = next((word for word in sys.argv[1:] if not word.startswith("--")), None)
model = SpearClassifier(
    feature_model="mlp",
    hidden=(64,),
    trainer=TrainerConfig(
        lr=0.01,
        batch_size=64 if SMALL else 256,
        max_epochs=EPOCHS,
        patience=EPOCHS,
        dtype="float64",
        distributed="auto",
        checkpoint=checkpoint,
    ),
)
model.fit(X, y, L=votes)

# 3. Afterwards every process has the whole model and all weights. One of them speaks.
if RANK == 0:
    unlabelled = y < 0
    print(f"{WORLD} process(es), {ROWS} rows")
    print(f"accuracy on rows without a label {model.score(X[unlabelled], gold[unlabelled]):.3f}")
    print(f"mean weight of 'consensus' {model.weights_['consensus'].mean():.4f}")
