"""A user's script that both type checkers must accept, with the types that they must see.

It is read by the checkers and never run; see test_checkers.py.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
import torch

import spear_amal
from spear_amal import (
    ABSTAIN,
    GoldClassifier,
    LabelMatrix,
    LossMixer,
    SpearClassifier,
    TrainerConfig,
)
from spear_amal.data import Corpus, TextFeatures, load_corpus, partition, read_table
from spear_amal.label_models import Cage, MajorityVote
from spear_amal.labeling import (
    ApplierMetadata,
    ColumnLFApplier,
    LabelingFunction,
    LambdaPreprocessor,
    LFAnalysis,
    LFApplier,
    PandasLFApplier,
    Row,
    continuous_scorer,
    filter_unlabeled_dataframe,
    keyword_lf,
    labeling_function,
    lf_check,
    nlp_labeling_function,
    preprocessor,
    probs_to_preds,
)
from spear_amal.teachers import Teacher, as_teacher

# -- labelling functions keep the type of what they read ------------------------------------------


@labeling_function
def plain(x: Row) -> int:
    return 1 if "won" in x["text"] else ABSTAIN


@labeling_function(name="many_links", resources={"least": 2}, label="spam")
def with_resources(x: Row, least: int) -> bool:
    return int(x["links"]) >= least


@labeling_function()
def untyped(x):  # type: ignore[no-untyped-def]
    return 0


@preprocessor
def lower(x: Row) -> Row:
    x["text"] = x["text"].lower()
    return x


@preprocessor(batched=True, memoize=True)
def parsed(rows: list[str]) -> list[Row]:
    return [Row(text=text) for text in rows]


@continuous_scorer
def length(x: Row) -> float:
    return min(len(x["text"]) / 1000, 1.0)


@labeling_function(pre=[lower], label=1, cont_scorer=length, vectorized=False)
def scored(x: Row, continuous_score: float) -> bool:
    return continuous_score > 0.5


@nlp_labeling_function(nlp="en_core_web_sm", label=0)
def short(x: Row) -> bool:
    return len(x["doc"]) < 5


assert_type(plain, LabelingFunction[Row])
assert_type(with_resources, LabelingFunction[Row])
assert_type(short, LabelingFunction[Row])
assert_type(lower, LambdaPreprocessor[Row, Row])
assert_type(parsed, LambdaPreprocessor[str, Row])
assert_type(parsed("win a prize"), Row)
plain(Row(text="free")).bit_length()
lfs: list[LabelingFunction] = [plain, with_resources, untyped, scored, short]
words = keyword_lf("words", ["free", "prize"], 1)
by_hand = LabelingFunction("by_hand", lambda x: 0 if len(x["text"]) < 5 else ABSTAIN)

# -- appliers ------------------------------------------------------------------------------------

frame = read_table(Path("messages.csv"))
L = PandasLFApplier([*lfs, words, by_hand], classes=["ham", "spam"]).apply(frame)
assert_type(L, LabelMatrix)
pair = PandasLFApplier(lfs).apply(frame, return_meta=True, fault_tolerant=True)
assert_type(pair, tuple[LabelMatrix, ApplierMetadata])
assert_type(ColumnLFApplier([words]).apply({"text": ["a", "b"]}, batch_size=2), LabelMatrix)
assert_type(ColumnLFApplier([words]).apply(Path("rows.parquet")), LabelMatrix)
assert_type(ColumnLFApplier([words]).apply(pl.scan_parquet("rows.parquet")), LabelMatrix)
assert_type(LFApplier([words]).apply(["free", "see you"], progress_bar=False), LabelMatrix)
assert_type(L.to_dense(), np.ndarray)
assert_type(L.shape, tuple[int, int])
assert_type(L[0], np.ndarray)
assert_type(LabelMatrix.load("votes.npz"), LabelMatrix)
assert_type(LabelMatrix.from_dense([[0, -1], [1, 1]], lf_names=["a", "b"]), LabelMatrix)
summary: pd.DataFrame = LFAnalysis(L, lfs).lf_summary(Y=np.zeros(3))
check: pd.DataFrame = lf_check(L, [0, 1, -1])

# -- label models --------------------------------------------------------------------------------

assert_type(MajorityVote().fit(L), MajorityVote)
assert_type(Cage(quality_guides=0.8).fit(L).predict_proba(L), np.ndarray)
assert_type(Cage().fit(np.array([[0, -1]])).predict([[0, 1]]), np.ndarray)
assert_type(probs_to_preds(Cage().fit("votes").predict_proba("votes")), np.ndarray)
kept, y_kept = filter_unlabeled_dataframe(frame, [0, 1], L)

# -- data ----------------------------------------------------------------------------------------

corpus = load_corpus("sms", offline=True)
assert_type(corpus, Corpus)
assert_type(corpus.labels, np.ndarray)
assert_type(corpus.texts, list[str])
assert_type(partition(corpus, seed=0).test, np.ndarray)
assert_type(TextFeatures(max_features=100).fit(corpus.texts), TextFeatures)
X = TextFeatures().fit_transform(frame["text"])

# -- classifiers ---------------------------------------------------------------------------------

model = SpearClassifier(trainer=TrainerConfig(max_epochs=5, lr=0.1), mixer="amal")
assert_type(model, SpearClassifier)
assert_type(model.fit(X, frame["label"], L=L), SpearClassifier)
assert_type(model.predict(X), np.ndarray)
assert_type(model.predict_proba(sp.csr_array((3, 5))), np.ndarray)
assert_type(model.score(np.zeros((3, 5)), [0, 1, -1]), float)
assert_type(SpearClassifier.load("model.safetensors"), SpearClassifier)
assert_type(spear_amal.GoldClassifier(hidden=(64,)).fit([[0.0, 1.0]], [1]), GoldClassifier)
assert_type(as_teacher(model, name="rules"), Teacher)
assert_type(as_teacher(torch.nn.Linear(5, 2)).logits(np.zeros((3, 5))), np.ndarray)

# -- the mixer in a loop of one's own ------------------------------------------------------------

mixer = LossMixer("amal", ["label", "teacher"], n_rows=100)
losses = {"label": torch.zeros(8), "teacher": torch.zeros(8)}
assert_type(mixer(losses, rows=torch.arange(8)), torch.Tensor)


def batches() -> Iterator[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
    yield torch.arange(8), losses


mixer.refresh(batches(), [(torch.zeros(4, 2), torch.zeros(4))])
state: dict[str, Any] = mixer.state_dict()
