"""Methods by name: parsing and its inverse, mistakes, words for tables; and all of them train."""

import dataclasses
import string
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spear_amal.errors import InputError
from spear_amal.estimators import GoldClassifier, SpearClassifier, option_places
from spear_amal.studies import METHODS, make_split, parse_method, register_method
from spear_amal.studies.methods import find_method

FORMS = ("single", "refit", "crossfit=3")


# -- reading and writing --------------------------------------------------------------------------

OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "refit": st.booleans(),
        "crossfit": st.integers(2, 7),
        "lr_scale": st.integers(1, 999).map(lambda i: i / 100),
        "lr": st.none() | st.sampled_from([1e-5, 0.03, 2.0]),
        "batch_size": st.none() | st.integers(1, 2048),
        "prior_correction": st.booleans(),
        "metric": st.sampled_from(["accuracy", "f1", "macro-f1"]),
        "feature_model": st.sampled_from(["linear", "mlp"]),
    },
).filter(lambda options: not (options.get("refit") and options.get("crossfit")))


@given(st.sampled_from(sorted(METHODS)), OPTIONS)
def test_text_is_read_back_to_the_same_options(name, options):
    # A pool is always in folds, three at least.
    in_folds = name in ("recommended", "single-model")
    assume(not in_folds or not ("refit" in options or options.get("crossfit", 3) < 3))
    written = ",".join(f"{k}={str(v).lower()}" for k, v in options.items())
    spec = parse_method(f"{name}:{written}" if options else name)
    assert spec.method is METHODS[name]
    assert spec.options == options
    again = parse_method(spec.text)
    assert (again.options, again.text, again.title) == (options, spec.text, spec.title)
    params, places = spec.make().get_params(), option_places(spec.method.estimator)
    for option, value in options.items():
        if option not in ("refit", "crossfit"):
            assert params[f"{places[option]}__{option}" if places[option] else option] == value


@given(st.sampled_from(sorted(METHODS)), st.text(string.ascii_lowercase + "=,: 0.-", max_size=17))
def test_any_text_is_read_or_refused_as_bad_input(name, rest):
    try:
        spec = parse_method(f"{name}:{rest}")
    except ValueError as error:  # InputError, or scikit-learn's for a value out of range
        assert str(error)
    else:
        assert parse_method(spec.text).options == spec.options


def test_options_may_be_spaced_and_flags_stand_alone():
    assert parse_method(" amal : refit, weight_lr = 3 ,").options == {"refit": True, "weight_lr": 3}


def test_options_of_a_mixer_reach_the_mixer():
    model = parse_method("amal-joint:weight_lr=7,refresh_every=5").make(random_state=3)
    mixer = model._new_mixer()
    assert (mixer.weight_lr, mixer.refresh_every, mixer.outer) == (7, 5, "feature+rules")
    assert model.random_state == 3
    assert parse_method("mwn:lookahead_lr=0.25").make()._new_mixer().lookahead_lr == 0.25
    losses = parse_method("spear:losses=134567").make().rule_model.make_losses(True)
    assert "entropy" not in losses.names
    assert len(losses) == 5


def test_options_of_a_label_model_reach_the_label_model():
    spec = parse_method("dawid-skene:model_abstains=false,smoothing=0.5,lr_scale=0.3")
    estimator = spec.make()
    assert estimator.label_model == "dawid-skene"
    assert estimator.label_model_options == {"model_abstains": False, "smoothing": 0.5}
    assert estimator.trainer.lr_scale == 0.3
    assert parse_method(spec.text).make().label_model_options == estimator.label_model_options
    assert parse_method("dawid-skene").make().label_model_options is None

    both = parse_method("cage:lr=0.5,label_model__lr=0.02,epochs=7").make()  # two by one name
    assert both.trainer.lr == 0.5
    assert both.label_model_options == {"lr": 0.02, "epochs": 7}

    shares = parse_method("label-model:class_balance=0.8/0.2")
    assert shares.make().label_model_options == {"class_balance": (0.8, 0.2)}
    assert shares.text == "label-model:class_balance=0.8/0.2"
    even = parse_method("snorkel:class_balance=balanced").make()
    assert even.label_model_options == {"class_balance": "balanced"}

    other = parse_method("mwn:label_model=dawid-skene,max_iter=3,lookahead_lr=0.3").make()
    assert other.label_model_options == {"max_iter": 3}
    assert other.mixer_options == {"lookahead_lr": 0.3}
    for text, message in (
        ("dawid-skene:model_abstains=perhaps", "model_abstains must be 'auto', True or False"),
        ("majority:smoothing=0.5", "no option 'smoothing'"),
        ("spear:model_abstains=true", "no option 'model_abstains'"),
    ):
        with pytest.raises(InputError, match=message):
            parse_method(text)


