"""Hugging Face: a Trainer whose loss is mixed row by row, with the mixer in its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spear_amal.loop.hugging_face_refresh import RefreshingTrainer
from spear_amal.loop.hugging_face_rows import ROWS, Inputs, OfBatch, RowView, n_rows
from spear_amal.loop.loss_mixer import LossMixer


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
        row_losses: OfBatch,
        validation: Any = None,
        answers: OfBatch = logits_and_labels,
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
