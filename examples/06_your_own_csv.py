"""Your own CSV: read it, label it, train, save the model, load it and predict new rows.

You learn what your file needs (a text column and a label column that is empty where nobody has
labelled), that validation rows can be split off the labelled ones, and what to save: the model and
the text features, both in files that run no code when they are read.

Run from the repository root: python examples/06_your_own_csv.py [--small]
(the script first writes a made-up table of plots into a temporary folder)
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from shared import EPOCHS, SMALL

from spear_amal import LabelMatrix, SpearClassifier, TrainerConfig
from spear_amal.data import TextFeatures, read_table, synthetic_corpus
from spear_amal.labeling import LFAnalysis, PandasLFApplier, keyword_lf, labeling_function

folder = Path(tempfile.mkdtemp())

# A table as you may have it: some rows have a genre, most have none.
made_up = synthetic_corpus(n=500 if SMALL else 1500, n_test=0)
genres = np.array(made_up.classes, dtype=object)[made_up.labels]
genres[np.random.default_rng(0).permutation(len(genres))[120:]] = None
pd.DataFrame({"plot": made_up.texts, "genre": genres}).to_csv(folder / "plots.csv", index=False)

# 1. Read it. An empty cell is "no label".
table = read_table(folder / "plots.csv")
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
codes = table["genre"].map({name: code for code, name in enumerate(votes.classes)}).fillna(-1)
print(LFAnalysis(votes).lf_summary(Y=codes).round(2).to_string(), "\n")

# 3. Train. Without X_val a part of the labelled rows is held out as validation rows.
features = TextFeatures(ngram_range=(1, 1))
x = features.fit_transform(table["plot"])
model = SpearClassifier(metric="macro-f1", trainer=TrainerConfig(max_epochs=EPOCHS), random_state=0)
model.fit(x, table["genre"], L=votes)
print(f"classes {', '.join(model.classes_)}; {model.metric} on V {model.val_score_:.3f}")

# 4. Save: votes, model (safetensors with a JSON header) and text features (plain JSON).
votes.save(folder / "votes.npz")
model.save(folder / "model.safetensors")
held = features.to_arrays() | {"idf": features.idf_.tolist()}
(folder / "features.json").write_text(json.dumps(held), encoding="utf-8")

# 5. Load, perhaps elsewhere, and predict rows that are new: no votes are needed for that.
loaded = SpearClassifier.load(folder / "model.safetensors")
words = TextFeatures.from_arrays(json.loads((folder / "features.json").read_text("utf-8")))
love_story, thriller = "He falls in love and writes letters.", "A gang kills him in a gun battle."
new = [love_story, thriller]
p = loaded.predict_proba(words.transform(new))
for text, name, sure in zip(new, loaded.classes_[p.argmax(1)], p.max(1), strict=True):
    print(f"{name:8} {sure:.2f}  {text}")
print(
    "the same votes after loading:", bool((LabelMatrix.load(folder / "votes.npz") == votes).all())
)
