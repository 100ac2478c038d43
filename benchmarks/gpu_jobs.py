"""What gpu.py trains: two networks, their made-up data, and three ways to train them."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spear_amal import DistilledClassifier

CLASSES, TAU = 10, 4.0
WEIGHTS = (0.1, 0.9)  # of label and teacher; those of mixer="kd"
VOCABULARY, SMALL_VOCABULARY, TOKENS = 30_522, 1_000, 128


@dataclass(frozen=True)
class Job:
    """A network, its data, and how it is trained.

    Attributes
    ----------
    network : function (n_features or shape, n_classes) -> module, or name
    x : ndarray (n + n_val, ...)
        Images, or token ids.
    """

    name: str
    network: Any
    x: np.ndarray
    n: int
    batch: int
    epochs: int
    optimiser: str
    lr: float
    device: str
    precision: str

    @property
    def parameters(self) -> int:
        """Numbers that are trained."""
        return sum(p.numel() for p in self.module().parameters())

    def module(self) -> nn.Module:
        """Make the network as the estimator does, normalisation of pixels included."""
        few = dataclasses.replace(self, x=self.x[: 4 * CLASSES], n=2 * CLASSES, epochs=1)
        return estimator(few, "fixed").models_[0].feature

    def halves(self) -> tuple[Job, Job]:
        """Give the job on half of the rows, and on all."""
        rows = np.r_[: self.n // 2, self.n : len(self.x)]
        return dataclasses.replace(self, x=self.x[rows], n=self.n // 2), self

    def answers(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels (n + n_val,) that cover all classes, and teacher logits (n + n_val, C)."""
        logits = np.random.default_rng(1).normal(size=(len(self.x), CLASSES))
        return np.arange(len(self.x)) % CLASSES, logits.astype(np.float32)


class TextEncoder(nn.Module):
    """A transformer of random weights with a linear head on its first token.

    Features of an estimator are float32, in which token ids are exact; they become integers here.
    """

    def __init__(self, small: bool, n_classes: int) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel

        config = BertConfig(vocab_size=VOCABULARY)
        if small:
            config = BertConfig(
                vocab_size=SMALL_VOCABULARY,
                hidden_size=64,
                intermediate_size=128,
                num_hidden_layers=2,
                num_attention_heads=2,
            )
        self.body = BertModel(config)
        self.head = nn.Linear(config.hidden_size, n_classes)

    def logits_and_hidden(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and what goes into the head (B, H)."""
        hidden = self.body(input_ids=x.long()).pooler_output
        return self.head(hidden), hidden

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, C)."""
        return self.logits_and_hidden(x)[0]


def images(small: bool, device: str, precision: str) -> Job:
    """ResNet-8 on images of 32 x 32."""
    n, batch, epochs = (128, 32, 3) if small else (20_000, 128, 11)
    x = np.random.default_rng(0).integers(0, 256, (n + n // 10, 3, 32, 32), dtype=np.uint8)
    return Job("resnet8", "resnet8", x, n, batch, epochs, "sgd", 0.05, device, precision)


def texts(small: bool, device: str, precision: str) -> Job:
    """Encode texts by 110 million parameters."""
    n, batch, epochs = (160, 16, 3) if small else (3_200, 32, 11)
    tokens = 16 if small else TOKENS
    largest = SMALL_VOCABULARY if small else VOCABULARY
    x = np.random.default_rng(0).integers(1, largest, (n + n // 10, tokens))

    def encoder(_: Any, n_classes: int) -> nn.Module:
        return TextEncoder(small, n_classes)

    return Job("encoder", encoder, x, n, batch, epochs, "adam", 1e-5, device, precision)


def fine_tuned(small: bool, device: str, precision: str) -> Job:
    """Train an encoder by its name, on texts of unlike lengths; its weights are random."""
    from transformers import BertConfig, BertModel

    job = texts(small, device, precision)
    sizes = {"vocab_size": VOCABULARY}
    if small:
        sizes = {"vocab_size": SMALL_VOCABULARY, "hidden_size": 64, "intermediate_size": 128}
        sizes |= {"num_hidden_layers": 2, "num_attention_heads": 2}
    folder = tempfile.mkdtemp()
    BertModel(BertConfig(**sizes)).save_pretrained(folder)
    n_tokens = job.x.shape[1]
    lengths = np.random.default_rng(1).integers(4, n_tokens + 1, len(job.x))
    x = np.where(np.arange(n_tokens) < lengths[:, None], job.x, -1).astype(np.float32)
    return dataclasses.replace(job, name="fine-tuned", network=f"encoder:{folder}", x=x)


JOBS: dict[str, Callable[[bool, str, str], Job]] = {
    "resnet8": images,
    "encoder": texts,
    "fine-tuned": fine_tuned,
}


def run(job: Job, way: str) -> list[float]:
    """Seconds of each epoch."""
    if way == "plain":
        return plain(job)
    return estimator(job, way).history_["seconds"].tolist()


def estimator(job: Job, way: str) -> DistilledClassifier:
    """Fit with fixed weights, or with one refresh after the first epoch."""
    y, told = job.answers()
    learnt = {"refresh_every": job.epochs, "warmup": 1}
    options: dict[str, Any] = {"mixer": "kd"}
    if way == "amal":
        options = {"mixer": "amal", "mixer_options": learnt}
    if job.precision != "float32":
        options["precision"] = job.precision
    student = DistilledClassifier.from_options(
        job.network,
        [told],
        temperature=TAU,
        optimiser=job.optimiser,
        momentum=0.9,
        lr=job.lr,
        batch_size=job.batch,
        max_epochs=job.epochs,
        device=job.device,
        **options,
    )
    return student.fit(job.x[: job.n], y[: job.n], X_val=job.x[job.n :], y_val=y[job.n :])


def plain(job: Job) -> list[float]:
    """Train the same by hand; seconds of each epoch."""
    model = job.module().to(job.device).train()
    y, told = (torch.as_tensor(one).to(job.device) for one in job.answers())
    x = torch.as_tensor(job.x).to(job.device)
    if x.ndim == 2:
        x = x.float()
    if job.optimiser == "sgd":
        optimiser: Any = torch.optim.SGD(model.parameters(), job.lr, momentum=0.9, fused=True)
    else:
        optimiser = torch.optim.Adam(model.parameters(), job.lr, fused=True)
    seconds = []
    for _ in range(job.epochs):
        began = time.perf_counter()
        for rows in torch.randperm(job.n).to(job.device).split(job.batch):
            with autocast(job):
                value = objective(model.logits_and_hidden(x[rows])[0], y[rows], told[rows])
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
        validate(model, x[job.n :], y[job.n :])
        if job.device.startswith("cuda"):
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return seconds


def objective(logits: Tensor, y: Tensor, told: Tensor) -> Tensor:
    """Weighted sum of the two losses' means."""
    logits = logits.float()
    target = F.log_softmax(told / TAU, 1)
    divergence = F.kl_div(F.log_softmax(logits / TAU, 1), target, reduction="none", log_target=True)
    label = F.cross_entropy(logits, y)
    return WEIGHTS[0] * label + WEIGHTS[1] * TAU**2 * divergence.sum(1).mean()


@torch.no_grad()
def validate(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of right answers."""
    model.eval()
    logits = torch.cat([model.logits_and_hidden(part)[0] for part in x.split(256)])  # type: ignore[operator]
    model.train()
    return (logits.argmax(1) == y).float().mean().item()


def autocast(job: Job) -> contextlib.AbstractContextManager[Any]:
    """Half precision where it is asked for."""
    if job.precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(job.device.partition(":")[0], dtype=torch.bfloat16)
