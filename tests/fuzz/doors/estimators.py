"""Estimators: odd features, gold, votes and parameters; what they predict is finite and whole."""

import numpy as np
from hypothesis import strategies as st
from registry import door
from sklearn.base import clone
from values import arrays, gold, mostly, odd, small_odd, votes

from spear_amal import estimators, training
from spear_amal.estimators import distiller, nest_options, option_places

NAMES = [
    *("GoldClassifier", "LabelModelClassifier", "ReweightedClassifier", "RuleNetworkClassifier"),
    *("SpearClassifier", "DistilledClassifier", "AuxiliaryClassifier", "SingleModelClassifier"),
    "SelfTrainedClassifier",
]
#: Numbers of epochs, rows and folds ask for work: small ones alone are drawn.
QUICK = {"trainer__max_epochs": 2, "trainer__batch_size": 8, "hidden": (4,)}


def quick(draw, cls, changes):
    """Draw an estimator that trains for two epochs and has some odd parameters."""
    model = cls()
    nested = {"trainer": training.TrainerConfig(max_epochs=2)}
    if "rule_model" in model.get_params(deep=False):
        nested["rule_model"] = estimators.RuleModelConfig()
    if "self_training" in model.get_params(deep=False):
        nested["self_training"] = estimators.SelfTrainingConfig()
    model.set_params(**nested)
    model.set_params(**{name: v for name, v in QUICK.items() if name in model.get_params()})
    if cls.__name__ == "DistilledClassifier":
        model.set_params(student="linear")
    if cls.__name__ == "AuxiliaryClassifier":
        model.set_params(network="linear", tasks=())
    names = sorted(model.get_params())
    for _ in range(draw(st.sampled_from([0] * 6 + [1, changes]))):
        model.set_params(**{draw(st.sampled_from(names)): draw(small_odd)})
    return model


@st.composite
def features(draw, n):
    """Draw features of n rows: numbers, some of them odd."""
    anything = draw(mostly(st.none(), arrays((0, 3)), 11))
    if anything is not None:
        return anything
    X = np.linspace(-1, 1, 3 * n).reshape(n, 3)
    if n and draw(st.sampled_from([False] * 5 + [True])):
        X[0, 0] = draw(st.sampled_from([np.nan, np.inf, 1e300, -1e39, 1e-320, 0.0]))
    return X.astype(draw(st.sampled_from(["f4", "f8", "f2"])))


@door(
    *(f"estimators.{name}" for name in NAMES),
    *(f"spear_amal.{name}" for name in NAMES),
    "estimators.SelfTrainingConfig",
    *("estimators.RuleModelConfig", "spear_amal.RuleModelConfig", "spear_amal.TrainerConfig"),
    *("training.TrainerConfig", "estimators.BaseSpearEstimator", "training.Trainer"),
)
def estimator_fits(draw, folder):
    model = quick(draw, getattr(estimators, draw(st.sampled_from(NAMES))), changes=2)
    L = draw(mostly(votes(rows=(6, 12)), votes(rows=(0, 5))))
    n = len(L)
    X, y = draw(features(n)), draw(gold(n, L.classes))
    given = draw(st.sampled_from(["right"] * 6 + ["none", "odd"]))
    L = L if given == "right" else None if given == "none" else draw(st.one_of(arrays(), odd))
    model.fit(X, y, L=L)
    votes_needed = {} if model.exponent_ == 0 else {"L": L}
    p = model.predict_proba(X, **votes_needed)
    assert p.shape == (n, len(model.classes_)) and np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-4)
    predicted = model.predict(X, **votes_needed)
    np.testing.assert_array_equal(predicted, np.asarray(model.classes_)[p.argmax(1)])
    assert list(model.classes_) == sorted(model.classes_)
    if model.get_params().get("random_state", 0) is not None:
        again = clone(model).fit(X, y, L=L)
        np.testing.assert_array_equal(again.predict_proba(X, **votes_needed), p)
    path = folder / "model.safetensors"
    model.save(path)
    np.testing.assert_array_equal(type(model).load(path).predict_proba(X, **votes_needed), p)
    other = draw(features(4))
    assert np.isfinite(model.predict_proba(other, **votes_needed)).all()


@door(
    *("estimators.distiller", "spear_amal.distiller", "estimators.nest_options"),
    *("estimators.option_places", "estimators.DISTILLATION", "estimators.PRESETS"),
)
def options_by_name(draw, folder):
    cls = getattr(estimators, draw(st.sampled_from(NAMES)))
    known = st.sampled_from(sorted(option_places(cls)))
    names = mostly(known, st.text(max_size=5), 12)
    options = draw(st.dictionaries(names, small_odd, max_size=2))
    if draw(st.booleans()):
        made = cls(**nest_options(cls, options)).get_params()
        places = option_places(cls)
        for name, value in options.items():
            key = "__".join(filter(None, [places.get(name, ""), name]))
            assert made[key] is value
    else:
        method = draw(mostly(st.sampled_from(sorted(estimators.DISTILLATION)), small_odd, 3))
        distiller(method, **options)
