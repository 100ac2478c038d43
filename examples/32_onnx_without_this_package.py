"""From a trained classifier to one ONNX file, and what onnxruntime alone makes of it.

You learn to export a model, from texts to probabilities, and to run it in a process that can import
neither this package, nor torch, nor scikit-learn.
Run from the repository root: python examples/32_onnx_without_this_package.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from spear_amal import TextClassifier
from spear_amal.export import export_onnx

ALONE = """
import json, sys
for name in ("spear_amal", "torch", "sklearn"):
    sys.modules[name] = None  # importing it is an error

import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.log_severity_level = 3  # errors alone
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
rows = json.load(sys.stdin)
inputs = {
    "text": np.array(rows["text"], dtype=object),
    "stars": np.array(rows["stars"], dtype=np.float64),  # NaN where missing
    "shop": np.array(rows["shop"], dtype=object),  # "" where missing
}
label, p = session.run(["label", "probabilities"], inputs)
print(json.dumps({"label": label.tolist(), "p": p.tolist()}))
"""


def reviews(n: int = 200) -> pd.DataFrame:
    """Reviews of two classes, one in four without a label."""
    rng = np.random.default_rng(0)
    words = {"good": ["lovely", "great", "fine"], "bad": ["broken", "slow", "poor"]}
    label = rng.choice(["good", "bad"], n)
    texts = [f"{rng.choice(words[one])} thing, {rng.choice(words[one])} service" for one in label]
    stars = np.where(label == "good", 4.0, 2.0) + rng.integers(-1, 2, n)
    return pd.DataFrame(
        {
            "text": texts,
            "stars": np.where(rng.random(n) < 0.1, np.nan, stars),
            "shop": rng.choice(["north", "south"], n),
            "label": np.where(rng.random(n) < 0.25, None, label),
        }
    )


def main() -> None:
    """Train, export, and predict in a process that has onnxruntime alone."""
    table = reviews()
    classifier = TextClassifier("only-l:crossfit=5", features="tfidf+columns:stars,shop").fit(table)
    new = pd.DataFrame({"text": ["Lovely THING!", "slow, slow", ""]})
    new = new.assign(stars=[5, 1, None], shop=["north", "", "a new shop"])
    with tempfile.TemporaryDirectory() as folder:
        made = export_onnx(classifier, Path(folder) / "reviews.onnx", rows=table)
        print(f"{made.n_bytes / 1e3:.0f} kB; held against the model on {made.n_checked} rows")
        command = [sys.executable, "-c", ALONE, str(made.path)]
        asked = json.dumps(new.astype({"stars": float}).to_dict(orient="list"))
        answer = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    alone = json.loads(answer.stdout)
    print("onnxruntime alone says", alone["label"])
    here = classifier.predict_proba(new)
    print(f"largest difference of probabilities below 1e-5: {abs(alone['p'] - here).max() < 1e-5}")


if __name__ == "__main__":
    main()
