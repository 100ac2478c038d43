"""Hugging Face: a Trainer whose loss is mixed row by row, with the mixer in its checkpoints."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Subset

from spear_amal.errors import InputError, MissingExtraError
from spear_amal.loop.adapter_utils import given, load_mixer, save_mixer, weights_to_log
from spear_amal.loop.loss_mixer import LossMixer


def look_past_folder(name: str, is_available: Any) -> None:
    """Make a check of transformers say False where a package's name is a mere folder on the path.

    From 5.0 on, transformers takes whatever can be imported as ``datasets`` for the package of
    that name. A folder without ``__init__.py`` can be imported too (a namespace package), and one
    of that name lies in many working directories, as in a clone of this project: a Trainer then
    fails on ``datasets.Dataset``. The check keeps its first answer, so it is asked once while the
    name is hidden; nothing else changes, and an installed package is found as ever.

    Parameters
    ----------
    name : str
        Name of the package.
    is_available : callable
        The cached check, such as ``transformers.utils.is_datasets_available``.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is not None or not is_available():
        return
    sys.modules[name] = None  # type: ignore[assignment]  # what Python takes for "not there"
    try:
        is_available.cache_clear()
        is_available()
    finally:
        del sys.modules[name]


try:
    from transformers.utils import is_datasets_available

    look_past_folder("datasets", is_datasets_available)
    from transformers import Trainer, TrainerCallback
    from transformers.trainer_utils import get_last_checkpoint
except ImportError as error:
    raise MissingExtraError("transformers", "transformers", "MixerTrainer") from error

__all__ = ["MixerTrainer"]

STATE = "mixer.safetensors"


class RefreshingTrainer(Trainer):
    """A Trainer around a mixer; its subclass mixes the loss.

    Attributes
    ----------
    mixer : LossMixer
    rows : RowView
    """

    mixer: LossMixer
    rows: RowView

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_callback(_Epochs(self))

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kw: Any) -> Any:
        """Train as a Trainer does; the mixer continues from the checkpoint too."""
        folder = resume_from_checkpoint
        if folder is True:
            folder = get_last_checkpoint(self.args.output_dir) or True
        if isinstance(folder, str):
            load_mixer(self.mixer, Path(folder, STATE))
        return super().train(folder, *args, **kw)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the model, and the mixer beside it."""
        super().save_model(output_dir, _internal_call)
        if self.args.should_save:
            save_mixer(self.mixer, Path(output_dir or self.args.output_dir, STATE))

    def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Refresh on the batch that comes, if the mixer asks for it, and go on."""
        if self.mixer.step_refresh_due():
            self.rows.before_step(inputs)
        return super().training_step(model, inputs, *args, **kwargs)


