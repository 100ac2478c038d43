"""LFs from models: odd classes, bounds and answers; a vote is a class of the mapping, or none."""

import numpy as np
from hypothesis import strategies as st
from registry import door
from values import mostly, odd, scalars, texts

from spear_amal.data import TextEncoder
from spear_amal.labeling import ColumnLFApplier
from spear_amal.model_lfs import model_lf, zero_shot_lf

ROWS = {"text": ["a spam offer", "see you", "", None]}
CLASSES = {"yes": "spam", "no": "ham", "neither": None}
NAMES = st.sampled_from(["yes", "no", "neither", "spam", "ham"])


def counts(batch):
    return np.array([[text.count("a"), text.count("e"), 1.0] for text in batch])


def applied(lf, classes):
    votes = ColumnLFApplier([lf], classes).apply(ROWS, progress_bar=False)
    assert votes.to_dense()[2:].max(initial=-1) == -1, "a blank text has no answer"
    if lf.continuous:
        assert votes.scores.data.min(initial=1) >= 0 and votes.scores.data.max(initial=0) <= 1


@door("model_lfs.model_lf")
def model(draw, folder):
    answer = draw(mostly(st.just([0.7, 0.2, 0.1]), st.one_of(odd, st.lists(scalars, max_size=4))))
    classes = draw(
        mostly(
            st.just(CLASSES),
            st.one_of(odd, st.dictionaries(NAMES, st.one_of(NAMES, st.none(), scalars))),
        )
    )
    column, label = draw(mostly(st.just("text"), texts)), draw(mostly(st.none(), scalars))
    made = model_lf(
        draw(mostly(st.just("m"), odd)),
        draw(mostly(st.just(lambda batch: [answer] * len(batch)), odd)),
        classes=classes,
        label=label,
        at_least=draw(mostly(st.floats(0, 1), scalars)),
        column=column,
        batch_size=draw(mostly(st.integers(1, 3), scalars)),
        version=draw(mostly(st.none(), scalars)),
    )
    applied(made, ["ham", "spam"])


@door("model_lfs.zero_shot_lf")
def zero_shot(draw, folder):
    given = draw(
        mostly(
            st.just({"ham": "you", "spam": ["an offer", "free"]}),
            st.one_of(odd, st.dictionaries(NAMES, st.one_of(texts, st.lists(texts, max_size=2)))),
        )
    )
    made = zero_shot_lf(
        "z",
        given,
        draw(mostly(st.just(TextEncoder(counts, cache=False)), st.one_of(texts, st.none()))),
        label=draw(mostly(st.none(), scalars)),
        at_least=draw(mostly(st.floats(0, 1), scalars)),
        margin=draw(mostly(st.floats(0, 1), scalars)),
        temperature=draw(mostly(st.floats(0.01, 1), scalars)),
    )
    applied(made, ["ham", "spam"])
