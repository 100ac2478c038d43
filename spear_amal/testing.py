"""Contracts of losses, mixers, label models and estimators, as checks for one's own.

The package's members are held to the same checks. Each raises a :class:`ContractError` that says
what was needed and what was found::

    from spear_amal.testing import check_loss, check_mixer

    def test_my_loss():
        check_loss(MyLoss())

    def test_my_mixer():
        check_mixer(MyMixer)  # something that makes a fresh one
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor

from spear_amal.batch import Batch, Outputs, TaskAnswer, Views
from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError, SpearAmalError
from spear_amal.estimators import BaseSpearEstimator
from spear_amal.label_models import LabelModel
from spear_amal.losses import Component, ComponentSet
from spear_amal.maths.hypergradient import score_gradients
from spear_amal.mixers import Mixer
from spear_amal.training import TrainerConfig

# Sizes are distinct primes, so that a swapped axis cannot pass.
B, C, M, D = 7, 5, 3, 2  # rows of a batch, classes, LFs, features
N, K = 13, 3  # rows of a table, losses
MakeMixer = Callable[[], Mixer]
MakeLabelModel = Callable[[], LabelModel]
__all__ = [
    "ContractError",
    "FakeLookAhead",
    "check_estimator",
    "check_label_model",
    "check_loss",
    "check_mixer",
    "example_batch",
]


class ContractError(SpearAmalError, AssertionError):
    """An object of one's own does not keep what the package relies on."""


def _require(holds: Any, message: str) -> None:
    if not bool(holds):
        raise ContractError(message)


def _equal(tensor: Tensor, other: Tensor) -> bool:
    return torch.equal(torch.nan_to_num(tensor, nan=7e30), torch.nan_to_num(other, nan=7e30))


# -- losses ---------------------------------------------------------------------------------------


