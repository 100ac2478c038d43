"""Snorkel's public names, by module: the same behaviour, or an error that says what to use."""

import importlib
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spear_amal.errors import InputError, OutputExistsError
from spear_amal.labeling import keyword_lf

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("snorkel.labeling", reason="snorkel is not installed")
    import snorkel.analysis
    import snorkel.labeling.model
    import snorkel.slicing
    import snorkel.utils

import spear_amal.analysis
import spear_amal.slicing
import spear_amal.utils
from spear_amal.labeling import model as our_models

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning"),
    pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true"),
    pytest.mark.filterwarnings("ignore:A single label was found"),
]

# The packages and the modules that Snorkel's documentation imports from.
PACKAGES = (
    "labeling",
    "labeling.apply.dask",
    "labeling.apply.spark",
    "labeling.lf",
    "labeling.lf.nlp",
    "labeling.lf.nlp_spark",
    "labeling.model",
    "labeling.utils",
    "preprocess",
    "preprocess.nlp",
    "preprocess.spark",
    "map",
    "map.spark",
    "slicing",
    "slicing.apply.dask",
    "slicing.apply.spark",
    "slicing.sf",
    "slicing.sf.nlp",
    "analysis",
    "utils",
    "augmentation",
    "classification",
)
# What cannot be imported without dask or pyspark; names from the source of Snorkel 0.10.
WITHOUT_EXTRAS = {
    "labeling.apply.dask": ["DaskLFApplier", "PandasParallelLFApplier"],
    "labeling.apply.spark": ["SparkLFApplier"],
    "labeling.lf.nlp_spark": ["SparkNLPLabelingFunction", "spark_nlp_labeling_function"],
    "preprocess.spark": ["make_spark_preprocessor"],
    "map.spark": ["make_spark_mapper"],
    "slicing.apply.dask": ["DaskSFApplier", "PandasParallelSFApplier"],
    "slicing.apply.spark": ["SparkSFApplier"],
}
PRESENT = {
    "PandasParallelLFApplier",
    "LFAnalysis",
    "LFApplier",
    "PandasLFApplier",
    "LabelingFunction",
    "labeling_function",
    "filter_unlabeled_dataframe",
    "NLPLabelingFunction",
    "nlp_labeling_function",
    "LabelModel",
    "MajorityLabelVoter",
    "MajorityClassVoter",
    "RandomVoter",
    "BasePreprocessor",
    "LambdaPreprocessor",
    "Preprocessor",
    "preprocessor",
    "SpacyPreprocessor",
    "BaseMapper",
    "LambdaMapper",
    "Mapper",
    "lambda_mapper",
    "PandasSFApplier",
    "SFApplier",
    "SlicingFunction",
    "slicing_function",
    "slice_dataframe",
    "NLPSlicingFunction",
    "nlp_slicing_function",
    "Scorer",
    "metric_score",
    "get_label_buckets",
    "get_label_instances",
    "filter_labels",
    "preds_to_probs",
    "probs_to_preds",
    "to_int_label_array",
}
# Pieces that classes above are made of in Snorkel, and that its documentation does not show.
INNER = {"BaseNLPLabelingFunction", "SpacyPreprocessorParameters", "SpacyPreprocessorConfig",
         "base_nlp_labeling_function"}  # fmt: skip


def public_names(module):
    if module in WITHOUT_EXTRAS:
        return WITHOUT_EXTRAS[module]
    theirs = importlib.import_module(f"snorkel.{module}")
    # A package offers what it imports from below, a module what it defines.
    whole = hasattr(theirs, "__path__")
    home = f"snorkel.{module.split('.')[0] if whole else module}"
    return [
        name
        for name, value in vars(theirs).items()
        if name not in INNER
        and not name.startswith("_")
        and getattr(value, "__module__", "").startswith(home)
    ]


