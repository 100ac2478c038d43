"""One object between a user's losses and ``backward()``: any mixer, in any PyTorch loop."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spear_amal._typing import MatrixLike, VectorLike
from spear_amal.errors import InputError
from spear_amal.loop.batch_losses import RowLosses, RowTables
from spear_amal.loop.graphs import check_told_apart, trainable_parameters
from spear_amal.loop.look_ahead import Criterion
from spear_amal.loop.model_state import frozen_model
from spear_amal.loop.refresh import (
    RefreshSource,
    TrainingBatch,
    ValidationBatch,
    check_batch_losses,
    learn_from_graphs,
    learn_from_look_aheads,
    note_domain,
)
from spear_amal.mixers import Mixer, Step, build_mixer
from spear_amal.models.feature_model import twice_differentiable
from spear_amal.params import check_whole


class LossMixer:
    """Mixes row-wise losses of a PyTorch loop into the scalar that ``backward()`` is called on.

    Parameters
    ----------
    mixer : str or Mixer
        A name that :func:`spear_amal.mixers.build_mixer` knows, or a mixer, which is copied.
    losses : sequence of str, length K
        Names of the losses. "label" and "teacher..." stand for roles that some mixers know.
    n_rows : int, optional
        Training rows; needed where each row has weights of its own ("amal", "alm-kd", "crust").
    main : str, optional
        The main loss, for mixers that tell it from auxiliary ones; by default "label" or "gold",
        else the first.
    check : bool
        Look at the values of losses and row ids at each step. That makes a GPU wait; False skips
        it, shapes are still checked.
    model : nn.Module, optional
        Whose parameters are trained; needed by mixers that compare gradients ("gcs", "maoal") or
        learn from graphs ("auxilearn", "maoal"), and the default of :meth:`refresh`. A wrapped
        model (DistributedDataParallel, torch.compile) is given as it is called.
    domain : Tensor (n_rows, K), bool, optional
        Where each loss is defined, as far as it is known before; everywhere by default. Mixers
        with a table learn nothing outside of it.
    y : Tensor (n_rows,), int, optional
        Class of each training row, -1 where unknown: for "crust", and for AMAL's
        ``weight_sharing="pattern"``, whose patterns are classes here.
    **options
        Of the mixer, with its name.

    Attributes
    ----------
    mixer : Mixer
    names : tuple of str
    n_rows : int or None
    model : nn.Module or None

    Raises
    ------
    InputError
        Where an argument cannot be used, here and in every method; it names the loss.

    Examples
    --------
    >>> mixer = LossMixer("fixed", ["label", "teacher"], per_loss={"teacher": 3.0})
    >>> losses = torch.ones(5, 2, requires_grad=True)
    >>> mixer(losses).item()
    4.0
    """

    def __init__(
        self,
        mixer: str | Mixer = "amal",
        losses: Sequence[str] = ("label", "teacher"),
        *,
        n_rows: int | None = None,
        main: str | None = None,
        check: bool = True,
        model: nn.Module | None = None,
        domain: MatrixLike | None = None,
        y: VectorLike | None = None,
        **options: Any,
    ) -> None:
        self.names = check_names(losses)
        self.mixer = make_loop_mixer(mixer, main, options)
        check_options(self.mixer, n_rows)
        self.n_rows, self.check, self.model = n_rows, check, model
        self._tables = RowTables(n_rows, len(self.names), domain, y, check=check)
        self._reminder = RefreshWarning(self.mixer, n_rows)
        self._refreshed: Tensor | None = None  # rows of a refresh that no step has used yet
        self._attach()

    def __repr__(self) -> str:
        return f"LossMixer({type(self.mixer).__name__}, {list(self.names)}, n_rows={self.n_rows})"

    def __deepcopy__(self, memo: dict[int, Any]) -> LossMixer:
        """Copy all but the model, unless it is being copied as well."""
        made = object.__new__(type(self))
        memo[id(self)] = made
        for name, value in vars(self).items():
            kept = name == "model" and id(value) not in memo
            setattr(made, name, value if kept else copy.deepcopy(value, memo))
        return made

    def _attach(self) -> None:
        mixable = torch.ones(len(self.names), dtype=torch.bool, device=self.device)
        # A copy: mixers without a table note the domains of each batch in it.
        self.mixer.attach(len(self._tables), self.names, self._tables.domain.clone(), mixable)

    # -- a step ---------------------------------------------------------------------------------

    def __call__(
        self,
        losses: Tensor | Mapping[str, Tensor],
        rows: VectorLike | None = None,
        applies: Tensor | None = None,
    ) -> Tensor:
        """Mix the losses of a batch that is trained; call it once for each.

        Parameters
        ----------
        losses : Tensor (B, K), or mapping of str to Tensor (B,)
            One value a row, with their graphs. By name each keeps a graph of its own: mixers that
            compare gradients then tell shared parameters from those of a loss' own head. In a
            stacked tensor all parameters count as shared; where it can be seen that they are not,
            those mixers raise.
        rows : (B,) ints, optional
            Ids of the rows in ``[0, n_rows)``; needed with `n_rows`. A row that a sampler with
            replacement drew several times counts as often, with the weight that it has.
        applies : Tensor (B, K), bool, optional
            Where each loss is defined; by default as `domain` says.

        Returns
        -------
        Tensor
            A scalar ``sum_k (1/n_k) sum_i w_ik l_ik``, or one with the gradient that the mixer
            puts together.
        """
        by_row = RowLosses.of(losses, self.names)
        self.to(by_row.stacked.device)
        index = self._tables.index(rows, len(by_row))
        here = self._tables.applies(applies, index)
        within = check_batch_losses(by_row, self.names, index, here, values=self.check)
        self._check_refreshed(index)
        self._reminder.note(len(index))
        parameters = self._parameters(by_row)
        note_domain(self.mixer, index, here)
        weights = self.mixer.weights(self._tables.batch(index), within.stacked.detach())
        columns = within.columns if self.mixer.separates else ()
        self._refreshed = None
        return self.mixer.combine(Step(within.stacked, weights, here, columns, parameters))

    def _check_refreshed(self, index: Tensor) -> None:
        kind = type(self.mixer).__name__
        if self.step_refresh_due():
            raise InputError(
                f"{kind} learns before this step: call `if mixer.step_refresh_due(): "
                "mixer.refresh(...)` before the losses are mixed"
            )
        known = self._refreshed if self.check and self.mixer.every_step else None
        if known is not None and not torch.equal(known, index):
            raise InputError(
                f"{kind} was refreshed on other rows than this batch's; refresh it on the batch "
                "that is trained next"
            )

    def _parameters(self, by_row: RowLosses) -> dict[str, Tensor]:
        if not self.mixer.separates:
            return {}
        parameters = trainable_parameters(self._model(None))
        if self.check:
            check_told_apart(by_row, self.names, parameters)
        return parameters

    def _model(self, model: nn.Module | None) -> nn.Module:
        model = self.model if model is None else model
        if not isinstance(model, nn.Module):
            raise InputError(
                f"{type(self.mixer).__name__} needs the model that is trained, an nn.Module, found "
                f"{model!r}; give LossMixer(..., model=model), or model= to refresh"
            )
        return model

    # -- learning -------------------------------------------------------------------------------

    def refresh_due(self, epoch: int) -> bool:
        """Return whether :meth:`refresh`, on all training rows, is wanted before epoch `epoch`."""
        self._reminder.asked = True
        grouped = self.mixer.needs_look_ahead and not self.mixer.every_step
        return grouped and self.mixer.should_refresh(epoch)

    def step_refresh_due(self) -> bool:
        """Return whether :meth:`refresh` is wanted before the step that comes.

        "l2r" and "mwn" want the batch that is trained next, "auxilearn" and "maoal" another one.
        """
        wanted = self.mixer.every_step or (self.mixer.needs_graphs and self.mixer.due())
        return wanted and self._refreshed is None

    def refresh(
        self,
        train: Iterable[TrainingBatch],
        validation: Iterable[ValidationBatch],
        *,
        model: nn.Module | None = None,
        head: nn.Linear | str | None = None,
        criterion: Criterion = F.cross_entropy,
    ) -> None:
        """Learn from rows whose targets are trusted, at the model's parameters as they are.

        Both iterables must call the model only when they are gone through, in here: generator
        expressions do. The model is in evaluation mode meanwhile, runs uncompiled and has its mode
        back afterwards. Each is gone through once; mixers that learn from graphs ("auxilearn",
        "maoal") take the first batch of each.

        Parameters
        ----------
        train : iterable of (rows, losses) or (rows, losses, applies)
            As in a call. Batches may have any size; look-aheads are made on groups of the mixer's
            `group_size` rows, the last of what is left.
        validation : iterable of (logits, y)
            Logits (n, C) as the head gives them, and targets.
        model : nn.Module, optional
            The model that both call.
        head : nn.Linear or str, optional
            The linear layer that gives the logits, or its name; by default it is found. Losses
            that do not depend on its output learn nothing: their gradient counts as 0. Not used
            by mixers that learn from graphs.
        criterion : callable
            Validation logits and targets to a mean loss. It replaces the outer loss of "alm-kd"
            and its part on the training group: `alpha` and `beta` do nothing here.
        """
        self._reminder.asked, model = True, self._model(model)
        source = RefreshSource(train, validation, model, head, criterion)
        with frozen_model(model):
            if self.mixer.needs_graphs:
                with twice_differentiable(model):
                    self._refreshed = learn_from_graphs(self.mixer, self._tables, source, self.to)
            elif self.mixer.needs_look_ahead:
                self._refreshed = learn_from_look_aheads(self.mixer, self._tables, source, self.to)

    # -- what is kept and shown -----------------------------------------------------------------

    def candidates(self) -> list[LossMixer]:
        """One for each model that is to be trained; validation rows choose ("random-search")."""
        made = []
        for mixer in self.mixer.candidates(self.names):
            candidate = copy.deepcopy(self)
            candidate.mixer = copy.deepcopy(mixer)
            candidate._attach()
            made.append(candidate)
        return made

    @property
    def device(self) -> torch.device:
        """Device of the tables."""
        return self._tables.device

    def to(self, device: torch.device | str) -> LossMixer:
        """Move tables and state; a call does it by itself where the losses are elsewhere."""
        device = torch.device(device)
        if device != self.device:
            kept = {name: value.to(device) for name, value in self.mixer.state_dict().items()}
            self._tables.to(device)
            with torch.random.fork_rng(devices=[]):
                self._attach()
            self.mixer.load_state_dict(kept)
        return self

    def table(self) -> Tensor | None:
        """All weights (n_rows, K), where each row has its own."""
        return None if self.n_rows is None else self.mixer.table()

    def mean_weights(self, rows: VectorLike | None = None) -> dict[str, float]:
        """Mean weight of each loss over rows (all by default); empty if not kept."""
        index = torch.arange(len(self._tables)) if rows is None else torch.as_tensor(rows)
        return self.mixer.mean_weights(index.to(self.device))

    def module_weights(self) -> dict[tuple[str, str], float]:
        """Weight by (loss, module), where it differs between the modules of a network."""
        return self.mixer.module_weights()

    def state_dict(self) -> dict[str, Any]:
        """Tensors by name under "state", and the names and numbers that they belong to."""
        return packed(self.mixer, self.n_rows)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned; it must be of the same losses and rows."""
        self.mixer.load_state_dict(unpacked(state, self.mixer, self.n_rows))


