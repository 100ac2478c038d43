"""Label models: odd votes, gold and options."""

import numpy as np
from hypothesis import strategies as st
from registry import door
from sklearn import metrics as sklearn_metrics
from values import arrays, gold, mostly, odd, small_odd, votes

from spear_amal import LabelMatrix
from spear_amal.label_models import (
    LABEL_MODELS,
    LabelModel,
    label_rows,
    register_label_model,
)


@door(
    *(f"label_models.{cls.__name__}" for cls in LABEL_MODELS.values()),
    *("label_models.LABEL_MODELS", "label_models.LabelModel"),
)
def label_models(draw, folder):
    model = LABEL_MODELS[draw(st.sampled_from(sorted(LABEL_MODELS)))]()
    for name in model.get_params():
        if name in ("epochs", "n_epochs", "max_iter"):
            model.set_params(**{name: 3})
        if draw(st.sampled_from([False] * 30 + [True])):
            model.set_params(**{name: draw(small_odd)})
    L = draw(mostly(votes(rows=(3, 12)), arrays((1, 3))))
    n = L.shape[0] if hasattr(L, "shape") else len(L)
    y = draw(mostly(st.one_of(st.none(), gold(n, getattr(L, "classes", (0, 1)))), odd))
    p = model.fit(L, y).predict_proba(L)
    assert p.shape == (n, len(model.classes_)) and np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-6)
    silent = ~(np.asarray(L, dtype=float) >= 0).any(1)
    np.testing.assert_allclose(p[silent], 1 / p.shape[1])
    best = draw(mostly(st.sampled_from(["abstain", "first", "random"]), odd))
    predicted = model.predict(L, best)
    codes = [list(model.classes_.numbers).index(one) if one >= 0 else -1 for one in predicted]
    for row, code in zip(p, codes, strict=True):
        assert code == -1 or row[code] >= row.max() - 1e-9
    model.save(folder / "model.safetensors")
    again = LabelModel.load(folder / "model.safetensors")
    np.testing.assert_array_equal(again.predict_proba(L), p)
    np.testing.assert_array_equal(again.predict(L, best), predicted)


@door("label_models.LabelModel")
def label_model_scores(draw, folder):
    n = draw(st.integers(3, 12))
    codes = st.lists(st.integers(-1, 1), min_size=n, max_size=n)
    table = np.array([draw(codes), draw(codes), draw(codes)]).T
    L = LabelMatrix.from_dense(table, classes=["ham", "spam"])
    names = st.sampled_from(["ham", "spam", "spam", None])
    right = st.lists(names, min_size=n, max_size=n)
    y = draw(mostly(right, st.one_of(gold(n, ("ham", "spam")), odd)))
    known = ["accuracy", "coverage", "f1", "f1_macro", "precision"]
    chosen = draw(mostly(st.lists(st.sampled_from(known), min_size=1), odd))
    model = LABEL_MODELS["majority"]().fit(L)
    found = model.score(L, y, chosen, draw(mostly(st.sampled_from(["abstain", "first"]), odd)))
    for row, share in zip(table, model.predict_proba(L), strict=True):
        counts = [(row == code).sum() for code in (0, 1)]
        assert share[0] == (0.5 if counts[0] == counts[1] else float(counts[0] > counts[1]))
    if "accuracy" in found and isinstance(y, list):
        predicted = [code for code in model.predict(L, "first")]
        clear = [(row == 0).sum() != (row == 1).sum() for row in table]
        pairs = [
            (["ham", "spam"].index(label), code)
            for label, code, one in zip(y, predicted, clear, strict=True)
            if label in ("ham", "spam") and one
        ]
        if len(pairs) == sum(label in ("ham", "spam") for label in y):
            want = sklearn_metrics.accuracy_score(*zip(*pairs, strict=True))
            assert np.isclose(found["accuracy"], want)


@door("label_models.label_rows")
def labels_of_rows(draw, folder):
    L = draw(mostly(votes(rows=(3, 12)), arrays((1, 3))))
    name = draw(mostly(st.sampled_from(["majority", "label-model"]), odd))
    table = label_rows(L, name, draw(st.booleans()))
    dense = np.asarray(L, dtype=float)
    assert table["n_votes"].tolist() == (dense >= 0).sum(1).tolist()
    assert table["covered"].tolist() == (dense >= 0).any(1).tolist()
    several = [len(set(row[row >= 0].tolist())) > 1 for row in dense]
    assert table["conflict"].tolist() == several
    p = table[[column for column in table if column.startswith("p_")]].to_numpy()
    assert np.allclose(p.sum(1), 1) and np.allclose(table["confidence"], p.max(1))
    assert all(label is None for label in table["predicted"][~table["covered"]])


@door("label_models.register_label_model")
def registering(draw, folder):
    class Own(LabelModel):
        """A label model of one's own."""

    name = draw(
        mostly(st.sampled_from(["own", "other"]), st.one_of(st.just("majority"), small_odd))
    )
    kind = draw(mostly(st.just(Own), small_odd))
    before = dict(LABEL_MODELS)
    try:
        register_label_model(name, kind)
        assert LABEL_MODELS[name] is kind is Own
    finally:
        for added in LABEL_MODELS.keys() - before.keys():
            del LABEL_MODELS[added]
