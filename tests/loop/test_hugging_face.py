"""A Trainer with a mixer does what a plain loop does, and continues where it was killed."""

import copy
import json
import sys

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, default_collate

from spear_amal.errors import FileFormatError, InputError, MissingExtraError
from spear_amal.loop import LossMixer

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")
from spear_amal.loop.hugging_face import MixerTrainer  # noqa: E402

N, N_VAL, B, LENGTH, WORDS, C = 29, 13, 7, 5, 17, 3
NAMES = ["label", "rule"]
COLUMNS = dict(zip(NAMES, ("labels", "rule"), strict=True))


def rows(n, seed):
    g = torch.Generator().manual_seed(seed)
    words = torch.randint(1, WORDS, (n, LENGTH), generator=g)
    y, rule = (torch.randint(C, (n,), generator=g) for _ in range(2))
    return [
        {"input_ids": w, "labels": int(a), "rule": int(r), "rows": i, "text": "no column of theirs"}
        for i, (w, a, r) in enumerate(zip(words, y, rule, strict=True))
    ]


TRAIN, VAL = rows(N, 0), rows(N_VAL, 1)


def network(dropout=0.0):
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=WORDS,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=11,
        max_position_embeddings=LENGTH,
        num_labels=C,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    return transformers.BertForSequenceClassification(config)


def row_losses(outputs, inputs):
    return {
        k: cross_entropy(outputs.logits, inputs[c], reduction="none") for k, c in COLUMNS.items()
    }


class InOrder:
    """No shuffling: batches come as the rows lie."""

    def _get_train_sampler(self, *_):
        return torch.utils.data.SequentialSampler(self.train_dataset)


class Ordered(InOrder, MixerTrainer):
    pass


def mixer_of(name, model):
    options = {"warmup": 1, "refresh_every": 1} if name == "amal" else {}
    return LossMixer(name, NAMES, n_rows=N, model=model, **options)


def trainer(folder, mixer="amal", model=None, kind=MixerTrainer, given=None, **options):
    usual = {
        "num_train_epochs": 3,
        "per_device_train_batch_size": B,
        "learning_rate": 0.05,
        "lr_scheduler_type": "constant",
        "optim": "sgd",
        "max_grad_norm": 0.0,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
    }
    model = model or network()
    made = kind(
        model,
        transformers.TrainingArguments(str(folder), **{**usual, **options}),
        train_dataset=TRAIN,
        mixer=mixer_of(mixer, model) if isinstance(mixer, str) else mixer,
        **{"row_losses": row_losses, "columns": ["rule"], "validation": VAL, **(given or {})},
    )
    made.remove_callback(transformers.trainer_callback.PrinterCallback)
    return made


def inputs_of(batch):
    return {k: v for k, v in default_collate(batch).items() if k != "text"}


def answer(model, inputs):
    return model(input_ids=inputs["input_ids"])


def plain_loop(name, epochs=3, size=B, every=8):
    """What the trainer stands for, written out."""
    model = network()
    mixer, step = mixer_of(name, model), 0
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)

    def losses(batches):
        for inputs in batches:
            yield inputs["rows"], row_losses(answer(model, inputs), inputs)

    def answers(batches):
        for inputs in batches:
            yield answer(model, inputs).logits, inputs["labels"]

    def load(data, size):
        return DataLoader(data, size, collate_fn=inputs_of)

    for epoch in range(epochs):
        if mixer.refresh_due(epoch):
            mixer.refresh(losses(load(TRAIN, every)), answers(load(VAL, every)))
        model.train()
        for inputs in load(TRAIN, size):
            if mixer.step_refresh_due():
                turn = [VAL[(step * every + i) % N_VAL] for i in range(every)]
                mixer.refresh(losses([inputs]), answers(load(turn, every)))
            optimiser.zero_grad()
            mixer(row_losses(answer(model, inputs), inputs), inputs["rows"]).backward()
            optimiser.step()
            step += 1
    return model, mixer


def close(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)