class _Epochs(TrainerCallback):
    def __init__(self, trainer: RefreshingTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        mixer, data = self.trainer.mixer.mixer, self.trainer.train_dataset
        if mixer.needs_look_ahead and not mixer.every_step and not hasattr(data, "__len__"):
            raise InputError(
                f"{type(mixer).__name__} goes through all training rows before some epochs: "
                f"train_dataset needs a length and rows by number, found {type(data).__name__}; "
                "take a map-style data set, or a mixer without a table of rows"
            )

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        epoch = state.epoch or 0
        # A run that continues within an epoch has refreshed before it.
        if int(epoch) == epoch and self.trainer.mixer.refresh_due(int(epoch)):
            self.trainer.rows.before_epoch()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if weights := weights_to_log(self.trainer.mixer):
            self.trainer.log(weights)


def logits_and_labels(outputs: Any, inputs: Inputs) -> tuple[Any, Any]:
    """Logits (B, C) and gold classes (B,), as models for classification have them."""
    return outputs.logits, inputs["labels"]


class MixerTrainer(RefreshingTrainer):
    """A Trainer that mixes losses; named before another kind of Trainer it mixes that one's.

    It takes what a Trainer takes. Evaluation shows the model's own loss, as ever.

    Parameters
    ----------
    mixer : LossMixer
    row_losses : callable
        From the model's (outputs, inputs) to losses, (B, K) or by name; or to a pair of these
        and where they apply (B, K).
    validation : map-style Dataset
        Rows held out to learn weights from, not test rows. All of them before an epoch; before a
        step one batch after the other.
    answers : callable
        From (outputs, inputs) of validation rows to logits (B, C) and gold classes (B,).
    columns : sequence of str
        Columns of the data for `row_losses`, not for the model. Row numbers are such a column,
        "rows", and need not be named.
    refresh : mapping
        Options of :meth:`spear_amal.loop.LossMixer.refresh`: `head`, `criterion`.

    Raises
    ------
    MissingExtraError
        On import of this module, if transformers is not installed.
    """

    def __init__(
        self,
        *args: Any,
        mixer: LossMixer,
        row_losses: InputsFunction,
        validation: Any = None,
        answers: InputsFunction = logits_and_labels,
        columns: Sequence[str] = (),
        refresh: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.mixer, columns = mixer, (ROWS, *columns)
        self.rows = RowView(self, row_losses, answers, validation, columns, refresh or {})
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = False  # it is not the model that scales the mixed loss

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> tuple[list[Any], int]:
        """Collect the batches of a step, and count their rows, where a Trainer counts labels."""
        batches, _ = super().get_batch_samples(*args, **kwargs)
        return batches, sum(map(n_rows, batches))

    def prediction_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Predict from the columns that the model knows."""
        return super().prediction_step(model, self.rows.for_model(inputs), *args, **kwargs)

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Mix the losses of a training batch, weighted by its share of the step's rows."""
        if not model.training:
            return super().compute_loss(
                model, self.rows.for_model(inputs), return_outputs, **kwargs
            )
        outputs = model(**self.rows.for_model(inputs))
        loss = self.mixer(*self.rows.losses(outputs, inputs))
        if num_items_in_batch is not None:  # the Trainer then divides by a count of batches
            usual = self.args.gradient_accumulation_steps  # what older releases divide by
            batches = getattr(self, "current_gradient_accumulation_steps", usual)
            loss = loss * (n_rows(inputs) * batches / num_items_in_batch)
        return (loss, outputs) if return_outputs else loss

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        self._signature_columns += set(self.rows.columns) - set(self._signature_columns)


ROWS = "rows"
Inputs = Mapping[str, Any]
InputsFunction = Callable[[Any, Inputs], Any]


@dataclass
class RowView:
    """The functions and the data that a refresh needs, with the Trainer that runs the model.

    Attributes
    ----------
    trainer : Trainer
    row_losses, answers : callable
        From (outputs, inputs) of a batch.
    validation : map-style Dataset or None
    columns : sequence of str
        Those that the model does not get.
    options : mapping
        Of :meth:`spear_amal.loop.LossMixer.refresh`.
    """

    trainer: Any
    row_losses: InputsFunction
    answers: InputsFunction
    validation: Any
    columns: Sequence[str]
    options: Mapping[str, Any] = field(default_factory=dict)

    def for_model(self, inputs: Inputs) -> dict[str, Any]:
        """Return the columns that the model knows."""
        return {name: value for name, value in inputs.items() if name not in self.columns}

    def losses(self, outputs: Any, inputs: Inputs) -> tuple[Any, ...]:
        """Losses, row numbers and, if they were given, domains: what a LossMixer is called with."""
        try:
            answer = self.row_losses(outputs, inputs)
        except KeyError as error:
            if not error.args or error.args[0] in inputs:
                raise
            raise InputError(
                f"row_losses found no column {error.args[0]!r} among {sorted(inputs)}; name "
                "columns of the data that the model does not take in MixerTrainer(columns=[...])"
            ) from error
        losses, *applies = answer if isinstance(answer, tuple) else (answer,)
        return losses, inputs.get(ROWS), *applies

    def before_epoch(self) -> None:
        """Refresh on all training rows."""
        train, (validation,) = self.trainer.train_dataset, given(self, "validation")
        self._refresh(self._batches(train, range(len(train))), range(len(validation)))

    def before_step(self, inputs: Inputs) -> None:
        """Refresh on the batch that comes, and on the validation batch whose turn it is."""
        n, size = len(*given(self, "validation")), self.trainer.args.eval_batch_size
        first = self.trainer.state.global_step * size
        self._refresh([inputs], [(first + i) % n for i in range(min(size, n))])

    def _refresh(self, train: Iterable[Inputs], rows: Sequence[int]) -> None:
        pairs = (self.losses(*answered) for answered in self._answered(train))
        validation = self._answered(self._batches(self.validation, rows))
        self.trainer.mixer.refresh(
            ((index, losses, *applies) for losses, index, *applies in pairs),
            (self.answers(*answered) for answered in validation),
            model=self.trainer.model,
            **self.options,
        )

    def _answered(self, batches: Iterable[Inputs]) -> Iterator[tuple[Any, Inputs]]:
        for batch in batches:
            inputs = self.trainer._prepare_inputs(batch)
            yield self.trainer.model(**self.for_model(inputs)), inputs

    def _batches(self, data: Any, rows: Sequence[int]) -> Iterable[Inputs]:
        """Batches as in evaluation; a generator of their own leaves the Trainer's numbers alone."""
        collate = self.trainer._get_collator_with_removed_columns(self.trainer.data_collator)
        size, generator = self.trainer.args.eval_batch_size, torch.Generator()
        return DataLoader(Subset(data, rows), size, collate_fn=collate, generator=generator)


def n_rows(inputs: Inputs) -> int:
    """Count the rows of a batch."""
    return len(next(iter(inputs.values())))
