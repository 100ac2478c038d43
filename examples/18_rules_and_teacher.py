"""Rules and a teacher together: SPEAR's losses and a teacher's, mixed row by row by AMAL.

You learn to hand votes and teachers to one fit (L= beside the teachers), to set the temperature so
that the teacher's loss does not drown the others, and to see in `weights_` whom AMAL believed. It
is no law that both are better than one: compare, as here, and over several seeds.

Run from the repository root: python examples/18_rules_and_teacher.py [--small]
"""

import numpy as np
from shared import EPOCHS, SMALL, load
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from spear_amal import GoldClassifier, SpearClassifier
from spear_amal.data import TextFeatures, partition
from spear_amal.estimators import DistilledClassifier
from spear_amal.labeling import PandasLFApplier, load_lfs

TREES, TOPICS = (50, 20) if SMALL else (500, 100)
# The teacher's loss is tau^2 KL: with the usual tau = 4 it would outweigh all that rules say.
TEMPERATURE = 1.0

corpus = load("plots")
lfs, classes = load_lfs("labeling_functions/plots.py")
votes = PandasLFApplier(lfs, classes).apply(corpus.frame, progress_bar=False)
parts = partition(corpus, seed=0)
train, val, test = parts.train, parts.validation, parts.test
y = parts.observed_labels(corpus.labels)  # -1 wherever training may not look
texts = np.array(corpus.texts, dtype=object)
pool = texts[np.concatenate([train, val])]

# 1. A teacher on topics of all texts but the test rows, from the gold of L (see example 17).
words = TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words="english")
topics = make_pipeline(words, TruncatedSVD(TOPICS, random_state=0)).fit(pool)
z = topics.transform(texts)
forest = RandomForestClassifier(TREES, random_state=0).fit(z[parts.labelled], y[parts.labelled])

# 2. One student under every combination. `teacher_X`: what the teacher is asked, if not X.
x = TextFeatures().fit(pool).transform(texts)
common = {"metric": corpus.metric, "max_epochs": EPOCHS, "patience": 10}
gold = {"X_val": x[val], "y_val": y[val]}
rules = {"L": votes[train], "L_val": votes[val]}
asked = {"teacher_X": z[train], "teacher_X_val": z[val]}


def taught(mixer):
    return DistilledClassifier.from_options(
        "linear", [forest], mixer=mixer, temperature=TEMPERATURE, **common
    )


runs = {
    "gold of L and V": (GoldClassifier.from_options(fit_strategy="refit", **common), {}),
    "rules, AMAL": (SpearClassifier.from_options(**common), rules),
    "teacher, AMAL": (taught("amal"), asked),
    "both, all weights 1": (taught("fixed"), rules | asked),
    "both, AMAL": (taught("amal"), rules | asked),
}
for model, given in runs.values():
    model.fit(x[train], y[train], **gold, **given)

# 3. Test rows, at the end.
print(f"{'was given':24}{'test':>7}{'on V':>7}")
print(f"{'forest (teacher)':24}{forest.score(z[test], corpus.labels[test]):7.3f}")
for name, (model, _) in runs.items():
    print(f"{name:24}{model.score(x[test], corpus.labels[test]):7.3f}{model.val_score_:7.3f}")

# 4. Whom AMAL believed: mean weight of each loss on its rows, and how often it was left out.
weights = runs["both, AMAL"][0].weights_.iloc[: len(train)]
print(f"\n{'loss':18}{'rows':>6}{'mean weight':>13}{'at 0':>8}")
for loss in weights:
    held = weights[loss].dropna()
    print(f"{loss:18}{len(held):6}{held.mean():13.3f}{(held <= 1e-6).mean():8.1%}")
