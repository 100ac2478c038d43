"""Your own CSV: from a partly labelled table and rules to one model file that answers new rows.

You learn what your file needs (a text column and a label column that is empty where nobody has
labelled), how to see what your labelling functions do, how to train and ask a model, why it says
what it says, and what to keep: one file, which runs no code when it is read.

Run from the repository root: python examples/06_your_own_csv.py [--small]
(the script first writes a made-up table of plots into a temporary folder)
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from shared import EPOCHS, SMALL

from spear_amal import TextClassifier
from spear_amal.data import read_table, synthetic_corpus
from spear_amal.labeling import LFAnalysis, PandasLFApplier, keyword_lf, labeling_function

folder = Path(tempfile.mkdtemp())

# A table as you may have it: some rows have a genre, most have none.
made_up = synthetic_corpus(n=500 if SMALL else 1500, n_test=0)
genres = np.array(made_up.classes, dtype=object)[made_up.labels]
genres[np.random.default_rng(0).permutation(len(genres))[120:]] = None
rows = {"id": [f"p{i}" for i in range(len(genres))], "plot": made_up.texts, "genre": genres}
pd.DataFrame(rows).to_csv(folder / "plots.csv", index=False)

# 1. Read it. An empty cell is "no label".
table = read_table(folder / "plots.csv", text_column="plot", label_column="genre")
print(f"{len(table)} rows, {table['genre'].notna().sum()} of them labelled\n")

# 2. Labelling functions for the column `plot`.
love = keyword_lf("love", ["love", "kiss", "heart", "jealousy"], "romance", column="plot")
arms = keyword_lf("arms", ["bomb", "gun", "missile", "tank"], "action", column="plot")
fight = keyword_lf("fight", ["fights", "battle", "escapes", "revenge"], "action", column="plot")


@labeling_function(label="romance")
def marries(row):
    return any(part in row.plot.lower() for part in ("wedding", "marri", "engage", "honeymoon"))


applier = PandasLFApplier([love, arms, fight, marries], classes=["romance", "action"])
votes = applier.apply(table)
print(LFAnalysis(votes).lf_summary(Y=table["genre"]).round(2).to_string(), "\n")

# 3. Train. A part of the labelled rows is held out and chooses the epoch.
model = TextClassifier("amal", metric="macro-f1", max_epochs=EPOCHS)
model.fit(table, votes=votes, text="plot", label="genre")
print(
    f"classes {', '.join(model.classes_)}; {model.metric} on rows held out {model.val_score_:.3f}"
)

# 4. Why is a row of the table classified as it is?
print(f"\n{model.explain('p7')}\n")

# 5. Save, load, perhaps elsewhere, and predict rows that are new: no votes are needed for that.
model.save(folder / "model.safetensors")
loaded = TextClassifier.load(folder / "model.safetensors")
new = ["He falls in love and writes letters.", "A gang kills him in a gun battle."]
p = loaded.predict_proba(new)
for text, name, sure in zip(new, loaded.predict(new), p.max(1), strict=True):
    print(f"{name:8} {sure:.2f}  {text}")
print("the same answers as before:", bool((p == model.predict_proba(new)).all()))
