"""A transformer of Hugging Face as a feature model that is trained itself: tokens to logits."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spear_amal.errors import FileFormatError, InputError, MissingExtraError
from spear_amal.models.encoder_config import POOLINGS, EncoderConfig
from spear_amal.models.feature_model import Affine
from spear_amal.quiet_transformers import quiet_loading

# Tokens of rows of similar length that go through the encoder at once: little is padded. Without
# training more fit into the processor's cache.
TOKENS_IN_TRAINING, TOKENS, TOKENS_ON_GPU = 256, 512, 16_384
# From texts to what an encoder is trained on.
_WAY = "make X of texts by TokenFeatures(NAME), or give TextClassifier the texts"
# Whose places of tokens are counted from behind that of the padding.
_COUNTS_FROM_PADDING = (
    *("roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "ibert", "data2vec-text"),
    *("roberta-prelayernorm", "xlm-roberta-xl", "xmod"),
)
# Of a configuration: what would have other code run than that of transformers.
_UNUSED = ("auto_map", "quantization_config", "attn_implementation", "_attn_implementation")


@dataclass(frozen=True)
class EncoderPlan:
    """What an encoder is, without its weights; fit for JSON.

    Attributes
    ----------
    config : dict
        Its configuration, as transformers writes it.
    pooling : {"mean", "first", "last", "max"}
    identity : str
        Hash of the folder that its weights came from.
    """

    config: dict[str, Any]
    pooling: str
    identity: str

    @classmethod
    def of_folder(cls, folder: Path, pooling: str, identity: str = "") -> EncoderPlan:
        """Read the configuration of a folder.

        Raises
        ------
        FileFormatError
            If transformers does not know the model, or it pools in an unknown way.
        """
        if pooling not in POOLINGS:
            raise FileFormatError(
                f"{folder} pools tokens by {pooling!r}; known are {POOLINGS}: choose one by "
                "EncoderConfig(pooling=..)"
            )
        from_pretrained = _transformers().AutoConfig.from_pretrained
        with _as_file_error(folder), quiet_loading():
            config = from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        return cls(_plain(config.to_dict()), pooling, identity)

    @cached_property
    def _settings(self) -> Any:
        """The configuration as an object, which knows all names of a number."""
        given = dict(self.config)
        with _as_file_error("the configuration"):
            return _transformers().AutoConfig.for_model(given.pop("model_type"), **given)

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return int(self._settings.vocab_size)

    @property
    def width(self) -> int:
        """H, numbers of a pooled state."""
        return int(self._settings.hidden_size)

    @property
    def longest(self) -> int | None:
        """Tokens of a row at most; None where the configuration says nothing."""
        places: int | None = getattr(self._settings, "max_position_embeddings", None)
        if places is None or self.config["model_type"] not in _COUNTS_FROM_PADDING:
            return places
        return int(places) - int(self._settings.pad_token_id) - 1

    def new_body(self, folder: Path | None = None) -> nn.Module:
        """Make the encoder, with the weights of a folder or with those of chance.

        Raises
        ------
        FileFormatError
            If weights are missing, or transformers cannot make the model.
        """
        library = _transformers()
        with _as_file_error(folder or "the configuration"), quiet_loading():
            config = copy.deepcopy(self._settings)
            for attention in ("sdpa", "eager"):  # not every model has the first
                try:
                    body = _load(library.AutoModel, config, folder, attention)
                    break
                except ValueError as error:
                    if attention == "eager" or "attention" not in str(error):
                        raise
        return body.float()


def _load(loader: Any, config: Any, folder: Path | None, attention: str) -> Any:
    if folder is None:
        return loader.from_config(config, attn_implementation=attention)
    body, told = loader.from_pretrained(
        str(folder),
        config=config,
        attn_implementation=attention,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    # Of a pooler, which is not used, many folders have no weights.
    missing = sorted(name for name in told["missing_keys"] if "pooler" not in name)
    if missing:
        raise ValueError(f"weights are missing, {missing[0]!r} among {len(missing)}")
    return body


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "encoders", "an encoder") from error
    return transformers


@contextmanager
def _as_file_error(source: object) -> Iterator[None]:
    """Raise FileFormatError for whatever the library makes of what it cannot read."""
    try:
        yield
    except Exception as error:
        raise FileFormatError(f"no encoder can be made of {source}: {error}") from error


@contextmanager
def _without_future_warnings() -> Iterator[None]:
    """Leave out what the libraries say of names that newer versions of each other rename."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """Return what a configuration holds that makes the model, without other code and types."""
    return {name: v for name, v in config.items() if name not in (*_UNUSED, "dtype", "torch_dtype")}


class EncoderModel(nn.Module):
    """Rows of token numbers (B, L), -1 behind the last token, to logits (B, C) and states (B, H).

    Rows go through the encoder sorted by length, few at a time, cut to the longest of them: what a
    row gets does not depend on the rows beside it.

    Parameters
    ----------
    plan : EncoderPlan
    n_classes : int
    options : EncoderConfig, optional
        What is trained, and at which rates.
    folder : Path, optional
        Where the weights are; by default they are drawn.
    generator : torch.Generator, optional
        Source of the head, and of low-rank updates.
    with_updates : bool
        Whether low-rank updates that `options` asks for are added.

    Attributes
    ----------
    head : nn.Linear
    reads_tokens : bool
        True: what it is given are no features.
    """

    def __init__(
        self,
        plan: EncoderPlan,
        n_classes: int,
        options: EncoderConfig | None = None,
        folder: Path | None = None,
        generator: torch.Generator | None = None,
        with_updates: bool = True,
    ) -> None:
        super().__init__()
        self.reads_tokens = True
        self.options = EncoderConfig() if options is None else options
        self.pooling, self.vocabulary = plan.pooling, plan.vocabulary
        # What the library draws is settled by our generator, not by the global state.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0 if generator is None else generator.initial_seed())
            self.body: Any = plan.new_body(folder)
            drop_pooler(self.body)
            self._layers = layer_names(self.body)
            self._freeze()
            if self.options.dropout is not None:
                set_dropout(self.body, self.options.dropout)
            if self.options.lora_rank and with_updates:
                self.body = _with_updates(self.body, self.options, self._trained_layers)
        if self.options.gradient_checkpointing:
            with _without_future_warnings():
                self.body.gradient_checkpointing_enable({"use_reentrant": False})
        self.padding = int(self.body.config.pad_token_id or 0)
        self.head = Affine(plan.width, n_classes, generator)

    @property
    def _trained_layers(self) -> list[str]:
        return self._layers[int(self.options.n_frozen) :]

    def _freeze(self) -> None:
        """Set what the options leave as it is apart from training."""
        n_frozen = int(self.options.n_frozen)
        if n_frozen > len(self._layers):
            raise InputError(
                f"n_frozen={n_frozen} layers are to stay as they are, but the encoder has "
                f"{len(self._layers)}"
            )
        frozen = tuple(f"{name}." for name in self._layers[:n_frozen])
        for name, parameter in self.body.named_parameters():
            below = _is_embedding(name) and not self.options.train_embeddings
            if below or name.startswith(frozen):
                parameter.requires_grad_(False)

    # -- rates ----------------------------------------------------------------------------------

    def rate_groups(self) -> list[tuple[float, list[nn.Parameter]]]:
        """Return what is trained, in groups, each with its multiple of the learning rate."""
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in self.body.named_parameters():
            if parameter.requires_grad:
                groups.setdefault(self._factor(name), []).append(parameter)
        head = list(self.head.parameters())
        return [*groups.items(), (float(self.options.head_scale), head)]

    def _factor(self, name: str) -> float:
        """Return the multiple of the rate of a parameter: the deeper it lies, the smaller."""
        decay, n = float(self.options.layer_decay), len(self._layers)
        if _is_embedding(name):
            return float(decay**n)
        depth = next((i for i, layer in enumerate(self._layers) if f"{layer}." in name), n - 1)
        return float(decay ** (n - 1 - depth))

    # -- answers --------------------------------------------------------------------------------

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and the pooled states (B, H)."""
        hidden = self.pooled(x)
        return self.head(hidden), hidden

    def logits_and_hidden(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and the pooled states (B, H), as :meth:`forward`."""
        return self(x)

    def pooled(self, x: Tensor) -> Tensor:
        """Pool the states of each row's tokens (B, H)."""
        if not isinstance(x, Tensor) or x.ndim != 2:
            raise InputError("an encoder needs rows of token numbers (rows, tokens), found others")
        if not len(x):
            return self.head.weight.new_zeros(0, self.head.in_features)
        lengths = (x >= 0).sum(1)
        order = lengths.argsort(descending=True, stable=True)
        sizes = _part_sizes(lengths[order].tolist(), self._tokens_at_once(x))
        parts = [self._pooled_part(x[rows], lengths[rows]) for rows in order.split(sizes)]
        return torch.cat(parts)[order.argsort()]

    def _tokens_at_once(self, x: Tensor) -> int:
        if x.device.type != "cpu":
            return TOKENS_ON_GPU
        # Not by whether a graph is kept: a batch that goes through twice draws the same dropout.
        return TOKENS_IN_TRAINING if self.training else TOKENS

    def _pooled_part(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Pool rows of similar length (B, L), the longest first."""
        lengths = lengths.clamp(min=1)  # of a text without a token the padding is seen
        x = x[:, : int(lengths[0])]
        seen = torch.arange(x.shape[1], device=x.device) < lengths[:, None]  # (B, L)
        ids = torch.where(x >= 0, x, self.padding).long()
        states = self.body(input_ids=ids, attention_mask=seen.long()).last_hidden_state
        return _pool(states, seen, lengths, self.pooling)

    def merge(self) -> None:
        """Add low-rank updates to the weights, in place: the package peft is not needed after."""
        if hasattr(self.body, "merge_and_unload"):
            with _without_future_warnings():
                self.body = self.body.merge_and_unload()


def _part_sizes(lengths: list[int], tokens: int) -> list[int]:
    """Return how many rows go at once, of lengths that fall; at least one, whatever its length."""
    sizes: list[int] = []
    first = 0
    while first < len(lengths):
        sizes.append(min(len(lengths) - first, max(1, tokens // max(1, lengths[first]))))
        first += sizes[-1]
    return sizes


def _pool(states: Tensor, seen: Tensor, lengths: Tensor, pooling: str) -> Tensor:
    """Make one state (B, H) of those of tokens (B, L, H), of which `seen` (B, L) are tokens."""
    if pooling == "first":
        return states[:, 0]
    if pooling == "last":
        return states[torch.arange(len(states), device=states.device), lengths - 1]
    if pooling == "max":
        return states.masked_fill(~seen[:, :, None], -torch.inf).amax(1)
    return (states * seen[:, :, None]).sum(1) / lengths[:, None]


def layer_names(body: nn.Module) -> list[str]:
    """Return the names of an encoder's layers, from the bottom; empty where they are not found."""
    n_layers = getattr(body.config, "num_hidden_layers", None)
    for name, part in body.named_modules():
        if isinstance(part, nn.ModuleList) and len(part) == n_layers:
            return [f"{name}.{i}" for i in range(len(part))]
    return []


def _is_embedding(name: str) -> bool:
    return "embedding" in name or any(f"{part}." in name for part in ("wte", "wpe"))


def drop_pooler(body: nn.Module) -> None:
    """Remove a pooler beside the layers: it is not used, and has no weights in many folders."""
    if getattr(body, "pooler", None) is not None:
        setattr(body, "pooler", None)  # noqa: B010  a module's attributes are typed as modules


def set_dropout(body: nn.Module, share: float) -> None:
    """Set every dropout of an encoder, those within attention as well."""
    for part in body.modules():
        if isinstance(part, nn.Dropout):
            part.p = float(share)
        for name in ("attention_dropout", "dropout_prob"):
            if isinstance(getattr(part, name, None), float):
                setattr(part, name, float(share))


def _with_updates(body: nn.Module, options: EncoderConfig, layers: list[str]) -> Any:
    """Freeze an encoder and lay low-rank updates beside the linear parts of its layers."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtraError("peft", "encoders", "lora_rank") from error
    ends = options.lora_targets
    targets = [
        name
        for name, part in body.named_modules()
        if isinstance(part, nn.Linear)
        and name.startswith(tuple(f"{layer}." for layer in layers))
        and (ends is None or name.endswith(tuple(ends)))
    ]
    if not targets:
        linear = {n.split(".")[-1] for n, p in body.named_modules() if isinstance(p, nn.Linear)}
        raise InputError(
            f"no linear part within the trained layers is called like {ends or 'any'}; there are "
            f"{sorted(linear)}"
        )
    rank = int(options.lora_rank)
    alpha = 2 * rank if options.lora_alpha is None else options.lora_alpha
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, lora_dropout=0.0)
    with _without_future_warnings():
        return get_peft_model(body, config)


def check_no_texts(x: Any) -> None:
    """Raise InputError if X are texts, where rows of token numbers (n, L) are needed."""
    if getattr(x, "ndim", 1) == 1 and len(x) and isinstance(next(iter(x)), str):
        raise InputError(f"an encoder is trained on token numbers, but X are texts; {_WAY}")


def check_tokens(x: Any, plan: EncoderPlan) -> None:
    """Raise unless X (n, L) are rows of token numbers of an encoder, -1 behind the last token.

    Raises
    ------
    InputError
        With what was found, and where token numbers come from.
    """
    if not isinstance(x, np.ndarray) or x.ndim != 2:
        raise InputError(
            f"an encoder is trained on token numbers, but X is {type(x).__name__} (words counted, "
            f"such as TF-IDF?); {_WAY}"
        )
    if not x.size:
        return
    low, high = float(x.min()), float(x.max())
    if low < -1 or high >= plan.vocabulary or not (x == np.floor(x)).all():
        raise InputError(
            f"an encoder is trained on token numbers from 0 to {plan.vocabulary - 1}, -1 behind "
            f"the last of a text, but X holds other numbers ({low:.4g} to {high:.4g}); {_WAY}"
        )
    tokens = x >= 0
    if (tokens[:, 1:] & ~tokens[:, :-1]).any():
        raise InputError(f"X has tokens behind the end of a row (-1); {_WAY}")
    needed, longest = int(tokens.sum(1).max()), plan.longest
    if longest is not None and needed > longest:
        raise InputError(
            f"the encoder has places for {longest} tokens, and a row of X has {needed}; {_WAY} "
            f"with max_length={longest}"
        )
