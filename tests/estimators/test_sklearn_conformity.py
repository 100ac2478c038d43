"""scikit-learn's own checks, and the tools people wrap estimators in."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from spear_amal import (
    GoldClassifier,
    LabelModelClassifier,
    PooledClassifier,
    SpearClassifier,
    TrainerConfig,
    estimators,
)
from spear_amal.data import TextFeatures, partition, synthetic_corpus
from spear_amal.estimators import (
    AuxiliaryClassifier,
    BaseSpearEstimator,
    DistilledClassifier,
    ReweightedClassifier,
    RotationDistiller,
    RuleNetworkClassifier,
    SelfTrainedClassifier,
    SingleModelClassifier,
)
from spear_amal.labeling import PandasLFApplier, keyword_lf
from spear_amal.testing import ContractError, check_estimator

EXPECTED = {
    "check_classifiers_classes": "it labels one of two classes -1, which means unlabelled here, as "
    "in scikit-learn's own semi-supervised estimators",
    # A row twice may be held out once; tests/estimators/test_weights.py has the case that holds.
    "check_sample_weight_equivalence_on_dense_data": "validation rows are drawn by row",
    "check_sample_weight_equivalence_on_sparse_data": "validation rows are drawn by row",
}
# Of those that stop early.
CLASS_WEIGHTS = {
    "check_class_weight_classifiers": "validation rows count alike, and choose the epoch",
}
KINDS = (
    *(LabelModelClassifier, SpearClassifier, RuleNetworkClassifier, ReweightedClassifier),
    SelfTrainedClassifier,
)
SGD = TrainerConfig(optimiser="sgd", batch_size=31, max_epochs=7, dtype="float64")
ESTIMATORS = [
    GoldClassifier(trainer=TrainerConfig(max_epochs=5)),
    *(kind(trainer=TrainerConfig(max_epochs=7)) for kind in KINDS),
    PooledClassifier(trainer=TrainerConfig(max_epochs=4), n_folds=3),
    SingleModelClassifier(trainer=TrainerConfig(max_epochs=4), n_folds=3),
    # Single precision rounds hidden layers by more than the checks allow.
    DistilledClassifier("mlp:11", trainer=SGD),
    AuxiliaryClassifier(
        "mlp:11",
        ["l2"],
        trainer=SGD,
    ),
]


def test_every_estimator_is_covered():
    kinds = {k for k in vars(estimators).values() if isinstance(k, type)}
    trained = {k for k in kinds if issubclass(k, BaseSpearEstimator)} - {BaseSpearEstimator}
    # scikit-learn's checks hand in rows of features; SSKD takes square images alone.
    assert trained - {RotationDistiller} == {type(one) for one in ESTIMATORS}


def expected(estimator):
    """Checks that cannot hold, with the reason."""
    goes_on = isinstance(estimator, DistilledClassifier | AuxiliaryClassifier)
    return EXPECTED if goes_on else EXPECTED | CLASS_WEIGHTS


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected)
@pytest.mark.filterwarnings("ignore:.*SCIPY_ARRAY_API:sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def small():
    corpus = synthetic_corpus(n=400, seed=1, n_test=80)
    lfs = [
        keyword_lf("love", ["love", "wedding", "marriage", "heart"], label=0),
        keyword_lf("fight", ["battle", "kill", "war", "agent"], label=1),
    ]
    votes = PandasLFApplier(lfs, classes=corpus.classes).apply(corpus.frame, progress_bar=False)
    parts = partition(corpus, 0, 90, 60)
    return corpus, votes, parts


CHANGED = {
    "hidden": (7,),
    "lr": 0.5,
    "lr_scale": 0.25,
    "prior_correction": True,
    "mixer_options": {"meta_size": 3},
    "losses": (1, 3),
    "rule_hidden": (5, 3),
    "label_model": "cage",
    "form": "posterior",
    "student": "mlp:3",
    "network": "mlp:3",
    "tasks": ("rotation", "l2"),
    "l2": 0.5,
    "temperature": 2.0,
    "milestones": (3, 5),
}


@pytest.mark.parametrize(
    "kind",
    sorted({type(one) for one in ESTIMATORS}, key=lambda kind: kind.__name__),
    ids=lambda kind: kind.__name__,
)
def test_clone_keeps_every_parameter(kind):
    known = kind().get_params()
    changed = {name: value for name, value in CHANGED.items() if name in known}
    model = kind(**changed)
    assert model.get_params() == {**known, **changed}
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(TypeError):
        kind("linear", (), 0.5)  # parameters are given by name, but for student and teachers
    with pytest.raises(TypeError):
        kind(learning_rate=0.5)


def test_pipeline_with_votes(small):
    corpus, votes, parts = small
    y = parts.observed_labels(corpus.labels)[parts.train]
    model = make_pipeline(
        TextFeatures(min_df=1),
        TruncatedSVD(7, random_state=0),
        SpearClassifier(trainer=TrainerConfig(max_epochs=20)),
    )
    texts = corpus.frame["text"]
    model.fit(texts.iloc[parts.train], y, spearclassifier__L=votes[parts.train])
    found = model.score(texts.iloc[parts.test], corpus.labels[parts.test])
    assert found > 0.6


def test_grid_search_splits_the_votes_with_the_rows(small):
    corpus, votes, parts = small
    x = TextFeatures(min_df=1).fit_transform(corpus.frame["text"].iloc[parts.train])
    y = parts.observed_labels(corpus.labels)[parts.train]
    # Folds over all rows; unlabelled ones (-1) are left out of the score.
    search = GridSearchCV(
        SpearClassifier(trainer=TrainerConfig(max_epochs=5)),
        {"mixer": ["amal", "fixed"]},
        cv=StratifiedKFold(2, shuffle=True, random_state=0),
    )
    search.fit(x, y, L=votes[parts.train])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.n_lfs_ == 2


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_every_estimator_keeps_the_contract(estimator):
    check_estimator(estimator)


def test_the_contract_finds_fit_arguments_left_on_self():
    class Keeping(GoldClassifier):
        def fit(self, X, y, L=None, **validation):
            self.rows = X
            return super().fit(X, y, L, **validation)

    with pytest.raises(ContractError, match=r"leaves .*rows"):
        check_estimator(Keeping(trainer=TrainerConfig(max_epochs=2)))


def test_grid_search_over_options_of_objects(small):
    corpus, votes, parts = small
    x = TextFeatures(min_df=1).fit_transform(corpus.frame["text"].iloc[parts.train])
    y = parts.observed_labels(corpus.labels)[parts.train]
    grid = {"trainer__lr": [1e-9, 0.01], "rule_model__quality_guides": [0.7], "mixer": ["fixed"]}
    search = GridSearchCV(SpearClassifier.from_options(max_epochs=5), grid, cv=2)
    search.fit(x, y, L=votes[parts.train])
    best = search.best_estimator_
    assert best.trainer.lr == search.best_params_["trainer__lr"]
    assert best.rule_model.quality_guides == 0.7
    assert best.trainer.max_epochs == 5  # what was given stays beside what is searched
