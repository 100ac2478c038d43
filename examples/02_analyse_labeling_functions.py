"""Judge labelling functions before anything is trained on them.

You learn to read coverage, overlaps and conflicts (no gold needed), to ask how often an LF is
right with an honest interval (a few gold rows), to find the pair of LFs that quarrels most, and to
look at the rows on which an LF is wrong.

Run from the repository root: python examples/02_analyse_labeling_functions.py [--small]
"""

import numpy as np
from shared import load

from spear_amal.data import partition
from spear_amal.labeling import LFAnalysis, PandasLFApplier, load_lfs

corpus = load("plots")
lfs, classes = load_lfs("labeling_functions/plots.py")
rows = corpus.frame[corpus.frame["part"] == "train"]  # test rows stay closed
votes = PandasLFApplier(lfs, classes).apply(rows)

# Without gold: how much do the LFs say, and do they agree?
analysis = LFAnalysis(votes)
print(
    f"rows with a vote {analysis.label_coverage():.0%}, with two {analysis.label_overlap():.0%}, "
    f"with two that differ {analysis.label_conflict():.0%}\n"
)

# With the gold of L and V only, -1 elsewhere: the accuracy of each LF and its 95% interval.
parts = partition(rows["label"], 0, corpus.n_labelled, corpus.n_validation)
gold = parts.observed_labels(rows["label"])
print(analysis.lf_summary(Y=gold).round(3).to_string(), "\n")
intervals = analysis.accuracy_intervals(gold)
doubtful = intervals[(intervals["low"] < 0.5) & ~intervals["few_votes"]]
print(f"{len(intervals)} LFs; {intervals['few_votes'].sum()} voted on too few gold rows to judge")
print("not clearly better than a coin:", list(doubtful.index) or "none", "\n")

# Which two LFs disagree most often?
conflicts = analysis.conflict_matrix(normalize=False)
one, other = np.unravel_index(conflicts.to_numpy().argmax(), conflicts.shape)
print(
    f"most conflicts: {conflicts.index[one]} against {conflicts.index[other]}, "
    f"on {conflicts.iloc[one, other]} rows\n"
)

# The rows on which the most mistaken LF is wrong say how to mend it.
worst = (intervals["n"] * (1 - intervals["accuracy"])).idxmax()
wrong = analysis.wrong_rows(worst, gold)
print(f"{worst} is wrong on {len(wrong)} gold rows; the first two:")
for _, row in wrong.head(2).iterrows():
    said, true = classes[row["vote"]], classes[row["gold"]]
    print(f"  said {said}, is {true}: {rows['text'].iloc[row['row']][:100]}...")
