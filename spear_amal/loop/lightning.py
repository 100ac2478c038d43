"""Lightning: a callback that refreshes a LossMixer, logs its weights and keeps its state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from spear_amal.errors import MissingExtraError
from spear_amal.loop.adapter_utils import given, weights_to_log
from spear_amal.loop.loss_mixer import LossMixer

try:
    from lightning.pytorch import Callback, Trainer
except ImportError as error:
    raise MissingExtraError("lightning", "lightning", "MixerCallback") from error

__all__ = ["MixerCallback"]

BatchFunction = Callable[[Any, Any], tuple[Any, ...]]


class MixerCallback(Callback):
    """Refreshes, logs and saves a LossMixer, as a loop of one's own does around its steps.

    The module's ``training_step`` returns ``mixer(losses, rows)``. The callback refreshes the
    mixer before epochs and steps where it asks for it, logs the mean weights after each epoch
    ("weight/<loss>", "module/<loss>/<module>"), and keeps the mixer in Lightning's checkpoints.

    Parameters
    ----------
    mixer : LossMixer
        The only argument that is needed if it learns nothing from validation rows.
    row_losses, answers : callable
        From (module, training batch) to row numbers (B,) and losses, (B, K) or by name, and from
        (module, validation batch) to logits (B, C) and gold classes (B,): ``Net.row_losses``.
    train : iterable of batches
        All training rows once, for a refresh before an epoch, by a loader of its own.
    validation : iterable of batches
        Rows held out to learn weights from, not test rows. All of them before an epoch; before a
        step one batch after the other, kept in memory.
    **options
        Of :meth:`spear_amal.loop.LossMixer.refresh`: `head`, `criterion`.

    Raises
    ------
    MissingExtraError
        On import, if Lightning is not installed; InputError in training, if a refresh is due
        and an argument was left out.
    """

    def __init__(
        self,
        mixer: LossMixer,
        row_losses: BatchFunction | None = None,
        answers: BatchFunction | None = None,
        train: Iterable[Any] | None = None,
        validation: Iterable[Any] | None = None,
        **options: Any,
    ) -> None:
        self.mixer, self.options = mixer, options
        self.row_losses, self.answers = row_losses, answers
        self.train, self.validation = train, validation
        self._kept: list[Any] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Refresh on all training rows, if the mixer asks for it."""
        if self.mixer.refresh_due(trainer.current_epoch):
            train, validation = given(self, "train", "validation")
            self._refresh(trainer, _moved(train, trainer), validation)

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, _: int) -> None:
        """Refresh on the batch that comes, if the mixer asks for it."""
        if self.mixer.step_refresh_due():
            self._kept = self._kept or list(*given(self, "validation"))
            turn = trainer.fit_loop.total_batch_idx % max(len(self._kept), 1)
            self._refresh(trainer, [batch], self._kept[turn : turn + 1])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Log the weights."""
        pl_module.log_dict(weights_to_log(self.mixer))

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, names and numbers for the checkpoint."""
        return self.mixer.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.mixer.load_state_dict(state_dict)

    def _refresh(self, trainer: Trainer, train: Iterable[Any], validation: Iterable[Any]) -> None:
        row_losses, answers = given(self, "row_losses", "answers")
        module, held_out = trainer.lightning_module, _moved(validation, trainer)
        losses = (row_losses(module, batch) for batch in train)
        logits_and_y = (answers(module, batch) for batch in held_out)
        self.mixer.refresh(losses, logits_and_y, model=module, **self.options)


def _moved(batches: Iterable[Any], trainer: Trainer) -> Iterable[Any]:
    """Batches as the Trainer hands them to the module: its precision, device and hooks."""
    for batch in batches:
        yield trainer.strategy.batch_to_device(trainer.precision_plugin.convert_input(batch))
