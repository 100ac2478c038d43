"""Several checkpoints of one run as teachers; then a coreset drawn by the weights of the rows.

You learn two uses of one training run. Its states after a few epochs know less but are easier to
follow: `keep_epochs` keeps them, `early_stopped` makes a teacher of each, and AMAL or ALM-KD weighs
them row by row. The weights also say which rows are worth keeping: drawn by Gumbel top-k, a fifth
of the rows trains a student anew, from labels alone.

Run from the repository root: python examples/19_early_stopped_and_coreset.py [--small]
"""

import numpy as np
from shared import SMALL

from spear_amal.data import load_images
from spear_amal.estimators import distiller
from spear_amal.maths.sampling import STRATEGIES, coreset_probabilities, gumbel_top_k
from spear_amal.teachers import early_stopped

TEACHER, STUDENT = ("mlp:64", "mlp:16") if SMALL else ("convnet", "mlp:32")
KEPT, EPOCHS = ((2, 4, 6), 25) if SMALL else ((2, 5, 15, 40), 100)
SHARE, DRAWS = (0.5, 2) if SMALL else (0.2, 5)  # size of a coreset; how many are drawn

data = load_images("digits", validation=0.2)
data = data.subset(n_train=211, n_validation=53) if SMALL else data
data = data.with_noise(0.2, seed=0)  # a fifth of the training labels are wrong
train, val, test = (data.take(data.rows(part)) for part in ("train", "validation", "test"))
clean = {"X_val": val.x, "y_val": val.y}


def fit(method, network, teachers=(), rows=slice(None), **parameters):
    model = distiller(method, network, teachers, **{"lr": 0.01, "max_epochs": EPOCHS} | parameters)
    return model.fit(train.x[rows], train.y[rows], **clean)


# 1. One run of the teacher, kept at several epochs.
teacher = fit("ce", TEACHER, lr=0.002, max_epochs=max(KEPT), keep_epochs=KEPT)
teachers = early_stopped(teacher.snapshots_, name=TEACHER)
print(f"{'teachers':38}{'test':>6}")
for one in teachers:
    right = one.logits(test.x).argmax(1) == test.y
    print(f"{one.name:38}{right.mean():6.3f}")

# 2. Students: labels alone, the last teacher alone, all of them.
print(f"\n{'students':38}{'test':>6}")
students = {"labels alone": fit("ce", STUDENT)}
for method in ("kd", "amal", "alm-kd"):
    students[f"{method}, last teacher"] = fit(method, STUDENT, teachers[-1:])
    students[f"{method}, all {len(KEPT)} early-stopped teachers"] = fit(method, STUDENT, teachers)
for name, model in students.items():
    print(f"{name:38}{model.score(test.x, test.y):6.3f}")

# 3. Coresets by AMAL's weights of label and last teacher; random rows to compare with.
weights = students["amal, last teacher"].weights_.iloc[: len(train)]
k = round(SHARE * len(train))
print(f"\n{f'labels alone, {k} of {len(train)} rows':38}{'test':>6}{'wrong labels':>14}")
for strategy in ("random", *STRATEGIES):
    odds = np.ones(len(train))
    if strategy != "random":
        odds = coreset_probabilities(weights["label"], weights["teacher"], strategy)
    drawn = [gumbel_top_k(odds, k, random_state=seed) for seed in range(DRAWS)]
    score = np.mean([fit("ce", STUDENT, rows=rows).score(test.x, test.y) for rows in drawn])
    noise = np.mean([train.noisy[rows].mean() for rows in drawn])
    print(f"{strategy:38}{score:6.3f}{noise:14.1%}")