@pytest.mark.parametrize("module", PACKAGES)
def test_every_name_is_there_or_says_what_to_use(module):
    names = public_names(module)
    assert names
    ours = importlib.import_module(f"spear_amal.{module}")
    for name in names:
        if name in PRESENT:
            assert callable(getattr(ours, name)), name
        else:
            with pytest.raises(
                ImportError,
                match=rf"has no {name}, which Snorkel has; .*spear_amal|torch|Parquet|DataFrame",
            ):
                getattr(ours, name)


def test_the_message_reaches_an_import_statement():
    with pytest.raises(ImportError, match="score slices with"):
        from spear_amal.slicing import SliceAwareClassifier  # noqa: F401


def test_a_name_that_nobody_has_is_an_attribute_error():
    for module in (our_models, spear_amal.slicing):
        with pytest.raises(AttributeError, match="has no attribute 'LabelModell'"):
            _ = module.LabelModell


# -- utils and analysis ---------------------------------------------------------------------------


@st.composite
def scored_rows(draw):
    n, c = draw(st.integers(2, 13)), draw(st.integers(2, 4))
    codes = hnp.arrays(np.int64, n, elements=st.integers(-1, c - 1))
    golds, preds = draw(codes), draw(codes)
    golds[0], preds[0] = 0, 0  # a row that is scored
    probs = draw(hnp.arrays(float, (n, c), elements=st.sampled_from([0.125, 0.25, 0.5])))
    return golds, preds, probs / probs.sum(1, keepdims=True)


METRICS = ["accuracy", "coverage", "f1_micro", "f1_macro", "matthews_corrcoef"]
BINARY = ["precision", "recall", "f1", "fbeta"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(scored_rows())
def test_metrics_and_scorers_agree(rows):
    golds, preds, probs = rows
    left_out = {"golds": [-1], "preds": [-1]}
    binary = probs.shape[1] == 2
    for metric in METRICS + (BINARY if binary else []):
        options = {"beta": 2.0} if metric == "fbeta" else {}
        old, new = (
            package.metric_score(golds, preds, probs, metric, left_out, **options)
            for package in (snorkel.analysis, spear_amal.analysis)
        )
        assert new == pytest.approx(old, nan_ok=True), metric
    custom = {"share": lambda golds, preds, probs: {"wrong": float((golds != preds).mean())}}
    old, new = (
        package.Scorer(METRICS, custom).score(golds, preds, probs)
        for package in (snorkel.analysis, spear_amal.analysis)
    )
    assert list(old) == list(new)
    assert list(new.values()) == pytest.approx(list(old.values()), nan_ok=True)


def test_roc_auc_agrees():
    golds, probs = np.array([0, 1, 1, 0, -1]), np.random.default_rng(0).random((5, 2))
    arguments = (golds, None, probs, "roc_auc", {"golds": [-1]})
    theirs = snorkel.analysis.metric_score(*arguments)
    assert spear_amal.analysis.metric_score(*arguments) == theirs


def test_slices_are_scored_alike():
    rng = np.random.default_rng(1)
    golds, preds = rng.integers(0, 2, (2, 23))
    probs = rng.random((23, 2))
    S = np.rec.fromarrays([rng.integers(0, 2, 23), np.ones(23, int)], names="short,all")
    for as_dataframe in (False, True):
        old, new = (
            package.Scorer(["accuracy", "f1"]).score_slices(S, golds, preds, probs, as_dataframe)
            for package in (snorkel.analysis, spear_amal.analysis)
        )
        if as_dataframe:
            pd.testing.assert_frame_equal(old, new)
        else:
            assert old == new


@pytest.mark.parametrize("X", [[[1.0], [0.0]], [1, 2], [[3]], [True, False]])
def test_int_labels_agree(X):
    array = np.array(X)
    for flatten in (True, False):
        old, new = (
            package.to_int_label_array(array, flatten)
            for package in (snorkel.utils, spear_amal.utils)
        )
        assert old.shape == new.shape and (old == new).all() and old.dtype == new.dtype


@pytest.mark.parametrize("X", [[0.5, 1.0], [[1, 2], [3, 4]]])
def test_int_labels_refuse_alike(X):
    for package in (snorkel.utils, spear_amal.utils):
        with pytest.raises(ValueError):
            package.to_int_label_array(np.array(X))


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(scored_rows(), st.lists(st.integers(-1, 2), min_size=1, max_size=2))
def test_filters_agree(rows, left_out):
    labels = dict(zip(("golds", "preds", "probs"), rows, strict=True)) | {"none": None}
    for chosen in ({"golds": left_out}, {"golds": left_out, "preds": [-1]}):
        old, new = (p.filter_labels(labels, chosen) for p in (snorkel.utils, spear_amal.utils))
        assert old.keys() == new.keys() and new["none"] is None
        assert all(np.array_equal(old[name], new[name]) for name in ("golds", "preds", "probs"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: a.metric_score([1], [1], metric="f2"), "unknown metric 'f2'"),
        (lambda a: a.metric_score([1], None), "needs preds"),
        (lambda a: a.metric_score([2, 0], [2, 0], metric="f1"), "f1_macro"),
        (lambda a: a.metric_score([1], [1], filter_dict={"gold": [0]}), "filter_dict names"),
        (lambda a: a.Scorer("accuracy"), "list of names"),
        (lambda a: a.Scorer(["accuracy"]).score([]), "no rows"),
    ],
)
def test_scorers_refuse(call, message):
    with pytest.raises(InputError, match=message):
        call(spear_amal.analysis)


