"""Lines that type checkers must report: those that end in "wrong", and no others.

It is read by the checkers and never run; see test_checkers.py.
"""

import numpy as np

import spear_amal
from spear_amal import LabelMatrix, LossMixer, SpearClassifier, TrainerConfig
from spear_amal.data import load_corpus, partition, read_table
from spear_amal.label_models import Cage
from spear_amal.labeling import (
    ColumnLFApplier,
    LFApplier,
    Row,
    keyword_lf,
    labeling_function,
    preprocessor,
)
from spear_amal.teachers import as_teacher


def undecorated(x: Row) -> int:
    return 1


@labeling_function
def on_rows(x: Row) -> int:
    return 1


@labeling_function(label="spam")
def on_texts(x: str) -> bool:
    return "free" in x


@preprocessor(batched=True)  # wrong
def one_at_a_time(x: Row) -> Row:
    return x


labeling_function(label=0.5)  # wrong
labeling_function(resources=["free"])  # wrong
keyword_lf("word", ["free"], label=[1])  # wrong
keyword_lf("word", 3, label=1)  # wrong
on_rows("a text")  # wrong
on_texts(3)  # wrong

LFApplier([undecorated])  # wrong
LFApplier([on_texts], classes=0.5)  # wrong
LFApplier([on_texts]).apply(7)  # wrong
LFApplier([on_texts]).apply(["free"], n_jobs="all")  # wrong
LFApplier([on_texts]).apply(["free"], return_meta=True).covered()  # wrong
ColumnLFApplier([on_rows]).apply(["free"])  # wrong

LabelMatrix.from_dense([[0, 1]], lf_nmaes=["a", "b"])  # wrong
Cage().fit(0.5)  # wrong
Cage().fit("votes").predict("votes", tie_break_policy=1)  # wrong

load_corpus(3)  # wrong
read_table(b"messages.csv")  # wrong
partition(load_corpus("sms"), seed="today")  # wrong

spear_amal.SpearClassifer()  # wrong
TrainerConfig(max_epochs="many")  # wrong
SpearClassifier(n_folds="many")  # wrong
# mypy takes any further argument of a class whose base has no types, here scikit-learn's.
SpearClassifier(lr=0.1)  # wrong for pyright
SpearClassifier(trainer=dict(lr=0.1))  # wrong
SpearClassifier().fit("texts", [0, 1])  # wrong
SpearClassifier().fit(np.zeros((3, 5)), 1)  # wrong
SpearClassifier().predict(7)  # wrong
names: list[str] = SpearClassifier().predict(np.zeros((3, 5)))  # wrong

LossMixer("amal", 2, n_rows=100)  # wrong
LossMixer("amal", ["label"], n_rows=100)(0.5)  # wrong
as_teacher(3)  # wrong