def example_batch(n: int = B, n_labelled: int = 3, seed: int = 0) -> tuple[Outputs, Batch]:
    """Make a batch and what a model says of it, with all that a loss may look at.

    Parameters
    ----------
    n : int
        Rows; the first `n_labelled` have gold. On row 4, if there is one, no LF fires.

    Returns
    -------
    outputs : Outputs
        In double precision, each part a leaf that takes gradients.
    batch : Batch
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    y = torch.randint(0, C, (n,), generator=generator)
    y[n_labelled:] = -1
    fired = (torch.rand(n, M, generator=generator) < 0.6).double()
    if n > 4:
        fired[4] = 0
    teachers = normal(n, 2, C)
    teachers[-1, 0, 1] = torch.nan  # a teacher that is silent on a row
    targets = {"colour": y, "weight": torch.where(y < 0, torch.nan, y.double())}
    batch = Batch(torch.arange(n), torch.zeros(n, D), y, fired, fired, teachers, targets)
    logits = normal(n, C).requires_grad_()
    rules = (normal(n, C) - 9).requires_grad_()
    odds = (2 * normal(n, M) * fired).requires_grad_()
    teacher_views = Views(normal(n, 4, C), normal(n, 4, D))
    views = Views(normal(n, 4, C).requires_grad_(), normal(n, 4, D).requires_grad_())
    shapes = {"colour": (n, C), "weight": (n,), "rotation": (n, 4)}
    answers = {name: TaskAnswer(normal(*shape).requires_grad_()) for name, shape in shapes.items()}
    answers["rotation"] = TaskAnswer(answers["rotation"].values, torch.arange(n) % 4)
    norm = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    hidden = normal(n, D).requires_grad_()
    return Outputs(logits, hidden, rules, odds, views, teacher_views, answers, norm), batch


def answers_of(outputs: Outputs) -> list[Tensor]:
    """Return all outputs of a model that a loss by row may depend on."""
    views: Any = outputs.views
    answers = [answer.values for answer in (outputs.tasks or {}).values()]
    own_outputs = [outputs.logits, outputs.hidden, outputs.rule_logits, outputs.reliability]
    parts = (*own_outputs, views.logits, views.projected, *answers)
    return [part for part in parts if part is not None]


def check_loss(loss: Component, *, by_row: bool = True) -> None:
    """Check a loss: exact zeros outside its rows, row by row, finite on any batch, its own slope.

    Parameters
    ----------
    loss : Component
    by_row : bool
        False for a loss that compares rows of a batch; it gets no weights by row.

    Raises
    ------
    ContractError
        Names what does not hold.
    """
    outputs, batch = example_batch()
    name = f"loss {loss.name!r}"
    inputs = [*answers_of(outputs), batch.teachers, batch.fired, batch.y]
    before = [tensor.detach().clone() for tensor in inputs]
    values = ComponentSet([loss])
    losses, applies = values.losses(outputs, batch)[:, 0], values.applies(batch)[:, 0]
    unchanged = all(_equal(a, b.detach()) for a, b in zip(before, inputs, strict=True))
    _require(unchanged, f"{name} changes what it is given; compute on copies")
    _require(losses.shape == (B,), f"{name} gives shape {tuple(losses.shape)}, needed ({B},)")
    _require(applies.any(), f"{name} applies to no row of an ordinary batch")
    _require((losses[~applies] == 0).all(), f"{name} is not 0 outside the rows that it applies to")
    _check_gradients(name, losses, applies, outputs, by_row)
    for n, labelled in ((1, 1), (1, 0), (B, 0), (B, B)):
        value = values.losses(*example_batch(n, labelled))
        finite = value.shape == (n, 1) and torch.isfinite(value).all()
        _require(finite, f"{name} is not finite on {n} rows of which {labelled} are labelled")
    if by_row:
        _check_slope(name, values)


def _check_gradients(
    name: str, losses: Tensor, applies: Tensor, outputs: Outputs, by_row: bool
) -> None:
    parts = answers_of(outputs)
    total = torch.autograd.grad(losses.sum(), parts, retain_graph=True, allow_unused=True)
    gradients = [gradient for gradient in total if gradient is not None]
    _require(gradients, f"{name} has no gradient by anything that a model gives")
    for gradient in gradients:
        _require(torch.isfinite(gradient).all(), f"{name} has a gradient that is not finite")
        _require(
            (gradient[~applies] == 0).all(),
            f"{name} has a gradient outside its rows: mask the input of the loss, not its value",
        )
    for i in range(B if by_row else 0):
        others = torch.arange(B) != i
        for gradient in torch.autograd.grad(losses[i], parts, retain_graph=True, allow_unused=True):
            alone = gradient is None or (gradient[others] == 0).all()
            _require(alone, f"{name} of row {i} depends on other rows")


def _check_slope(name: str, values: ComponentSet) -> None:
    """Compare the slopes by the logits and by the rules', in closed form or not, with autograd."""
    outputs, batch = example_batch(seed=3)
    applies = values.applies(batch)
    losses = values.losses(outputs, batch, applies)
    slopes = values.slopes(outputs, batch, applies)
    for scores, slope in zip((outputs.logits, outputs.rule_logits), slopes, strict=True):
        expected = score_gradients(losses, cast(Tensor, scores))
        right = torch.allclose(cast(Tensor, slope), expected, rtol=1e-7, atol=1e-9)
        _require(right, f"{name} has a wrong slope")


# -- mixers ---------------------------------------------------------------------------------------