# -- slicing --------------------------------------------------------------------------------------

FRAME = pd.DataFrame(
    {"text": ["ok", "see you later", "hi", ""], "n": [1, 2, 3, 4]}, index=list("cabb")
)


def slices(package, preprocessor):
    @preprocessor()
    def words(x):
        x.words = x.text.split()
        return x

    @package.slicing_function(pre=[words])
    def short(x):
        return len(x.words) < 2

    @package.slicing_function(name="odd", resources={"base": 2})
    def is_odd(x, base):
        return x.n % base == 1

    return [short, is_odd, package.SlicingFunction("one", lambda x: int(x.n == 1))]


def test_slices_agree():
    from snorkel.preprocess import preprocessor as theirs

    from spear_amal.preprocess import preprocessor as ours

    old, new = slices(snorkel.slicing, theirs), slices(spear_amal.slicing, ours)
    assert [sf(FRAME.iloc[0]) for sf in old] == [sf(FRAME.iloc[0]) for sf in new] == [True, True, 1]
    S_old = snorkel.slicing.PandasSFApplier(old).apply(FRAME, progress_bar=False)
    S_new = spear_amal.slicing.PandasSFApplier(new).apply(FRAME, progress_bar=False)
    assert S_old.dtype == S_new.dtype and (S_old == S_new).all()
    assert (spear_amal.slicing.PandasSFApplier(old).apply(FRAME) == S_old).all()
    rows = [SimpleNamespace(**row) for row in FRAME.to_dict("records")]
    assert (spear_amal.slicing.SFApplier(new).apply(rows, progress_bar=False) == S_old).all()
    for mine, other in zip(new, old, strict=True):
        pd.testing.assert_frame_equal(
            spear_amal.slicing.slice_dataframe(FRAME, mine),
            snorkel.slicing.slice_dataframe(FRAME, other),
        )


def test_an_abstaining_slice_is_refused():
    # Snorkel takes such rows for members of the slice.
    doubtful = spear_amal.slicing.SlicingFunction("doubtful", lambda x: -1)
    with pytest.raises(InputError, match=r"'doubtful' abstained \(-1\) on row 0"):
        spear_amal.slicing.slice_dataframe(FRAME, doubtful)
    S = spear_amal.slicing.PandasSFApplier([doubtful]).apply(FRAME)
    with pytest.raises(InputError, match="True or False"):
        spear_amal.analysis.Scorer(["accuracy"]).score_slices(S, [0] * 4, [0] * 4, [[1, 0]] * 4)


