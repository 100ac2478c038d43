"""What learning weights costs: epochs of ResNet-8 under AMAL against epochs with fixed weights.

Both runs are the same but for the mixer: ten epochs, AMAL refreshing its weights once within them,
as with the published "every 10 epochs". They alternate, so that a busy machine slows both; the
ratio of medians is printed as JSON.

    python benchmarks/amal_epoch.py --rows 1000 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
import torch

from spear_amal import DistilledClassifier

EPOCHS = 10
MIXERS = {
    "fixed": {"mixer": "kd"},
    "amal": {"mixer": "amal", "mixer_options": {"refresh_every": EPOCHS, "warmup": EPOCHS // 2}},
}


def main() -> None:
    """Time both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--network", default="resnet8")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    x, y, x_val, y_val, told = draw(asked.rows)
    seconds: dict[str, list[float]] = {name: [] for name in MIXERS}
    for _ in range(asked.repeats):
        for name, settings in MIXERS.items():
            student = DistilledClassifier.from_options(
                asked.network,
                [told],
                optimiser="sgd",
                batch_size=128,
                max_epochs=EPOCHS,
                device=asked.device,
                **settings,
            )
            began = time.perf_counter()
            student.fit(x, y, X_val=x_val, y_val=y_val)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(held) for name, held in seconds.items()}
    ratio = medians["amal"] / medians["fixed"]
    print(json.dumps({**vars(asked), "seconds": seconds, "ratio": round(ratio, 4)}))


def draw(n: int) -> tuple[np.ndarray, ...]:
    """Images of 32 x 32 in ten classes, a tenth as many for validation, and a teacher's logits."""
    rng = np.random.default_rng(0)
    n_val = n // 10
    images = rng.integers(0, 256, (n + n_val, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, 10, n + n_val)
    logits = rng.normal(size=(n + n_val, 10)).astype(np.float32)
    return images[:n], labels[:n], images[n:], labels[n:], logits


if __name__ == "__main__":
    main()