class FakeLookAhead:
    """A look-ahead that says what a test wants.

    Parameters
    ----------
    alignment : Tensor (B, K)
        Inner products of each loss's gradient with that of the validation loss.
    n, eta : float
        Rows of a loss, and the step of the look-ahead.

    Attributes
    ----------
    seen : list of Tensor
        The weights that a mixer asked for.
    """

    def __init__(self, alignment: Tensor, n: float = 4.0, eta: float = 0.5) -> None:
        self.value, self.n, self.eta = alignment, n, eta
        self.seen: list[Tensor] = []

    def alignment(self, weights: Tensor) -> Tensor:
        """Return the alignment, whatever the weights (B, K) are."""
        self.seen.append(weights.clone())
        return self.value

    def hypergradient(self, weights: Tensor) -> Tensor:
        """Return the derivative of the validation loss by the weights."""
        return -self.eta / self.n * self.alignment(weights)

    def losses(self) -> Tensor:
        """Return losses (B, K), the same each time."""
        generator = torch.Generator().manual_seed(4)
        return torch.rand(*self.value.shape, generator=generator).to(self.value)

    def feature_scale(self) -> float:
        """Return the mean squared norm of the head's input."""
        return 8.0

    def hidden_gradients(self, weights: Tensor) -> Tensor:
        """Return gradients (B, H) by the head's input."""
        generator = torch.Generator().manual_seed(6)
        return torch.rand(len(self.value), 7, generator=generator).to(self.value)


def mixer_batch(rows: tuple[int, ...] = (7, 2, 11, 0, 5)) -> Batch:
    """Make a batch of some rows of a table of 13, with no features and no gold."""
    index = torch.tensor(rows)
    none = torch.zeros(len(rows), 0)
    return Batch(index, none, torch.zeros_like(index), none, none, none)


def attach(mixer: Mixer, mixable: tuple[bool, ...] = (True, True, True)) -> Mixer:
    """Attach a mixer to a table of 13 rows and the losses "label", "teacher0" and "teacher1"."""
    domain = torch.rand(N, K, generator=torch.Generator().manual_seed(0)) < 0.7
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)  # what a mixer draws at its start is the same each time
        mixer.attach(N, ("label", "teacher0", "teacher1"), domain, torch.tensor(mixable))
    return mixer


def check_mixer(make: MakeMixer) -> None:
    """Check a mixer: weights without gradient, one row, unmixable losses, seed, state, settings.

    Parameters
    ----------
    make : function () -> Mixer
        Makes a fresh one, the same each time; a class will do.

    Raises
    ------
    ContractError
        Names what does not hold.
    """
    name = type(make()).__name__
    batch, rows = mixer_batch(), 5
    for dtype in (torch.float32, torch.float64):
        mixer = attach(make())
        for refreshed in (False, True):
            if refreshed:
                mixer.refresh(FakeLookAhead(torch.randn(rows, K, dtype=dtype)), batch)
                mixer.end_refresh()
            losses = torch.rand(rows, K, dtype=dtype, requires_grad=True)
            weights = mixer.weights(batch, losses)
            good = weights.shape == (rows, K) and weights.dtype == dtype
            _require(good, f"{name}.weights must have the shape and type of the losses")
            _require(not weights.requires_grad, f"{name}.weights must carry no gradient")
            finite = (weights >= 0).all() and torch.isfinite(weights).all()
            _require(finite, f"{name}.weights must be finite and at least 0")
    one_row = attach(make()).weights(mixer_batch((3,)), torch.rand(1, K))
    _require(one_row.shape == (1, K), f"{name} cannot weigh a batch of one row")
    fixed = attach(make(), mixable=(True, False, True))
    look_ahead = FakeLookAhead(torch.randn(rows, K, generator=torch.Generator().manual_seed(0)))
    fixed.refresh(look_ahead, batch)
    kept = (fixed.weights(batch, look_ahead.losses())[:, 1] == 1).all()
    _require(kept, f"{name} moves the weight of a loss that is not mixable; it must stay 1")
    _check_repeats(name, make, batch)
    _check_settings(name, make)


