"""What estimators do where the feature model is a transformer that is fine-tuned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from spear_amal.data.table_features import FeaturesLike, parse_features
from spear_amal.data.token_features import TokenFeatures
from spear_amal.data.transformer_folders import find_transformer
from spear_amal.errors import InputError
from spear_amal.models.encoder_config import EncoderConfig, encoder_name
from spear_amal.models.encoder_model import EncoderModel, EncoderPlan, check_tokens

#: Features where nothing is said: an encoder has its own.
USUAL_FEATURES = "tfidf"
#: Learning rates of Adam where none is given: of an encoder's weights, and of low-rank updates.
ENCODER_RATE, UPDATES_RATE = 5e-5, 5e-4
#: The same of SGD.
SGD_ENCODER_RATE = 5e-3
#: Epochs without gain after which training ends, where nothing is said: each takes long.
ENCODER_PATIENCE = 3
#: AMAL's schedule in the few epochs that an encoder is trained for. A pass of all rows for each
#: refresh would be a third of an epoch; from the states of the training steps it costs nothing.
ENCODER_AMAL = {"reuse_states": True, "warmup": 1, "refresh_every": 2}


class FineTunesEncoders:
    """Mixin of estimators: reads, makes and stores what "encoder:NAME" names."""

    feature_model: Any
    encoder: EncoderConfig | None
    encoder_plan_: EncoderPlan
    mixer: Any
    mixer_options: Any

    @property
    def encoder_name(self) -> str | None:
        """What ``feature_model="encoder:NAME"`` names; None where it is no encoder."""
        return encoder_name(self.feature_model)

    def _encoder_options(self) -> EncoderConfig:
        return EncoderConfig() if self.encoder is None else self.encoder

    def _check_encoder(self) -> None:
        """Raise an error for an encoder that cannot be had, or options that do not go with one."""
        if self.encoder_name is None:
            return
        find_transformer(self.encoder_name)
        if getattr(self, "cut_statistic", None) is not None:
            raise InputError(
                "cut_statistic compares the features of rows, and an encoder has numbers of tokens "
                "in their place: leave it out"
            )

    def _begin_encoder(self) -> None:
        """Read what the named encoder is, anew for each fit."""
        folder = find_transformer(str(self.encoder_name))
        pooling = self._encoder_options().pooling
        if pooling == "auto":
            pooling = folder.pooling or "first"
        self.encoder_plan_ = EncoderPlan.of_folder(folder.path, pooling, folder.identity)

    def _check_tokens(self, x: Any, reset: bool) -> None:
        """Raise InputError unless rows (n, L) are token numbers; `reset` for those of training."""
        if self.encoder_name is None:
            return
        if reset:
            self._begin_encoder()
        check_tokens(x, self.encoder_plan_)

    def _mixing(self, with_rules: bool = True) -> dict[str, Any]:
        """Return `mixer` and `mixer_options`, as is usual where an encoder is trained.

        Without rules "amal" keeps to the schedule of the published distillation code.
        """
        options, is_amal = self.mixer_options, self.mixer == "amal"
        if self.encoder_name is not None and is_amal and isinstance(options, Mapping | None):
            usual = ENCODER_AMAL if with_rules else {"reuse_states": True}
            options = {**usual, **(options or {})}
        return {"mixer": self.mixer, "options": options}

    def _encoder_rate(self, optimiser: str) -> float:
        """Return the learning rate where none is given."""
        if optimiser == "sgd":
            return SGD_ENCODER_RATE
        return UPDATES_RATE if self._encoder_options().lora_rank else ENCODER_RATE

    def _new_encoder(self, n_classes: int, generator: torch.Generator | None) -> EncoderModel:
        """Make the encoder: to be trained with a generator; without one for stored parameters."""
        if generator is None:
            return EncoderModel(self.encoder_plan_, n_classes)
        folder = find_transformer(str(self.encoder_name)).path
        options = self._encoder_options()
        return EncoderModel(self.encoder_plan_, n_classes, options, folder, generator)


def tokens_of(estimator: Any) -> tuple[str, int | None] | None:
    """Return the arguments of the :class:`TokenFeatures` that an estimator needs, if it does."""
    name = getattr(estimator, "encoder_name", None)
    return None if name is None else (name, estimator._encoder_options().max_length)


def features_for(estimator: Any, features: FeaturesLike) -> FeaturesLike:
    """Return what makes the features of an estimator's rows: tokens, where it trains an encoder.

    Raises
    ------
    InputError
        If an encoder is to read other features than texts, or token numbers are for another model.
    """
    needed = tokens_of(estimator)
    if features == USUAL_FEATURES and needed is not None:
        return TokenFeatures(*needed)
    parts = parse_features(features)
    tokens = [part for part in parts if isinstance(part, TokenFeatures)]
    if needed is not None and (len(parts) > 1 or not tokens):
        raise InputError(
            f"feature_model='encoder:{needed[0]}' reads the texts themselves and no other "
            "features: leave out features, or choose another feature_model"
        )
    if needed is None and tokens:
        raise InputError(
            "token numbers are features of an encoder that is trained itself: choose "
            f"feature_model='encoder:{tokens[0].encoder}', or other features"
        )
    return features


def merge_updates(model: torch.nn.Module) -> None:
    """Add low-rank updates to the weights of all encoders within a model, in place."""
    for part in list(model.modules()):
        if isinstance(part, EncoderModel):
            part.merge()
