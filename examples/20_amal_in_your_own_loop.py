"""A training loop of your own in PyTorch, and the same loop with AMAL: five lines more or changed.

You learn where `LossMixer` goes: made once, with the losses' names and the number of rows; asked
before each epoch whether it wants to learn from rows whose labels you trust; called to put the
losses together, with a weight for each row and loss. 40% of the labels are wrong here, and the
teacher has never seen a 7, 8 or 9. To be fair, the same is shown for the trusted rows trained on
like all others, and for labels without the teacher. No test row chooses anything.

Run from the repository root: python examples/20_amal_in_your_own_loop.py [--small]
"""

import torch
import torch.nn.functional as F
from shared import SMALL
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.utils.data import DataLoader

from spear_amal import LossMixer

EPOCHS, SEEDS = (25, 1) if SMALL else (40, 5)


def row_losses(logits, y, teacher):  # (rows, 2): one value for each row and loss
    imitation = F.kl_div(logits.log_softmax(1), teacher, reduction="none").sum(1)
    return torch.stack([F.cross_entropy(logits, y, reduction="none"), imitation], dim=1)


def plain(x, y, teacher, seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
    optimiser = torch.optim.Adam(model.parameters())
    batches = DataLoader(torch.arange(len(x)), batch_size=64, shuffle=True)
    for epoch in range(EPOCHS):
        optimiser.param_groups[0]["lr"] = 3e-3 * (1 - epoch / EPOCHS)
        for rows in batches:
            loss = row_losses(model(x[rows]), y[rows], teacher[rows]).mean(0).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()


def with_amal(x, y, teacher, seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
    optimiser = torch.optim.Adam(model.parameters())
    batches = DataLoader(torch.arange(len(x)), batch_size=64, shuffle=True)
    mixer = LossMixer("amal-kd", ["label", "teacher"], n_rows=len(x), model=model)
    for epoch in range(EPOCHS):
        optimiser.param_groups[0]["lr"] = 3e-3 * (1 - epoch / EPOCHS)
        if mixer.refresh_due(epoch):
            train = ((r, row_losses(model(x[r]), y[r], teacher[r])) for r in batches)
            mixer.refresh(train, ((model(x), y) for x, y in [trusted]))
        for rows in batches:
            loss = mixer(row_losses(model(x[rows]), y[rows], teacher[rows]), rows)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()


x, gold = (torch.tensor(part) for part in load_digits(return_X_y=True))
x, known = x.float() / 16, torch.where(gold[:400] < 7)[0]
teacher = LogisticRegression(C=10, max_iter=500).fit(x[known], gold[known]).predict_proba(x)
teacher = F.pad(torch.tensor(teacher).float(), (0, 3))
torch.manual_seed(0)
labels = (gold + torch.randint(1, 10, gold.shape) * (torch.rand(gold.shape) < 0.4)) % 10
trusted = x[1100:1200], gold[1100:1200]
sets = x[400:1100], labels[400:1100], teacher[400:1100]
more = [torch.cat(pair) for pair in zip(sets, (*trusted, F.one_hot(trusted[1])), strict=True)]
alone = *sets[:2], F.one_hot(sets[1]).float()  # a teacher that repeats the label
runs = {"plain": (plain, sets), "plain, trusted rows too": (plain, more)}
runs |= {"plain, no teacher": (plain, alone), "AMAL": (with_amal, sets)}
for name, (run, data) in runs.items():
    answers = torch.stack([run(*data, seed)(x[1200:]).argmax(1) for seed in range(SEEDS)])
    scores = (answers == gold[1200:]).double().mean(1)
    print(f"{name:24} {scores.mean():.3f}  ({scores.min():.3f} to {scores.max():.3f})")