def check_names(losses: Sequence[str]) -> tuple[str, ...]:
    """Names of the losses, each once."""
    several = isinstance(losses, Iterable) and not isinstance(losses, str)
    if not several or not all(isinstance(name, str) for name in losses):
        raise InputError(f"losses must be names such as ['label', 'teacher'], found {losses!r}")
    if not len(losses) or len(set(losses)) < len(losses):
        raise InputError(f"losses needs at least one name, each once, found {list(losses)}")
    return tuple(losses)


def make_loop_mixer(mixer: str | Mixer, main: str | None, options: Mapping[str, Any]) -> Mixer:
    """Make a mixer; `main` is an option of those that know a main loss."""
    if main is None:
        return build_mixer(mixer, options)
    if isinstance(mixer, Mixer):
        raise InputError("main goes with a mixer's name; give it to the mixer object itself")
    return build_mixer(mixer, {**options, "main": main})


def check_options(mixer: Mixer, n_rows: int | None) -> None:
    """Raise InputError where a mixer needs what a loop does not give it."""
    if n_rows is not None:
        check_whole("n_rows", n_rows, 1)
    elif mixer.needs_look_ahead and not mixer.every_step:
        raise InputError(
            f"{type(mixer).__name__} keeps weights for each row: n_rows, the count of the training "
            "rows, is missing"
        )
    options = mixer.look_ahead_options()
    if mixer.needs_look_ahead and options.parameters != "last-layer":
        raise InputError(
            "look_ahead='network' is for the estimators; in a loop of your own the look-ahead goes "
            "through the last linear layer: leave look_ahead='last-layer'"
        )
    if mixer.needs_look_ahead and options.outer == "feature+rules":
        raise InputError("outer='feature+rules' needs a rule model; use outer='feature'")
    if options.reuse_states:
        raise InputError(
            "reuse_states=True is for the estimators; in a loop of your own a refresh goes through "
            "the rows that you give it: leave reuse_states=False"
        )


