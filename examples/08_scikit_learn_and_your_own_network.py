"""Inside scikit-learn: a pipeline, a grid search, and a torch module of your own.

You learn that SpearClassifier is an ordinary scikit-learn classifier whose `fit` also takes the
votes (L=), that a grid search cuts the votes along with the rows and scores on labelled rows only,
and what a network of yours needs: return (logits, hidden), and name its last linear layer `head`.

Run from the repository root: python examples/08_scikit_learn_and_your_own_network.py [--small]
"""

import numpy as np
from shared import EPOCHS, SMALL, load
from sklearn.decomposition import TruncatedSVD
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

from spear_amal import GoldClassifier, SpearClassifier
from spear_amal.data import TextFeatures, partition
from spear_amal.labeling import PandasLFApplier, load_lfs


class Network(nn.Module):
    """Two layers with dropout. AMAL's look-ahead needs `hidden`, what the last layer reads."""

    def __init__(self, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n_features, 64), nn.GELU(), nn.Dropout(0.2))
        self.head = nn.Linear(64, n_classes)

    def forward(self, x):
        """Return logits and the activations below them."""
        hidden = self.body(x)
        return self.head(hidden), hidden


corpus = load("plots")
lfs, classes = load_lfs("labeling_functions/plots.py")
votes = PandasLFApplier(lfs, classes).apply(corpus.frame)
parts = partition(corpus, seed=0)
rows = np.sort(np.concatenate([parts.train, parts.validation]))  # V is split off inside fit
texts = np.array(corpus.texts, dtype=object)
y = parts.observed_labels(corpus.labels)
test_texts, test_gold = texts[parts.test], corpus.labels[parts.test]
settings = {"metric": corpus.metric, "max_epochs": EPOCHS}
n_gold = int((y[rows] >= 0).sum())
results = []

# 1. Gold only, for comparison: half of the gold chooses the epoch, then all of it is used.
gold_only = make_pipeline(
    TextFeatures(), GoldClassifier.from_options(fit_strategy="refit", **settings)
)
gold_only.fit(texts[rows], y[rows])
results.append((f"{n_gold} gold, no rules", gold_only.score(test_texts, test_gold)))

# 2. A grid search over SPEAR's and AMAL's options. Fit parameters of n rows are cut with them.
pipeline = make_pipeline(TextFeatures(), SpearClassifier.from_options(**settings))
rates = [1e-2] if SMALL else [3e-3, 1e-2]
grid = {"spearclassifier__mixer": ["fixed", "amal"], "spearclassifier__trainer__lr": rates}
search = GridSearchCV(pipeline, grid, cv=2 if SMALL else 3)
search.fit(texts[rows], y[rows], spearclassifier__L=votes[rows])
print("best of the grid:", {k.partition("__")[2]: v for k, v in search.best_params_.items()})
results.append((f"{n_gold} gold + votes, linear", search.score(test_texts, test_gold)))

# 3. The own network on 50 dense features: pass the class, or any function (D, C) -> module.
dense = make_pipeline(TextFeatures(), TruncatedSVD(50, random_state=0))
x = dense.fit_transform(texts[rows])
own = SpearClassifier.from_options(feature_model=Network, lr=1e-2, **settings)
own.fit(x, y[rows], L=votes[rows])
score = own.score(dense.transform(test_texts), test_gold)
results.append((f"{n_gold} gold + votes, own network", score))

for given, score in results:
    print(f"test {corpus.metric} {score:.3f}  given {given}")