def test_faults_in_slices_are_counted():
    fails = spear_amal.slicing.SlicingFunction("fails", lambda x: 1 / 0)
    applier = spear_amal.slicing.PandasSFApplier([fails])
    S, meta = applier.apply(FRAME, False, fault_tolerant=True, return_meta=True)
    assert S["fails"].tolist() == [-1] * 4 and meta.faults == {"fails": 4}


# -- label models ---------------------------------------------------------------------------------


@st.composite
def votes(draw):
    n, m, c = draw(st.integers(2, 13)), draw(st.integers(1, 5)), draw(st.integers(2, 4))
    return draw(hnp.arrays(np.int64, (n, m), elements=st.integers(-1, c - 1))), c


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(votes(), st.sampled_from(["abstain", "random"]))
def test_majority_votes_agree(made, policy):
    L, c = made
    old = snorkel.labeling.model.MajorityLabelVoter(cardinality=c)
    new = our_models.MajorityLabelVoter(cardinality=c)
    assert np.array_equal(old.predict_proba(L), new.predict_proba(L))
    for mine, theirs in zip(
        new.predict(L, True, policy), old.predict(L, True, policy), strict=True
    ):
        assert np.array_equal(mine, theirs)
    gold = np.arange(len(L)) % c
    try:
        expected = old.score(L, gold, METRICS, policy)
    except ValueError:  # no row has a prediction
        return
    assert new.score(L, gold, METRICS, policy) == pytest.approx(expected, nan_ok=True)


def test_the_majority_class_agrees():
    L = np.array([[0, 0, -1], [-1, 0, 1]])
    for balance in ([0.8, 0.2, 0.0], [0.4, 0.2, 0.4]):
        old = snorkel.labeling.model.MajorityClassVoter(cardinality=3)
        new = our_models.MajorityClassVoter(cardinality=3)
        old.fit(np.array(balance))
        assert np.array_equal(new.fit(balance).predict_proba(L), old.predict_proba(L))
    with pytest.raises(InputError, match="call fit"):
        our_models.MajorityClassVoter().predict_proba(L)


def test_random_votes_are_distributions_and_repeat_by_seed():
    L = np.zeros((5, 2), dtype=int)
    first, second = (our_models.RandomVoter(3, random_state=7).predict_proba(L) for _ in range(2))
    assert np.array_equal(first, second) and np.allclose(first.sum(1), 1)
    assert not np.array_equal(first, our_models.RandomVoter(3).predict_proba(L))


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(5)
    gold = (rng.random(600) < 0.4).astype(int)
    right = rng.random((600, 5)) < [0.9, 0.8, 0.7, 0.85, 0.75]
    L = np.where(right, gold[:, None], 1 - gold[:, None])
    return np.where(rng.random((600, 5)) < 0.6, L, -1), gold