def _check_repeats(name: str, make: MakeMixer, batch: Batch) -> None:
    """Check that a run repeats, and that state goes out and comes back in the middle of one."""
    first, second = attach(make()), attach(make())
    generator = torch.Generator().manual_seed(8)
    losses = torch.rand(5, K, generator=generator)
    steps = [FakeLookAhead(torch.randn(5, K, generator=generator)) for _ in range(5)]
    runs = []
    for mixer in (attach(make()), attach(make())):
        mixer.refresh(FakeLookAhead(torch.full((5, K), -0.5)), batch)
        runs.append(torch.stack([mixer.weights(batch, losses) for _ in range(3)]))
    _require(_equal(*runs), f"{name} gives other weights when the same is done again")
    for step in steps[:3]:
        first.refresh(step, batch)
    state = first.state_dict()
    before = {key: value.clone() for key, value in state.items()}
    second.load_state_dict(state)
    said = f"{name} goes on otherwise after load_state_dict: something is not in the state"
    if not first.every_step:  # what weighs each batch anew has none to keep
        _require(_equal(first.weights(batch, losses), second.weights(batch, losses)), said)
    for step in steps[3:]:
        first.refresh(step, batch)
    a_copy = all(_equal(state[key], before[key]) for key in state)
    _require(a_copy, f"{name}.state_dict must give copies: its tensors moved afterwards")
    for step in steps[3:]:
        second.refresh(step, batch)
    same = _equal(first.weights(batch, losses), second.weights(batch, losses))
    _require(same, said)


def _check_settings(name: str, make: MakeMixer) -> None:
    mixer = make()
    settings = mixer.get_params()
    for again in (clone(mixer), copy.deepcopy(mixer), type(mixer)(**settings)):
        same = again.get_params().keys() == settings.keys() and all(
            _same_setting(value, settings[key]) for key, value in again.get_params().items()
        )
        _require(same, f"{name}: the constructor must store its arguments under their own names")


def _same_setting(setting: Any, other: Any) -> bool:
    if isinstance(setting, Tensor):
        return isinstance(other, Tensor) and _equal(setting, other)
    return bool(setting == other)


# -- label models ---------------------------------------------------------------------------------


def check_label_model(make: MakeLabelModel) -> None:
    """Check a label model: probabilities, silence, order of rows, other rows, refused input.

    Parameters
    ----------
    make : function () -> LabelModel
        Makes a fresh one; a class will do.

    Raises
    ------
    ContractError
        Names what does not hold.
    """
    name = type(make()).__name__
    n, m, n_classes = 101, 7, 3
    votes = synthetic_votes(n, m, n_classes, seed=0)[0]
    model = make()
    _require(model.fit(votes) is model, f"{name}.fit must return the model")
    p = model.predict_proba(votes)
    proper = p.shape == (n, n_classes) and (p >= 0).all() and np.allclose(p.sum(1), 1)
    _require(proper, f"{name}.predict_proba must give a distribution over classes for each row")
    silent = ~votes.covered()
    _require(
        np.array_equal(p[silent], np.full((silent.sum(), n_classes), 1 / n_classes)),
        f"{name} must be uniform where no LF fires",
    )
    _require((model.predict(votes)[silent] == -1).all(), f"{name} must abstain where no LF fires")
    dense = np.asarray(votes)
    _require(
        np.array_equal(make().fit(dense).predict_proba(dense), p),
        f"{name} answers otherwise to the same votes as a plain array",
    )
    order = np.random.default_rng(0).permutation(n)
    moved = make().fit(votes[order]).predict_proba(votes[order])
    _require(np.allclose(moved, p[order], atol=1e-5), f"{name} depends on the order of rows")
    few = make().fit(votes[:31])
    ahead = np.array_equal(few.predict_proba(votes)[:31], few.predict_proba(votes[:31]))
    _require(ahead, f"{name} answers of a row otherwise in another company")
    _require(few.predict_proba(votes[:0]).shape == (0, n_classes), f"{name} cannot take no rows")
    for wrong, what in ((votes[:, : m - 1], "votes of another number of LFs"),):
        try:
            few.predict_proba(wrong)
        except InputError:
            continue
        raise ContractError(f"{name} takes {what}; it must raise an InputError")
    params = make().get_params()
    _require(clone(make()).get_params() == params, f"{name} does not keep its parameters in clone")


# -- estimators -----------------------------------------------------------------------------------


def estimator_checks(estimator: BaseSpearEstimator) -> Iterator[tuple[str, Callable[[], None]]]:
    """Return the checks of :func:`check_estimator` by name."""
    for check in (_check_fit, _check_repeatable, _check_nested, _check_unlabelled):
        yield check.__name__.removeprefix("_check_"), partial(check, clone(estimator))


