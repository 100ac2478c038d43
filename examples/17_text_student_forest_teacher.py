"""A random forest teaches a linear classifier of texts, through a file of outputs by row id.

You learn to distil any model into a small one that needs nothing but words: the teacher may be
large, of another library, on other features, on another machine. Here it sees topics of all texts
(the labelled and the many unlabelled ones) and hands them on to a TF-IDF model, on rows that have
no label as well. Outputs are found by row id, never by place.

Run from the repository root: python examples/17_text_student_forest_teacher.py [--small]
"""

import tempfile
from pathlib import Path

import numpy as np
from shared import EPOCHS, SMALL, load
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from spear_amal import GoldClassifier
from spear_amal.data import TextFeatures, partition
from spear_amal.estimators import distiller
from spear_amal.teachers import save_teacher_outputs

TREES, TOPICS = (50, 20) if SMALL else (500, 100)

corpus = load("plots")
parts = partition(corpus, seed=0)
train, val, test = parts.train, parts.validation, parts.test  # train: L with gold, U without
y = parts.observed_labels(corpus.labels)  # -1 wherever training may not look
texts = np.array(corpus.texts, dtype=object)
ids = corpus.frame.index.to_numpy()  # stable, whatever the order of the rows

# 1. The teacher: topics from all texts but the test rows, a forest from the gold of L.
words = TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words="english")
topics = make_pipeline(words, TruncatedSVD(TOPICS, random_state=0))
topics.fit(texts[np.concatenate([train, val])])
forest = RandomForestClassifier(TREES, random_state=0)
forest.fit(topics.transform(texts[parts.labelled]), y[parts.labelled])

# 2. What it says of every row goes into a file, shuffled: only the ids tell which row is which.
anyhow = np.random.default_rng(0).permutation(len(texts))
said = forest.predict_proba(topics.transform(texts[anyhow]))
file = Path(tempfile.mkdtemp()) / "forest.npz"
save_teacher_outputs(file, ids[anyhow], said, forest.classes_, name="forest", kind="probabilities")
print(f"{file.name}: {said.shape[0]} rows, {file.stat().st_size / 1000:.0f} kB\n")

# 3. Students: linear on TF-IDF, a few thousand numbers, no topics and no forest to keep.
features = TextFeatures().fit(texts[np.concatenate([train, val])])
x = features.transform(texts)
rows = {"X_val": x[val], "y_val": y[val]}
common = {"metric": corpus.metric, "max_epochs": EPOCHS}
models = {"gold of L": GoldClassifier.from_options(**common).fit(x[train], y[train], **rows)}
models["gold of L and V"] = GoldClassifier.from_options(fit_strategy="refit", **common).fit(
    x[train], y[train], **rows
)
for method in ("kd", "amal", "alm-kd"):
    student = distiller(method, "linear", [file], **common)
    student.fit(x[train], y[train], **rows, row_ids=ids[train], row_ids_val=ids[val])
    models[f"student, {method}"] = student

# 4. Test rows, at the end.
right = forest.predict(topics.transform(texts[test])) == corpus.labels[test]
print(f"{'model':20}{'test':>7}")
print(f"{'forest (teacher)':20}{right.mean():7.3f}")
for name, model in models.items():
    print(f"{name:20}{model.score(x[test], corpus.labels[test]):7.3f}")
