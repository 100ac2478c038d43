"""A Lightning module with two losses, a label's and a teacher's, mixed row by row.

You learn to change a LightningModule for AMAL: its training step returns `mixer(losses, rows)`, and
a callback refreshes the mixer, logs its weights and keeps it in checkpoints. The labels of the
digits are wrong on 40% of the training rows; the teacher is a forest that saw the same labels.

Run from the repository root: python examples/21_lightning.py [--small]
"""

import logging
from functools import partial

import lightning.pytorch as pl
import torch
from shared import SMALL
from sklearn.ensemble import RandomForestClassifier
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from spear_amal import LossMixer
from spear_amal.data import load_images
from spear_amal.loop.lightning import MixerCallback
from spear_amal.mixers import Fixed

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # no word about devices
EPOCHS = 20 if SMALL else 60
by_row = partial(cross_entropy, reduction="none")
QUIET = dict.fromkeys(("enable_progress_bar", "enable_model_summary", "logger"), False)


class Student(pl.LightningModule):
    def __init__(self, mixer):
        super().__init__()
        self.mixer = mixer
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

    def row_losses(self, batch):  # numbers of the rows, and a loss by name for each row
        rows, x, y, teacher = batch
        logits = self.network(x)
        return rows, {"label": by_row(logits, y), "teacher": by_row(logits, teacher)}

    def answers(self, batch):
        return self.network(batch[0]), batch[1]

    def training_step(self, batch, _):
        rows, losses = self.row_losses(batch)
        return self.mixer(losses, rows)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.005)


# 1. Training rows are numbered; validation rows, with labels to trust, are not among them.
data = load_images("digits", validation=0.2)
data = data.subset(n_train=401, n_validation=97) if SMALL else data
data = data.with_noise(0.4, seed=0)
train, val, test = (data.take(data.rows(part)) for part in ("train", "validation", "test"))
x, x_val, x_test = (torch.tensor(part.x) / 255 for part in (train, val, test))
forest = RandomForestClassifier(100, oob_score=True, random_state=0)
forest.fit(train.x.reshape(len(train), -1), train.y)
teacher = torch.tensor(forest.oob_decision_function_, dtype=torch.float32)  # trees without the row
rows = TensorDataset(torch.arange(len(x)), x, torch.tensor(train.y), teacher)
held_out = DataLoader(TensorDataset(x_val, torch.tensor(val.y)), batch_size=256)
print(f"{data}\nwrong training labels: {data.noise_rate:.1%}")

# 2. The same student, four ways of weighing the losses. One run each: a throw of dice.
ways = {"label alone": "single", "plain sum": "fixed", "AMAL": "amal-kd"}
for title, name in {**ways, "0.1 and 0.9": Fixed({"label": 0.1, "teacher": 0.9})}.items():
    pl.seed_everything(0, verbose=False)
    student = Student(LossMixer(name, ["label", "teacher"], n_rows=len(x)))
    of_batch = (Student.row_losses, Student.answers)
    mixing = MixerCallback(student.mixer, *of_batch, DataLoader(rows, 256), held_out)
    usual = {"max_epochs": EPOCHS, "accelerator": "cpu", "enable_checkpointing": False, **QUIET}
    trainer = pl.Trainer(callbacks=[mixing], **usual)
    trainer.fit(student, DataLoader(rows, 32, shuffle=True))
    right = (student.network(x_test).argmax(1).numpy() == test.y).mean()
    weights = {name: f"{float(w):.2f}" for name, w in trainer.logged_metrics.items()}
    print(f"{title:12} {right:.3f} on {len(test)} test rows {weights}")
