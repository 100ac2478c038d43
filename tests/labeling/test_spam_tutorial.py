"""A script in the shape of Snorkel's spam tutorial runs the same with its imports changed."""

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("snorkel.labeling", reason="snorkel is not installed")
from spear_amal.label_models.snorkel_model import untouched_globals

DATA = os.environ.get("SPEAR_AMAL_DATA", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (Path(DATA) / "youtube").is_dir(), reason="SPEAR_AMAL_DATA names no folder with youtube"
    ),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]

SCRIPT = """
import glob
import re

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from snorkel.analysis import Scorer, get_label_buckets, get_label_instances, metric_score
from snorkel.labeling import LabelingFunction, LFAnalysis, PandasLFApplier
from snorkel.labeling import filter_unlabeled_dataframe, labeling_function
from snorkel.labeling.model import LabelModel, MajorityLabelVoter
from snorkel.preprocess import preprocessor
from snorkel.slicing import PandasSFApplier, slice_dataframe, slicing_function
from snorkel.utils import preds_to_probs, probs_to_preds

ABSTAIN, HAM, SPAM = -1, 0, 1

tables = [pd.read_csv(path) for path in sorted(glob.glob(folder + "/Youtube0*.csv"))]
df_train = pd.concat(tables[:4]).rename(columns={"CONTENT": "text", "CLASS": "label"})
df_train = df_train.sample(n=800, random_state=123)
df_test = tables[4].rename(columns={"CONTENT": "text", "CLASS": "label"})
Y_test = df_test.label.values


@preprocessor(memoize=True)
def lower(x):
    x.low = x.text.lower()
    return x


@labeling_function(pre=[lower])
def check(x):
    return SPAM if "check" in x.low else ABSTAIN


@labeling_function(name="check_out")
def regex_check_out(x):
    return SPAM if re.search(r"check.*out", x.text, flags=re.I) else ABSTAIN


@labeling_function(pre=[lower], resources={"words": ("love", "amazing", "great song")})
def praise(x, words):
    return HAM if any(word in x.low for word in words) else ABSTAIN


@labeling_function()
def short_comment(x):
    return HAM if len(x.text.split()) < 5 else ABSTAIN


def keyword_lookup(x, keywords, label):
    return label if any(word in x.text.lower() for word in keywords) else ABSTAIN


def make_keyword_lf(keywords, label=SPAM):
    return LabelingFunction(
        name=f"keyword_{keywords[0]}",
        f=keyword_lookup,
        resources=dict(keywords=keywords, label=label),
    )


lfs = [
    check,
    regex_check_out,
    praise,
    short_comment,
    make_keyword_lf(["subscribe"]),
    make_keyword_lf(["http"]),
    make_keyword_lf(["please", "plz"]),
    make_keyword_lf(["my channel", "my video"]),
    make_keyword_lf(["song"], label=HAM),
]

applier = PandasLFApplier(lfs=lfs)
L_train = applier.apply(df=df_train, progress_bar=False)
L_test = applier.apply(df=df_test, progress_bar=False)
coverage_check, coverage_check_out = (L_train != ABSTAIN).mean(axis=0)[:2]
summary = LFAnalysis(L=L_train, lfs=lfs).lf_summary(Y=df_train.label.values)
missed = df_train.iloc[L_train[:, 1] == SPAM].sample(3, random_state=1)

buckets = get_label_buckets(df_train.label.values, np.asarray(L_train[:, 3]))
wrong_rows = df_train.iloc[buckets[(SPAM, HAM)]]
wrong_texts = get_label_instances(
    (SPAM, HAM), df_train.text.values, df_train.label.values, np.asarray(L_train[:, 3])
)

majority_model = MajorityLabelVoter()
preds_majority = majority_model.predict(L=L_train)
label_model = LabelModel(cardinality=2, verbose=False)
label_model.fit(L_train=L_train, n_epochs=500, log_freq=100, seed=123)
majority_acc = majority_model.score(L=L_test, Y=Y_test, tie_break_policy="random")["accuracy"]
label_model_acc = label_model.score(L=L_test, Y=Y_test, tie_break_policy="random")["accuracy"]

probs_train = label_model.predict_proba(L=L_train)
df_filtered, probs_filtered = filter_unlabeled_dataframe(X=df_train, y=probs_train, L=L_train)
vectorizer = CountVectorizer(ngram_range=(1, 2))
X_train = vectorizer.fit_transform(df_filtered.text.tolist())
X_test = vectorizer.transform(df_test.text.tolist())
preds_filtered = probs_to_preds(probs=probs_filtered)
classifier = LogisticRegression(C=1e3, solver="liblinear").fit(X=X_train, y=preds_filtered)
test_acc = classifier.score(X=X_test, y=Y_test)


@slicing_function()
def short_text(x):
    return len(x.text.split()) < 5


preds_test, probs_test = classifier.predict(X_test), classifier.predict_proba(X_test)
short_rows = slice_dataframe(df_test, short_text)
S_test = PandasSFApplier([short_text]).apply(df_test, progress_bar=False)
scorer = Scorer(metrics=["accuracy", "f1"])
by_slice = scorer.score_slices(
    S=S_test, golds=Y_test, preds=preds_test, probs=probs_test, as_dataframe=True
)
f1 = metric_score(golds=Y_test, preds=preds_test, metric="f1")
one_hot = preds_to_probs(preds_filtered, 2)
"""


def run(script):
    found = {"folder": str(Path(DATA) / "youtube")}
    with untouched_globals():
        exec(compile(script, "tutorial", "exec"), found)  # noqa: S102  # one text for both
    return found


def test_the_tutorial_runs_with_its_imports_changed():
    theirs, ours = run(SCRIPT), run(SCRIPT.replace("from snorkel", "from spear_amal"))
    assert np.array_equal(theirs["L_train"], np.asarray(ours["L_train"]))
    pd.testing.assert_frame_equal(theirs["summary"], ours["summary"])
    for name in ("coverage_check", "majority_acc"):
        assert theirs[name] == ours[name]
    for name in ("missed", "wrong_rows", "short_rows", "df_filtered"):
        assert theirs[name].equals(ours[name]), name
    for name in ("preds_majority", "wrong_texts", "S_test"):
        assert (theirs[name] == ours[name]).all(), name
    assert ours["by_slice"].columns.tolist() == theirs["by_slice"].columns.tolist()
    assert ours["one_hot"].shape == theirs["one_hot"].shape
    # The label model is our own: no worse, nor the classifier that learns from it.
    for name in ("label_model_acc", "test_acc", "f1"):
        assert ours[name] > theirs[name] - 0.02, (name, ours[name], theirs[name])