def check_estimator(estimator: BaseSpearEstimator) -> None:
    """Check an estimator of one's own on small made-up rows with votes.

    What scikit-learn asks of any estimator is checked by ``sklearn.utils.estimator_checks``; this
    is about gold that is mostly missing, votes, validation rows, and options of objects.

    Parameters
    ----------
    estimator : BaseSpearEstimator
        With few epochs, so that this takes a second.

    Raises
    ------
    ContractError
        Names what does not hold.
    """
    for _, check in estimator_checks(estimator):
        check()


def _rows() -> dict[str, Any]:
    n, n_gold, n_classes = 83, 31, 3
    votes, gold = synthetic_votes(n, 5, n_classes, accuracies=0.8, coverages=0.4, seed=3)
    X = np.random.default_rng(0).normal(size=(n, D)) + 1.5 * np.eye(n_classes, D)[gold]
    return {"X": X, "y": np.where(np.arange(n) < n_gold, gold, -1), "L": votes}


def _check_fit(estimator: BaseSpearEstimator) -> None:
    name, rows = type(estimator).__name__, _rows()
    before = vars(estimator).copy()
    params = estimator.get_params()
    _require(estimator.fit(**rows) is estimator, f"{name}.fit must return the estimator")
    _require(estimator.get_params() == params, f"{name}.fit changes parameters")
    kept = [k for k in vars(estimator) if k not in before and not k.endswith("_")]
    _require(
        not kept,
        f"{name}.fit leaves {kept} behind; what is learnt ends in an underscore, "
        "and what is given to fit goes to the plan",
    )
    L = rows["L"] if estimator.exponent_ > 0 else None
    p = estimator.predict_proba(rows["X"], L)
    proper = p.shape == (83, 3) and (p >= 0).all() and np.allclose(p.sum(1), 1)
    _require(proper, f"{name}.predict_proba must give a distribution over classes for each row")
    agree = (estimator.predict(rows["X"], L) == estimator.classes_[p.argmax(1)]).all()
    _require(agree, f"{name}.predict must be the most probable class")
    _require(estimator.score(rows["X"], rows["y"], L=L) >= 0, f"{name}.score must be a number")


def _check_repeatable(estimator: BaseSpearEstimator) -> None:
    name, rows = type(estimator).__name__, _rows()
    first, second = (clone(estimator).fit(**rows) for _ in range(2))
    L = rows["L"] if first.exponent_ > 0 else None
    same = np.array_equal(first.predict_proba(rows["X"], L), second.predict_proba(rows["X"], L))
    _require(same, f"{name} gives another model for the same rows and random_state")
    again = first.fit(**rows)
    forgot = np.array_equal(again.predict_proba(rows["X"], L), second.predict_proba(rows["X"], L))
    _require(forgot, f"{name} remembers an earlier fit")


def _check_nested(estimator: BaseSpearEstimator) -> None:
    name = type(estimator).__name__
    estimator.set_params(trainer__max_epochs=2)
    trainer = estimator.trainer
    reached = isinstance(trainer, TrainerConfig) and trainer.max_epochs == 2
    _require(reached, f"{name}: set_params(trainer__max_epochs=2) must reach the trainer")
    kept = clone(estimator).get_params() == estimator.get_params()
    _require(kept, f"{name} does not keep its parameters in clone")


def _check_unlabelled(estimator: BaseSpearEstimator) -> None:
    name, rows = type(estimator).__name__, _rows()
    try:
        estimator.fit(rows["X"], np.full(83, -1), L=rows["L"])
    except InputError:
        return
    if estimator._needs_gold:
        raise ContractError(
            f"{name}.fit takes rows without any gold label; it must raise InputError, or the class "
            "says _needs_gold = False"
        )
    finite = np.isfinite(estimator.predict_proba(rows["X"])).all()
    _require(bool(finite), f"{name} must predict after a fit without gold as well")
