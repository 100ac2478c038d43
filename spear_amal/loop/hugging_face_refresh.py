"""The part of a Hugging Face Trainer that refreshes its mixer and keeps it in checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spear_amal.errors import InputError, MissingExtraError
from spear_amal.loop.adapters import load_mixer, save_mixer, weights_to_log
from spear_amal.loop.hugging_face_rows import RowView
from spear_amal.loop.loss_mixer import LossMixer

try:
    from transformers import Trainer, TrainerCallback
    from transformers.trainer_utils import get_last_checkpoint
except ImportError as error:
    raise MissingExtraError("transformers", "transformers", "MixerTrainer") from error

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
