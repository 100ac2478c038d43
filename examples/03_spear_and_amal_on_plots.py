"""From LFs and a few gold labels to a classifier: SPEAR and AMAL on movie plots, step by step.

You learn how rows are divided (few with gold, many without, some for validation, test rows that
only the last step opens), what each method is given, and how to compare them fairly. AMAL learns
from the gold of the validation rows too, so the fair rival without rules is "gold of L and V".

Run from the repository root: python examples/03_spear_and_amal_on_plots.py [--small]
"""

import numpy as np
from shared import EPOCHS, load

from spear_amal import GoldClassifier, LabelModelClassifier, SpearClassifier
from spear_amal.data import TextFeatures, partition
from spear_amal.labeling import PandasLFApplier, load_lfs

corpus = load("plots")

# 1. Votes of the LFs on every row.
lfs, classes = load_lfs("labeling_functions/plots.py")
votes = PandasLFApplier(lfs, classes).apply(corpus.frame)

# 2. Disjoint parts: L has gold, U has none, V has gold and chooses the epoch, T is for the end.
parts = partition(corpus, seed=0)
train, val, test = parts.train, parts.validation, parts.test  # train = L and U
y = parts.observed_labels(corpus.labels)  # -1 on U and on T: training cannot see their gold

# 3. Features of the text; the words are learnt without the test rows.
texts = np.array(corpus.texts, dtype=object)
features = TextFeatures().fit(texts[np.concatenate([train, val])])
x = features.transform(texts)

# 4. Methods: a name, what it gets, the estimator, and whether it sees the votes.
common = {"metric": corpus.metric, "max_epochs": EPOCHS, "random_state": 0}
n_l, n_u, n_v = len(parts.labelled), len(parts.unlabelled), len(val)
rules = f"{n_l} gold, votes on {n_u}; V"
methods = [
    ("gold of L only", f"{n_l} gold; V", GoldClassifier.from_options(**common), False),
    (
        "gold of L and V",
        f"{n_l} + {n_v} gold",
        GoldClassifier.from_options(fit_strategy="refit", **common),
        False,
    ),
    ("majority vote + classifier", rules, LabelModelClassifier.from_options(**common), True),
    ("SPEAR", rules, SpearClassifier.from_options(mixer="fixed", **common), True),
    (
        "AMAL",
        f"{rules} also for weights",
        SpearClassifier.from_options(mixer="amal", **common),
        True,
    ),
]

# 5. Train, and only then open the test rows.
print(f"{'method':28}{'test ' + corpus.metric:>12}{'on V':>8}   was given (V: {n_v} gold rows)")
for name, given, model, sees_votes in methods:
    rules_seen = {"L": votes[train], "L_val": votes[val]} if sees_votes else {}
    model.fit(x[train], y[train], X_val=x[val], y_val=y[val], **rules_seen)
    score = model.score(x[test], corpus.labels[test])
    print(f"{name:28}{score:12.3f}{model.val_score_:8.3f}   {given}")

# One split is one throw of dice: repeat with other seeds before you believe a difference.