FORMAT = 1


def packed(mixer: Mixer, n_rows: int | None) -> dict[str, Any]:
    """Tensors by name under "state"; the rest are names and numbers."""
    return {**_record(mixer, n_rows), "state": mixer.state_dict()}


def unpacked(state: Mapping[str, Any], mixer: Mixer, n_rows: int | None) -> dict[str, Tensor]:
    """Return the mixer's tensors; raise InputError if they are of other losses, rows or mixers."""
    for key, value in _record(mixer, n_rows).items():
        if key not in state or state[key] != value:
            raise InputError(
                f"the state's {key} is {state.get(key, 'missing')!r}, this mixer's is {value!r}; "
                "load it into a LossMixer made like the one that was saved"
            )
    return dict(state["state"])


def _record(mixer: Mixer, n_rows: int | None) -> dict[str, Any]:
    kind = type(mixer).__name__
    return {"format": FORMAT, "mixer": kind, "losses": list(mixer.names), "n_rows": n_rows}


_FAR = 1000  # epochs


class RefreshWarning:
    """Warns once where a loop trains on and never asks whether a refresh is due.

    The weights would stay as they were made, and the loss a plain sum, without a word.

    Parameters
    ----------
    mixer : Mixer
    n_rows : int or None
        Training rows.

    Attributes
    ----------
    asked : bool
        Whether the loop has asked, or refreshed unasked.
    """

    def __init__(self, mixer: Mixer, n_rows: int | None) -> None:
        self.asked = not mixer.needs_look_ahead or mixer.every_step or n_rows is None
        self._n_rows, self._left = n_rows or 0, 0
        if not self.asked:
            first = next(filter(mixer.should_refresh, range(_FAR)), _FAR)
            # One pass through the rows more than is needed, for rows may be trained on twice.
            self._left = (first + 1) * self._n_rows
        self._kind = type(mixer).__name__

    def note(self, n: int) -> None:
        """Count the rows of a step."""
        if self.asked:
            return
        self._left -= n
        if self._left < 0:
            self.asked = True
            warnings.warn(
                f"{self._kind} has not been refreshed in more steps than its first epochs have, "
                "so its weights are still those that it began with: ask `if "
                "mixer.refresh_due(epoch): mixer.refresh(train, validation)` before each epoch, "
                "or give this very mixer to the adapter",
                stacklevel=3,
            )