def fitted(module, L, **options):
    model = module.LabelModel(cardinality=2, verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(L_train=L, n_epochs=500, log_freq=100, seed=123, progress_bar=False, **options)
    return model


@pytest.mark.parametrize("options", [{}, {"class_balance": [0.6, 0.4]}, {"Y_dev": [0, 0, 0, 1, 1]}])
def test_label_models_believe_much_the_same(made, options):
    L, gold = made
    from spear_amal.label_models.snorkel_model import untouched_globals

    options = {k: np.array(v) if k == "Y_dev" else v for k, v in options.items()}
    with untouched_globals():
        old = fitted(snorkel.labeling.model, L, **options)
    new = fitted(our_models, L, **options)
    p_old, p_new = old.predict_proba(L), new.predict_proba(L)
    assert p_new.shape == p_old.shape
    silent = (L < 0).all(1)
    assert np.allclose(p_new[silent], p_old[silent])  # the shares of the classes
    assert (new.predict(L) == old.predict(L)).mean() > 0.9
    assert np.abs(new.get_weights() - old.get_weights()).max() < 0.1
    table = new.get_conditional_probs()
    assert table.shape == old.get_conditional_probs().shape == (5, 3, 2)
    assert np.allclose(table.sum(1), 1)
    assert np.abs(table - old.get_conditional_probs()).max() < 0.15
    scores = new.score(L, gold, ["accuracy", "f1", "coverage", "roc_auc"], "random")
    assert scores["accuracy"] > 0.8 and scores["coverage"] == 1.0


def test_conditional_probabilities_are_shares_of_votes(made):
    L, _ = made
    model = fitted(our_models, L)
    p = model.predict_proba(L)
    expected = [[[p[L[:, j] == v - 1, y].sum() / p[:, y].sum() for y in (0, 1)] for v in range(3)]
                for j in range(5)]  # fmt: skip
    assert np.allclose(model.get_conditional_probs(), expected)


def test_a_model_comes_back_from_its_file(made, tmp_path):
    L, _ = made
    model = fitted(our_models, L, class_balance=[0.7, 0.3])
    model.save(tmp_path / "model.pkl")
    again = our_models.LabelModel(cardinality=2)
    again.load(tmp_path / "model.pkl")
    assert np.array_equal(again.predict_proba(L), model.predict_proba(L))
    assert np.array_equal(again.get_weights(), model.get_weights())
    assert not (tmp_path / "model.pkl").read_bytes().startswith(b"\x80")  # no pickle
    with pytest.raises(OutputExistsError):
        model.save(tmp_path / "model.pkl", overwrite=False)


def test_votes_of_our_appliers_are_taken_by_code(made):
    from spear_amal.votes.label_matrix import LabelMatrix

    L, _ = made
    named = LabelMatrix.from_dense(L, classes=["ham", "spam"])
    assert np.array_equal(
        fitted(our_models, named).predict(named), fitted(our_models, L).predict(L)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 3}, "no option 'epochs'"),
        ({"l2": 0.4}, "l2 of Snorkel's label model are not there"),
        ({"class_balance": [0.5, 0.3, 0.2]}, "class_balance must have each of the 2 classes"),
        ({"Y_dev": [1, 1]}, "Y_dev must have each"),
        ({"n_epochs": 0}, "max_iter"),
    ],
)
def test_what_cannot_be_is_refused(made, options, message):
    with pytest.raises(InputError, match=message):
        our_models.LabelModel(cardinality=2).fit(made[0], **options)


def test_too_many_classes_are_refused():
    for model in (our_models.LabelModel(), our_models.MajorityLabelVoter()):
        with pytest.raises(InputError, match="give cardinality=3"):
            (model.fit if hasattr(model, "fit") else model.predict)([[2, 0, 1]])


def test_metrics_that_are_not_defined_are_refused():
    from spear_amal.analysis import metric_score
    from spear_amal.utils import filter_labels, to_int_label_array

    with pytest.raises(InputError, match="'precision' cannot be computed"):
        metric_score([0, 2, 1], [0, 1, 2], metric="precision")
    with pytest.raises(InputError, match="'accuracy' cannot be computed"):  # no row is left
        metric_score([0], [-1], filter_dict={"preds": [-1]})
    with pytest.raises(InputError, match="labels must be an array of rows of one shape"):
        to_int_label_array([[0, 1], [0]])
    assert filter_labels({"golds": [[]]}, {"golds": [-1]})["golds"].shape == (1, 0)


def test_an_lf_that_votes_for_a_class_is_no_slicing_function():
    lf = keyword_lf("short", ["a"], 0)
    with pytest.raises(InputError, match="make it a @slicing_function"):
        spear_amal.slicing.slice_dataframe(FRAME, lf)
