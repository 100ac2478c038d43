"""What did AMAL learn? Its weights against whether the rules were right.

You learn to read `weights_` (one weight for each training row and loss) and `history_` (one line an
epoch). A weight near 0 takes a loss away from a row; for the loss "consensus" (follow what the
rules say) it should be lower where the rules are wrong. Whether they are wrong is looked up in the
gold of the unlabelled rows: for looking only, training never saw it.

Run from the repository root: python examples/07_look_inside_the_weights.py [--small]
(writes the figure weights.png into a temporary folder; needs matplotlib, extra `report`)
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from shared import EPOCHS, load, show
from sklearn.metrics import roc_auc_score

from spear_amal.labeling import PandasLFApplier, load_lfs
from spear_amal.studies import compare_on_split, make_split

corpus = load("plots")
lfs, classes = load_lfs("labeling_functions/plots.py")
votes = PandasLFApplier(lfs, classes).apply(corpus.frame)
task, scorer = make_split(corpus, votes, seed=0)
comparison = compare_on_split(task, scorer, ["only-lv", "amal-folds"], max_epochs=EPOCHS)
show(comparison)
model = comparison.estimators["amal-folds"]  # AMAL, 5 folds

# 1. How the mean weights moved, and how the losses fell.
print("\nhistory_, its last lines:")
print(model.history_.tail(3).round(3).to_string(), "\n")

# 2. Unlabelled rows on which a rule fired: what the rules say, and the weight of each loss.
unlabelled = (task.y_train < 0) & task.votes_train.covered()
said = model.rule_predict_proba(task.votes_train).argmax(1)
gold = corpus.labels[task.train_rows]  # opened here, for looking only
right = (said == gold)[unlabelled]
weights = model.weights_.iloc[: len(gold)][unlabelled]  # rows of training come first

rows = []
for loss in ["entropy", "consensus", "agreement"]:
    w = weights[loss].to_numpy()
    rows.append(
        {
            "loss": loss,
            "mean, rules right": w[right].mean(),
            "mean, rules wrong": w[~right].mean(),
            "share at 0": (w <= 1e-6).mean(),
            "share at 1": (w >= 1 - 1e-6).mean(),
            # 0.5: the weight says nothing about right or wrong; 1: it tells them apart.
            "AUC": roc_auc_score(right, w),
        }
    )
print(f"the rules are right on {right.mean():.1%} of {len(right)} covered unlabelled rows")
print(pd.DataFrame(rows).round(3).to_string(index=False))

# 3. The same as a picture.
figure = Figure(figsize=(7, 3.2), layout="constrained")
axes = figure.subplots()
bins = np.linspace(0, 1, 21)
consensus = weights["consensus"].to_numpy()
for mask, label, colour in ((right, "rules right", "#0072b2"), (~right, "rules wrong", "#d55e00")):
    axes.hist(consensus[mask], bins, density=True, histtype="step", lw=2, label=label, color=colour)
axes.set(xlabel="weight of the loss 'consensus'", ylabel="density", title=f"AMAL on {corpus.name}")
axes.legend()
path = Path(tempfile.mkdtemp()) / "weights.png"
figure.savefig(path, dpi=120)
print("figure:", path)