def equal(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", ["amal", "l2r", "gcs", "uncertainty"])
def test_same_as_a_plain_loop(name, tmp_path):
    ran = trainer(tmp_path, name, kind=Ordered)
    ran.train()
    model, mixer = plain_loop(name)
    assert close(ran.model, model)
    if name == "amal":
        assert torch.allclose(ran.mixer.table(), mixer.table(), atol=1e-5)
        assert mixer.table().unique().numel() > 1


def test_weights_are_logged_after_each_epoch(tmp_path):
    ran = trainer(tmp_path)
    ran.train()
    logged = [entry for entry in ran.state.log_history if "weight/rule" in entry]
    assert [entry["epoch"] for entry in logged] == [1, 2, 3]
    assert logged[0]["weight/rule"] == 1.0
    assert logged[2]["weight/rule"] == ran.mixer.mean_weights()["rule"]


def test_accumulated_batches_of_unequal_size_are_one_large_batch(tmp_path):
    # 29 rows: the last step has batches of 7, 7, 7 and 1, or of 7 and 1
    for steps in (2, 4):
        small = trainer(tmp_path, "fixed", kind=Ordered, gradient_accumulation_steps=steps)
        small.train()
        large, _ = plain_loop("fixed", size=B * steps)
        assert close(small.model, large)


def test_evaluation_is_the_models_own_and_needs_no_rows(tmp_path):
    ran = trainer(tmp_path)
    shown = ran.evaluate([{k: v for k, v in row.items() if k != "rows"} for row in VAL])
    inputs = inputs_of(VAL)
    with torch.no_grad():
        logits = answer(ran.model.eval(), inputs).logits
    assert shown["eval_loss"] == pytest.approx(float(cross_entropy(logits, inputs["labels"])), 1e-5)
    without = [{k: v for k, v in row.items() if k != "labels"} for row in VAL]
    assert torch.allclose(torch.tensor(ran.predict(without).predictions), logits, atol=1e-6)


def test_outputs_are_returned_and_domains_respected(tmp_path):
    def on_odd_rows(outputs, inputs):
        losses = torch.stack(list(row_losses(outputs, inputs).values()), dim=1)
        applies = torch.ones_like(losses, dtype=torch.bool)
        applies[:, 1] = inputs["rows"] % 2 == 1
        return losses, applies

    ran = trainer(tmp_path, "fixed", given={"row_losses": on_odd_rows})
    inputs, model = inputs_of(TRAIN[:B]), ran.model.train()
    before = copy.copy(inputs)
    loss, outputs = ran.compute_loss(model, inputs, return_outputs=True)
    label, rule = row_losses(outputs, inputs).values()
    assert loss.item() == pytest.approx((label.mean() + rule[1::2].mean()).item(), 1e-5)
    assert inputs.keys() == before.keys()
    assert ran.compute_loss(model, inputs).item() == pytest.approx(loss.item(), 1e-6)


def test_bfloat16(tmp_path):
    ran = trainer(tmp_path, bf16=True)
    ran.train()
    assert ran.mixer.table().unique().numel() > 1


# Five steps an epoch: killed at its end, and within.
@pytest.mark.parametrize(
    ("name", "stopped"),
    [
        ("amal", 8),
        ("mwn", 5),
        pytest.param("amal", 5, marks=pytest.mark.slow),
        pytest.param("mwn", 8, marks=pytest.mark.slow),
    ],
)
def test_killed_run_continues(name, stopped, tmp_path):
    options = {"save_strategy": "steps", "save_steps": stopped, "optim": "adamw_torch"}
    whole = trainer(tmp_path / "whole", name, network(0.1), **options)
    whole.train()

    class Killed(transformers.TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == stopped + 1:
                raise KeyboardInterrupt

    killed = trainer(tmp_path / "killed", name, network(0.1), **options)
    killed.add_callback(Killed())
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    again = trainer(tmp_path / "killed", name, network(0.1), **options)
    again.train(resume_from_checkpoint=True)

    assert again.state.global_step == 15
    assert equal(again.model, whole.model)
    held, wanted = again.mixer.state_dict()["state"], whole.mixer.state_dict()["state"]
    assert held.keys() == wanted.keys() and held
    assert all(torch.equal(held[key], wanted[key]) for key in held)


def test_checkpoint_without_its_mixer(tmp_path):
    ran = trainer(tmp_path, save_strategy="epoch", num_train_epochs=1)
    ran.train()
    (folder,) = tmp_path.glob("checkpoint-*")
    path = folder / "mixer.safetensors"
    other = trainer(tmp_path, LossMixer("amal", NAMES, n_rows=N + 2))
    with pytest.raises(InputError, match="n_rows is 29"):
        other.train(str(folder))
    path.write_bytes(path.read_bytes()[:-11])
    with pytest.raises(FileFormatError, match=r"mixer\.safetensors holds no mixer"):
        ran.train(str(folder))
    path.unlink()
    with pytest.raises(FileFormatError, match=r"mixer\.safetensors holds no mixer"):
        ran.train(str(folder))


def test_checkpoint_is_tensors_and_json(tmp_path):
    ran = trainer(tmp_path, num_train_epochs=1)
    ran.train()
    ran.save_model()
    raw = (tmp_path / "mixer.safetensors").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert header["lambdas"]["shape"] == [N, 2]
    assert json.loads(header["__metadata__"]["spear_amal"])["about"]["losses"] == NAMES


def test_validation_is_needed_where_weights_are_learnt(tmp_path):
    for name in ("amal", "l2r"):
        with pytest.raises(InputError, match="needs validation:"):
            trainer(tmp_path, name, given={"validation": None}).train()
    trainer(tmp_path, "fixed", given={"validation": None}, num_train_epochs=1).train()


def test_a_column_that_was_not_named(tmp_path):
    with pytest.raises(InputError, match=r"found no column 'rule' among .*columns=\["):
        trainer(tmp_path, "fixed", given={"columns": []}).train()


def test_rows_without_a_number_cannot_be_gone_through(tmp_path):
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(TRAIN)

    made = trainer(tmp_path, "amal", max_steps=2)
    made.train_dataset = Stream()
    with pytest.raises(InputError, match=r"train_dataset needs a length .* found Stream"):
        made.train()


def test_accumulated_batches_are_refreshed_before_their_epoch(tmp_path):
    made = trainer(tmp_path, "amal", gradient_accumulation_steps=3)
    made.train()  # five batches an epoch: the last step is of two
    assert made.mixer.mean_weights()["label"] != 1.0


def test_without_transformers(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "spear_amal.loop.hugging_face")
    with pytest.raises(MissingExtraError, match=r"spear-amal\[transformers\]"):
        import spear_amal.loop.hugging_face  # noqa: F401
