"""Label models: odd votes, gold and options."""

import numpy as np
from hypothesis import strategies as st
from registry import door
from values import arrays, gold, mostly, odd, small_odd, votes

from spear_amal.label_models import LABEL_MODELS, register_label_model


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
    L = draw(mostly(votes(), arrays((1, 3))))
    n = L.shape[0] if hasattr(L, "shape") else len(L)
    y = draw(mostly(st.one_of(st.none(), gold(n, getattr(L, "classes", (0, 1)))), odd))
    p = model.fit(L, y).predict_proba(L)
    assert p.shape == (n, len(model.classes_)) and np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-6)
    model.predict(L, draw(mostly(st.sampled_from(["abstain", "random", "true-random"]), odd)))


@door("label_models.register_label_model")
def registering(draw, folder):
    name = draw(st.one_of(st.just("majority"), small_odd))
    before = dict(LABEL_MODELS)
    try:
        register_label_model(name, draw(small_odd))
    finally:
        for added in LABEL_MODELS.keys() - before.keys():
            del LABEL_MODELS[added]