def test_options_win_over_settings_and_settings_that_do_not_fit_are_left_out():
    spec = parse_method("spear:metric=macro-f1")
    model = spec.make(metric="f1", random_state=5, mixer="amal", unheard=1)
    assert (model.metric, model.random_state, model.mixer) == ("macro-f1", 5, "fixed")


@pytest.mark.parametrize(
    ("text", "final", "folds"),
    [
        ("only-l", "single", None),
        ("only-lv", "refit", None),
        ("only-lv:crossfit=3", "crossfit", 3),
        ("only-lv:refit=false", "single", None),
        ("spear:refit", "refit", None),
        ("recommended", "crossfit", 5),
        ("recommended:crossfit=3", "crossfit", 3),
        ("amal-folds:crossfit=0", "single", None),
    ],
)
def test_finals(text, final, folds):
    model = parse_method(text).make()
    assert model.fit_strategy == final
    assert folds is None or model.n_folds == folds


# -- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ammal", "did you mean 'amal'"),
        ("", "unknown method"),
        ("dawid-skeen", "did you mean 'dawid-skene'"),
        ("amal:weight_r=3", "did you mean weight_lr"),
        ("imply-loss:gama=3", "did you mean gamma"),
        ("only-l:weight_lr=3", "no option 'weight_lr'"),
        ("amal:weight_lr=", "is no option"),
        ("amal:=3", "is no option"),
        ("amal:weight_lr=-1", "weight_lr must be at least 0"),
        ("amal:weight_lr=much", "weight_lr"),
        ("spear:lr_scale=0", "lr_scale"),
        ("spear:crossfit=1", "n_folds"),
        ("spear:losses=12345678", "unknown loss"),
        ("l2r:meta_size=0", "meta_size"),
        ("l2r:meta_size=2.5", "meta_size must be a whole number"),
        ("amal:inner_repeats=1.5", "inner_repeats must be a whole number"),
        ("amal:group_size=true", "group_size must be a whole number"),
        ("amal:weight_lr=nan", "weight_lr must be at least 0"),
        ("amal:crossfit=5,refit", "crossfit and refit; choose one"),
        ("spear:refit=5", "refit is true or false"),
        ("mwn:lookahead_lr=nan", "lookahead_lr must be above 0"),
        ("only-l:inference=product", "inference"),
        ("majority:label_model=minority", "unknown label_model"),
        ("posterior-reg:form=prior", "form"),
        ("majority:label_model=3", "name or a LabelModel"),
        ("spear:feature_model=forest", "'linear', 'mlp', 'encoder:NAME', the name of a network"),
        ("only-l:device=abacus", "device 'abacus' cannot be used"),
        ("amal:quality_guides=2", "strictly between 0 and 1"),
        ("amal:quality_guides=none", "strictly between 0 and 1"),
        ("l2r:crossfit_weights=3", "keeps none"),
        ("spear:mixer=mwn,crossfit_weights=3", "keeps none"),
    ],
)
def test_mistakes_are_named_and_the_nearest_offered(text, message):
    with pytest.raises(ValueError, match=message):
        parse_method(text)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError) as caught:
        find_method("zebra")
    assert all(name in str(caught.value) for name in METHODS)
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "amal:group_size=10240",
        "spear:random_state=12345",
        "spear:losses=134",
        "amal:weight_lr=0.123456",
    ],
)
def test_numbers_keep_their_kind_and_their_digits(text):
    spec = parse_method(text)
    assert spec.text == text
    assert parse_method(spec.text).options == spec.options


@pytest.mark.parametrize("text", ["spear:lr_scale=-1", "spear:crossfit=1", "amal:hidden=512"])
def test_values_out_of_range_raise_the_packages_own_error(text):
    with pytest.raises(InputError):
        parse_method(text)


def test_refit_replaces_the_folds_of_a_method():
    assert parse_method("amal-folds:refit").make().fit_strategy == "refit"


@pytest.mark.parametrize("name", ["", " ", " mine", "mi ne "])
def test_names_that_parsing_cannot_reach_are_refused(methods, name):
    with pytest.raises(InputError):
        register_method(dataclasses.replace(METHODS["spear"], name=name))


