"""Distil a convolutional network into a small one, from labels of which 40% are wrong.

You learn to train teacher and student, to compare ways of weighing label and teacher on the same
rows, and to read the weights: AMAL trusts the label where it is right. Which labels are wrong is
known here, as they were made wrong on purpose: it is looked at in the last step only.

Run from the repository root: python examples/16_distill_digits.py [--small]
"""

import pandas as pd
from shared import SMALL
from sklearn.metrics import roc_auc_score

from spear_amal.data import load_images
from spear_amal.estimators import distiller
from spear_amal.models import n_parameters

NOISE = 0.4
TEACHER, STUDENT = ("mlp:64", "mlp:16") if SMALL else ("convnet", "mlp:32")
TEACHER_EPOCHS, EPOCHS = (5, 25) if SMALL else (40, 150)

# 1. Images of digits that scikit-learn brings along; only training labels become noisy.
data = load_images("digits", validation=0.2)
data = data.subset(n_train=211, n_validation=53) if SMALL else data
data = data.with_noise(NOISE, seed=0)
train, val, test = (data.take(data.rows(part)) for part in ("train", "validation", "test"))
print(f"{data}\nwrong training labels: {data.noise_rate:.1%}\n")
clean = {"X_val": val.x, "y_val": val.y}

# 2. The teacher learns from the same noisy labels.
teacher = distiller("ce", TEACHER, max_epochs=TEACHER_EPOCHS, lr=0.002)
teacher.fit(train.x, train.y, **clean)

# 3. Students: the same network, the same teacher, other weights.
rows, students = [("teacher", TEACHER, teacher)], {}
for method in ("ce", "kd", "superloss", "alm-kd", "amal"):
    students[method] = distiller(method, STUDENT, [teacher], max_epochs=EPOCHS, lr=0.01)
    students[method].fit(train.x, train.y, **clean)
    rows.append((method, STUDENT, students[method]))

# 4. Only now the test rows. On V a student flatters itself if its weights were learnt there.
table = [
    {
        "method": name,
        "network": network,
        "parameters": n_parameters(model.models_[0].feature),
        "test accuracy": f"{model.score(test.x, test.y):.3f}",
        "on V": f"{model.val_score_:.3f}",
    }
    for name, network, model in rows
]
print(pd.DataFrame(table).to_string(index=False))

# 5. What AMAL found out about the labels: weights by row, training rows first.
weights = students["amal"].weights_.iloc[: len(train)]
print("\nAMAL's mean weights:")
print(weights.groupby(pd.Series(train.noisy, name="label is wrong")).mean().round(3).to_string())
for method in ("alm-kd", "amal"):
    weights = students[method].weights_.iloc[: len(train)]
    told = roc_auc_score(train.noisy, weights["teacher"] - weights["label"])
    print(f"{method} tells wrong labels by the difference of its weights: AUC {told:.3f}")
