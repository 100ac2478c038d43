"""One object between a user's losses and ``backward()``: any mixer, in any PyTorch loop."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spear_amal.errors import InputError
from spear_amal.loop.captured import CapturedLookAhead, Criterion
from spear_amal.loop.gather import gather_groups, gather_validation, pairs, targets
from spear_amal.loop.graphs import CapturedGraphs, check_told_apart, trainable
from spear_amal.loop.ranks import check_mergeable, merge
from spear_amal.loop.row_losses import (
    RowLosses,
    check_finite,
    check_gradients,
    check_rows,
    row_numbers,
)
from spear_amal.loop.setup import build, check_names, check_options, row_table
from spear_amal.loop.standing import standing
from spear_amal.mixers import Mixer, Step
from spear_amal.types import Batch

FORMAT = 1
# Rows are numbered within the batch where no row has a weight of its own.
UNNUMBERED = 2**16


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
        Where each loss is defined, as far as it is known before; everywhere by default.
    y : Tensor (n_rows,), int, optional
        Class of each training row, -1 where unknown: for "crust", and for AMAL's
        ``share="pattern"``, whose patterns are classes here.
    **options
        Of the mixer, with its name.

    Attributes
    ----------
    mixer : Mixer
    names : tuple of str
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
        domain: Any = None,
        y: Any = None,
        **options: Any,
    ) -> None:
        self.names = check_names(losses)
        self.mixer = build(mixer, main, options)
        check_options(self.mixer, n_rows)
        self.n_rows = n_rows
        self.check = check
        self.model = model
        shape = (n_rows or UNNUMBERED, len(self.names))
        self.domain = row_table("domain", domain, n_rows, shape, torch.bool, True)
        self.y = row_table("y", y, n_rows, shape[:1], torch.int64, -1)
        self._refreshed: Tensor | None = None
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
        self.mixer.attach(len(self.domain), self.names, self.domain.clone(), mixable)

    # -- a step ---------------------------------------------------------------------------------

    def __call__(
        self,
        losses: Tensor | Mapping[str, Tensor],
        rows: Any = None,
        applies: Tensor | None = None,
    ) -> Tensor:
        """Mix the losses of a batch that is trained; call it once for each.

        Parameters
        ----------
        losses : Tensor (B, K), or mapping of str to Tensor (B,)
            One value a row, with their graphs. By name each keeps a graph of its own: mixers that
            compare gradients then tell shared parameters from those of a loss' own head. In a
            stacked tensor all parameters count as shared; they raise where they can see that it
            is not so.
        rows : (B,) ints, optional
            Ids of the rows in ``[0, n_rows)``, each once; needed with `n_rows`.
        applies : Tensor (B, K), bool, optional
            Where each loss is defined; by default as `domain` says.

        Returns
        -------
        Tensor
            A scalar ``sum_k (1/n_k) sum_i w_ik l_ik``, or one with the gradient that the mixer
            puts together.
        """
        given = RowLosses.of(losses, self.names)
        self.to(given.stacked.device)
        index = self._index(rows, len(given))
        here = self._applies(applies, index, given.stacked.shape)
        self._check_step(given, index, here)
        parameters = self._parameters(given)
        given = given.within(here)
        self._note_domain(index, here)
        weights = self.mixer.weights(self._batch(index), given.stacked.detach())
        columns = given.columns if self.mixer.separates else ()
        self._refreshed = None
        return self.mixer.combine(Step(given.stacked, weights, here, columns, parameters))

    def _check_step(self, given: RowLosses, index: Tensor, applies: Tensor) -> None:
        check_gradients(given, self.names, applies)
        if self.check:
            check_finite(given.within(applies), self.names, index)
        if self.step_refresh_due():
            raise InputError(
                f"{type(self.mixer).__name__} learns before this step: call "
                "`if mixer.step_refresh_due(): mixer.refresh(...)` before the losses are mixed"
            )
        if self.mixer.every_step and not torch.equal(self._refreshed, index):  # type: ignore[arg-type]
            raise InputError(
                f"{type(self.mixer).__name__} was refreshed on other rows than this batch's; "
                "refresh it on the batch that is trained next"
            )

    def _index(self, rows: Any, n: int) -> Tensor:
        """Row numbers (B,), or places within the batch where rows have none."""
        if self.n_rows is None:
            if n > UNNUMBERED:
                raise InputError(f"a batch has {n} rows, without n_rows at most {UNNUMBERED}")
            return torch.arange(n, device=self.device)
        if rows is None:
            raise InputError(
                "rows is missing: the ids of the batch's rows, as the data set numbers them from "
                f"0 to {self.n_rows - 1}"
            )
        index = row_numbers(rows, n, self.device)
        if self.check:
            check_rows(index, self.n_rows)
        return index

    def _applies(self, applies: Any, index: Tensor, shape: torch.Size) -> Tensor:
        if applies is None:
            return self.domain[index]
        if not isinstance(applies, Tensor) or applies.dtype != torch.bool or applies.shape != shape:
            found = (
                f"{applies.dtype} of shape {tuple(applies.shape)}"
                if isinstance(applies, Tensor)
                else type(applies).__name__
            )
            raise InputError(f"applies must be a bool tensor {tuple(shape)}, found {found}")
        return applies.to(self.device)

    def _note_domain(self, index: Tensor, applies: Tensor) -> None:
        """Tell mixers without a table where the batch's losses are defined."""
        known = getattr(self.mixer, "domain", None)
        if known is not None and self.mixer.table() is None:
            known[index] = applies

    def _parameters(self, given: RowLosses) -> dict[str, Tensor]:
        if not self.mixer.separates:
            return {}
        parameters = trainable(self._model(None))
        if self.check:
            check_told_apart(given, self.names, parameters)
        return parameters

    def _model(self, model: nn.Module | None) -> nn.Module:
        model = self.model if model is None else model
        if not isinstance(model, nn.Module):
            raise InputError(
                f"{type(self.mixer).__name__} needs the model that is trained, an nn.Module, found "
                f"{model!r}; give LossMixer(..., model=model), or model= to refresh"
            )
        return model

    def _batch(self, index: Tensor) -> Batch:
        none = torch.zeros(len(index), 0, device=self.device)
        return Batch(index, none, self.y[index], none, none, none.unsqueeze(2))

    # -- learning -------------------------------------------------------------------------------

    def refresh_due(self, epoch: int) -> bool:
        """Whether :meth:`refresh` is wanted before epoch `epoch` (from 0), on all training rows."""
        grouped = self.mixer.needs_look_ahead and not self.mixer.every_step
        return grouped and self.mixer.should_refresh(epoch)

    def step_refresh_due(self) -> bool:
        """Whether :meth:`refresh` is wanted before the step that comes.

        "l2r" and "mwn" want the batch that is trained next, "auxilearn" and "maoal" another one.
        """
        wanted = self.mixer.every_step or (self.mixer.needs_graphs and self.mixer.due())
        return wanted and self._refreshed is None

    def refresh(
        self,
        train: Iterable[Any],
        validation: Iterable[Any],
        *,
        model: nn.Module | None = None,
        head: nn.Linear | str | None = None,
        criterion: Criterion = F.cross_entropy,
    ) -> None:
        """Learn from rows whose targets are trusted, at the model's parameters as they are.

        Both iterables must call the model only when they are gone through, in here: generator
        expressions do. The model is in evaluation mode meanwhile, runs uncompiled and has its mode
        back afterwards. Validation is gone through first, once.

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
            that do not depend on its output keep their weights.
        criterion : callable
            Validation logits and targets to a mean loss. The mixers' own outer losses ("teacher"
            of "alm-kd", with its part on the training group) are not used here.
        """
        model = self._model(model)
        check_mergeable(self.mixer)
        with standing(model):
            if self.mixer.needs_graphs:
                self._learn_from_graphs(train, validation, model, criterion)
            elif self.mixer.needs_look_ahead:
                self._learn_from_look_aheads(train, validation, model, head, criterion)

    def _learn_from_look_aheads(
        self,
        train: Iterable[Any],
        validation: Iterable[Any],
        model: nn.Module,
        head: nn.Module | str | None,
        criterion: Criterion,
    ) -> None:
        found, trusted = gather_validation(validation, model, head, criterion)
        self.to(trusted.hidden.device)
        before, seen = self.mixer.state_dict(), []
        options = self.mixer.look_ahead_options()
        groups = gather_groups(
            train, found, self.names, self._index, self._applies, options.group_size
        )
        for rows in groups:
            self._note_domain(rows.index, rows.applies)
            with torch.autocast(self.device.type, enabled=False):
                look = CapturedLookAhead(found, rows, trusted, options.eta)
                self.mixer.refresh(look, self._batch(rows.index))
            seen.append(rows.index)
        self.mixer.end_refresh()
        self._refreshed = torch.cat(seen)
        merge(self.mixer, before, self._refreshed)

    def _learn_from_graphs(
        self,
        train: Iterable[Any],
        validation: Iterable[Any],
        model: nn.Module,
        criterion: Criterion,
    ) -> None:
        item = next(pairs(train, "train"), None)
        trusted = next(pairs(validation, "validation"), None)
        if item is None or trusted is None:
            raise InputError(f"{'train' if item is None else 'validation'} is empty")
        losses = RowLosses.of(item[1], self.names)
        self.to(losses.stacked.device)
        index = self._index(item[0], len(losses))
        here = self._applies(item[2] if len(item) == 3 else None, index, losses.stacked.shape)
        check_gradients(losses, self.names, here)
        check_finite(losses.within(here), self.names, index)
        parameters = trainable(model)
        check_told_apart(losses, self.names, parameters)
        logits, y = trusted
        value = criterion(logits, targets(y, logits, criterion))
        self.mixer.learn(CapturedGraphs(parameters, here, losses, value))
        self._refreshed = index

    # -- what is kept and shown -----------------------------------------------------------------

    def candidates(self) -> list[LossMixer]:
        """One for each model that is to be trained; validation rows choose ("random-search")."""
        made = []
        for mixer in self.mixer.candidates(self.names):
            one = copy.deepcopy(self)
            one.mixer = copy.deepcopy(mixer)
            one._attach()
            made.append(one)
        return made

    @property
    def device(self) -> torch.device:
        """Where the tables lie."""
        return self.domain.device

    def to(self, device: torch.device | str) -> LossMixer:
        """Move tables and state; a call does it by itself where the losses are elsewhere."""
        device = torch.device(device)
        if device != self.device:
            state = {name: value.to(device) for name, value in self.mixer.state_dict().items()}
            self.domain, self.y = self.domain.to(device), self.y.to(device)
            with torch.random.fork_rng(devices=[]):
                self._attach()
            self.mixer.load_state_dict(state)
        return self

    def table(self) -> Tensor | None:
        """All weights (n_rows, K), where each row has its own."""
        return None if self.n_rows is None else self.mixer.table()

    def mean_weights(self, rows: Any = None) -> dict[str, float]:
        """Mean weight of each loss over rows (all by default); empty if not kept."""
        n = len(self.domain)
        index = torch.arange(n) if rows is None else torch.as_tensor(rows)
        return self.mixer.mean_weights(index.to(self.device))

    def module_weights(self) -> dict[tuple[str, str], float]:
        """Weight by (loss, module), where it differs between the modules of a network."""
        return self.mixer.module_weights()

    def state_dict(self) -> dict[str, Any]:
        """Return what :meth:`load_state_dict` continues from: tensors, names and numbers only."""
        return {
            "format": FORMAT,
            "mixer": type(self.mixer).__name__,
            "losses": list(self.names),
            "n_rows": self.n_rows,
            "state": self.mixer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave; it must be of the same losses and rows."""
        own = self.state_dict()
        for key in ("format", "mixer", "losses", "n_rows"):
            if key not in state or state[key] != own[key]:
                raise InputError(
                    f"the state's {key} is {state.get(key, 'missing')!r}, this mixer's is "
                    f"{own[key]!r}; load it into a LossMixer made like the one that was saved"
                )
        self.mixer.load_state_dict(dict(state["state"]))