# -- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("amal", "AMAL"),
        ("only-lv", "Classifier on L+V"),
        ("amal-folds", "AMAL + rules, 5 folds"),
        ("recommended", "Recommended pool, 5 folds"),
        ("spear:refit", "SPEAR, refit on L+V"),
        ("amal:crossfit=3,weight_lr=30.5", "AMAL, 3 folds, weight_lr=30.5"),
        ("mwn:seed=3,lookahead_lr=2", "MWN, lookahead_lr=2, seed=3"),
        ("spear:prior_correction", "SPEAR, prior_correction=true"),
    ],
)
def test_titles(text, title):
    assert parse_method(text).title == title


def test_titles_and_texts_of_the_plain_methods():
    specs = [parse_method(name) for name in METHODS]
    assert [spec.text for spec in specs] == list(METHODS)
    assert len({spec.title for spec in specs}) == len(specs)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("only-l", "7 gold; V: 5 to choose the epoch"),
        ("only-lv", "7 + 5 gold"),
        ("only-l:crossfit=3", "7 + 5 gold, each fold V once"),
        ("spear", "7 gold, votes on 4; V: 5 to choose the epoch"),
        ("spear:refit", "7 + 5 gold, votes on 4"),
        ("amal", "7 gold, votes on 4; V: 5 to learn weights and choose the epoch"),
        ("amal:refit", "7 + 5 gold, votes on 4; V: 5 to learn weights and choose the epoch"),
        ("l2r", "7 gold, votes on 4; V: 5 to learn weights and choose the epoch"),
        ("recommended", "7 + 5 gold, each fold V once, votes on 4"),
        ("supervised", "gold on all 11; V: 5 to choose the epoch"),
    ],
)
def test_what_a_method_was_given(text, words):
    task = SimpleNamespace(y_train=np.zeros(11), y_val=np.zeros(5), n_labelled=7, n_unlabelled=4)
    assert parse_method(text).was_given(task) == words


def test_options_that_were_given_are_not_tuned():
    assert "weight_lr" in parse_method("amal").space()
    spec = parse_method("amal:weight_lr=30,lr_scale=0.5")
    assert set(spec.space()) == set(METHODS["amal"].space) - {"weight_lr", "lr_scale"}
    assert spec.changed(consensus="soft", weight_lr=15).options["weight_lr"] == 15
    assert "consensus" not in spec.changed(consensus="soft").space()


@pytest.mark.parametrize("name", METHODS)
def test_spaces_hold_values_that_the_method_takes(name):
    spec = parse_method(name)
    assert set(spec.space()) <= spec.known_options()
    for option, (kind, *held) in spec.space().items():
        for value in held[0] if kind == "choice" else held[:2]:
            spec.changed(**{option: value}).make().check_parameters()


# -- methods of one's own -------------------------------------------------------------------------


def test_register_finds_and_refuses(methods):
    own = dataclasses.replace(
        METHODS["spear"], name="mine", defaults={"mixer": "amal", "weight_lr": 5}
    )
    assert register_method(own) is own
    assert register_method(own) is own  # the same again, as a script that is run twice does
    assert parse_method("mine:refit").make().mixer_options == {"weight_lr": 5}
    with pytest.raises(InputError, match="already"):
        register_method(dataclasses.replace(own, title="Another"))
    for name in ("a:b", "a,b", "a=b"):
        with pytest.raises(InputError, match="must not be empty or hold"):
            register_method(dataclasses.replace(own, name=name))
    assert set(methods) == {*METHODS, "mine"}


# -- training -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tasks(source):
    """Plain task and ceiling of the same partition, with its scorer."""
    return {
        gold: make_split(source.corpus, source.votes, seed=0, supervised=gold == "all")
        for gold in ("L", "all")
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", sorted(set(METHODS) - {"recommended", "single-model"}))
def test_every_method_trains_in_every_form(tasks, name, form):
    if name == "snorkel":
        pytest.importorskip("snorkel")
    plain = {"single": "refit=false,crossfit=0", "refit": "crossfit=0,refit"}.get(form, form)
    spec = parse_method(f"{name}:{plain}")
    task, scorer = tasks[spec.method.gold]
    model = spec.make(max_epochs=3, metric=task.metric)
    assert model.fit_strategy == form.partition("=")[0]
    votes = {"L": task.votes_train, "L_val": task.votes_val} if spec.method.uses_votes else {}
    model.fit(task.x_train, task.y_train, X_val=task.x_val, y_val=task.y_val, **votes)
    p = scorer.probabilities(model)
    assert p.shape == (len(scorer), 2)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(1), 1)
    assert len(model.models_) == (3 if form == "crossfit=3" else 1)
    assert np.isfinite(model.history_.filter(like="loss/").to_numpy(dtype=float)).all()
    assert isinstance(model, SpearClassifier if "amal" in name else object)
    assert isinstance(model, GoldClassifier) == (not spec.method.uses_votes)
