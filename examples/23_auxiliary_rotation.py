"""Few labels, many images: let the network also learn by which angle images are turned.

You learn to train a network on a label and an auxiliary task. Rotation comes for free from any
square image, labelled or not; whether it helps the label is the mixer's business. A second task is
there to be found out: the same turned images with targets that say nothing. Then you read how much
each mixer let either task count, for the whole network or for each of its modules.

Run from the repository root: python examples/23_auxiliary_rotation.py [--small]
"""

import numpy as np
import pandas as pd
from shared import SMALL

from spear_amal import AuxiliaryClassifier, TrainerConfig
from spear_amal.data import load_images

LABELS, EPOCHS = (53, 3) if SMALL else (100, 30)
MIXERS = {
    "single": {},  # the label alone
    "fixed": {},  # the plain sum
    "gcs": {},  # a task counts as far as its gradient agrees with the label's
    "maoal": {"every": 5},  # weights per module of the network, learnt on V
    "amal": {"refresh_every": 10},  # weights per image, learnt on V
}
MIXERS = {name: MIXERS[name] for name in ("single", "gcs", "maoal")} if SMALL else MIXERS

# 1. Images of digits that scikit-learn brings along; most training labels are taken away.
data = load_images("digits", validation=0.2)
data = data.subset(n_train=211, n_validation=53) if SMALL else data
train, val, test = (data.take(data.rows(part)) for part in ("train", "validation", "test"))
hidden = np.random.default_rng(0).permutation(len(train))[LABELS:]
y = train.y.copy()
y[hidden] = -1  # the task speaks on these rows as well
print(f"{data}\n{LABELS} labelled images, {len(hidden)} others\n")


# 2. One network, the same start and the same batches; what differs is who weighs the losses.
def fit(mixer, task):
    model = AuxiliaryClassifier(
        "convnet4",
        [task],
        mixer=mixer,
        mixer_options=MIXERS[mixer],
        trainer=TrainerConfig(max_epochs=EPOCHS, lr=0.002),
    )
    return model.fit(train.x, y, X_val=val.x, y_val=val.y)


rows, models = [], {}
for task in ("rotation", "rotation-shuffled"):
    for mixer in MIXERS:
        model = models[mixer, task] = fit(mixer, task)
        last = model.history_.iloc[-1]
        rows.append(
            {
                "task": task,
                "mixer": mixer,
                "test accuracy": f"{model.score(test.x, test.y):.3f}",
                "weight of the task": f"{last.get(f'weight/{task}', 1.0):.2f}",
                "its loss (chance: 1.39)": f"{last[f'loss/{task}']:.2f}",
            }
        )
print(pd.DataFrame(rows).to_string(index=False))

# 3. MAOAL's weights by module, from the images to the label: is the task good for early layers?
for task in ("rotation", "rotation-shuffled"):
    modules = models["maoal", task].history_.filter(like="module/").iloc[-1]
    modules.index = modules.index.str.rsplit("network.").str[-1]
    print(f"\n{task} by module: " + ", ".join(f"{m} {w:.2f}" for m, w in modules.items()))
