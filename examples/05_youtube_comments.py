"""SPEAR and AMAL on YouTube comments, where the test rows come from another video.

You learn what a shift between training and test rows does, what cross-fitting is (each gold row of
L and V once plays validation, and the models vote), and that methods differ by the split: the
script runs several seeds and prints mean and spread, not one lucky number.

Run from the repository root: python examples/05_youtube_comments.py [--small]
(the generated corpus takes the place of the comments where they cannot be had)
"""

import numpy as np
import pandas as pd
from shared import EPOCHS, SMALL, load

from spear_amal.labeling import PandasLFApplier, load_lfs
from spear_amal.studies import METHODS, compare, make_task

SEEDS = range(2 if SMALL else 3)
NAMES = ["only-l", "only-lv", "spear", "amal"] + ([] if SMALL else ["amal-crossfit"])

corpus = load("youtube")
lfs, classes = load_lfs(
    "labeling_functions/plots.py" if corpus.name == "generated" else "labeling_functions/youtube.py"
)
votes = PandasLFApplier(lfs, classes).apply(corpus.frame)

results = []
for seed in SEEDS:  # a seed draws L and V anew; test rows stay the same
    task, scorer = make_task(corpus, votes, seed=seed)
    comparison = compare(task, scorer, NAMES, seed=seed, max_epochs=EPOCHS)
    for row in comparison.rows:
        test = row.scores[corpus.metric]
        results.append({"method": row.method, "test": test, "on V": row.val_score})

table = pd.DataFrame(results).groupby("method", sort=False)
summary = pd.DataFrame(
    {
        f"test {corpus.metric}": table["test"].mean(),
        "sd over seeds": table["test"].std(),
        "V minus test": table["on V"].mean() - table["test"].mean(),
        "was given": [METHODS[name].was_given(task) for name in NAMES],
    }
)
print(f"{len(SEEDS)} seeds, {len(scorer)} test rows")
print(summary.round(3).to_string())

# Differences within one seed are less noisy than the spread between seeds: compare by pairs.
scores = pd.DataFrame(results).pivot_table("test", index=table.cumcount(), columns="method")
gain = scores["amal"] - scores["only-lv"]
error = gain.std() / np.sqrt(len(gain))
print(
    f"AMAL minus the classifier on the same gold: {gain.mean():+.3f} (standard error {error:.3f})"
)
