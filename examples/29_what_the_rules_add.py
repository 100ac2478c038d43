"""What the rules add on a partly labelled table, and how many more labels would tell.

You learn to compare methods by outer cross-validation on your own table, to read the verdict, and
to look at what was predicted for each labelled row by models that never saw it.

Run from the repository root: python examples/29_what_the_rules_add.py [--small]
"""

import numpy as np
from shared import SMALL

from spear_amal import Comparison
from spear_amal.data import synthetic_corpus
from spear_amal.labeling import keyword_lf

N_ROWS, N_LABELLED, REPEATS = (200, 40, 1) if SMALL else (700, 120, 2)

corpus = synthetic_corpus(n=N_ROWS + 50, n_test=50, seed=1)
frame = corpus.frame.iloc[:N_ROWS][["text", "label"]].reset_index(drop=True)
frame["label"] = [corpus.classes[code] for code in frame["label"]]
labelled = np.random.default_rng(0).permutation(N_ROWS)[:N_LABELLED]
frame.loc[~frame.index.isin(labelled), "label"] = None

WORDS = {"romance": ["love", "wedding", "heartbreak"], "action": ["gun", "gang", "bomb"]}
lfs = [keyword_lf(word, [word], label=name) for name, words in WORDS.items() for word in words]

comparison = Comparison(repeats=REPEATS, max_epochs=2 if SMALL else 30, verbose=True)
comparison.fit(frame, lfs=lfs)
print(comparison.table_.drop(columns="method").round(3).to_string(index=False))
print(comparison.per_class_.drop(columns="method").round(3).to_string(index=False))
for note in comparison.notes_:
    print(note)
print(comparison.verdict_)

scores = comparison.scores_
wrong = scores[(scores["method"] == "recommended") & (scores["gold"] != scores["predicted"])]
print("Labelled rows that AMAL most surely gets wrong; are their labels right?")
for row in wrong.sort_values("confidence", ascending=False).head(3).itertuples():
    print(f"  row {row.row}: gold {row.gold}, predicted {row.predicted} ({row.confidence:.2f})")
