"""What a Trainer's mixer sees of its data: rows, losses and answers by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.data import DataLoader, Subset

from spear_amal.errors import InputError
from spear_amal.loop.adapters import given

ROWS = "rows"
Inputs = Mapping[str, Any]
OfBatch = Callable[[Any, Inputs], Any]


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
    row_losses: OfBatch
    answers: OfBatch
    validation: Any
    columns: Sequence[str]
    options: Mapping[str, Any] = field(default_factory=dict)

    def for_model(self, inputs: Inputs) -> dict[str, Any]:
        """Give the columns that the model knows."""
        return {name: value for name, value in inputs.items() if name not in self.columns}

    def losses(self, outputs: Any, inputs: Inputs) -> tuple[Any, ...]:
        """Losses, row numbers and, if they were given, domains: what a LossMixer is called with."""
        try:
            found = self.row_losses(outputs, inputs)
        except KeyError as error:
            if not error.args or error.args[0] in inputs:
                raise
            raise InputError(
                f"row_losses found no column {error.args[0]!r} among {sorted(inputs)}; name "
                "columns of the data that the model does not take in MixerTrainer(columns=[...])"
            ) from error
        losses, *applies = found if isinstance(found, tuple) else (found,)
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
