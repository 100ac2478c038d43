"""The folder datasets/ of a clone is not taken for the package of that name."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

ROOT = Path(__file__).resolve().parents[2]
TRAIN = """
import sys
import torch
from transformers import TrainingArguments
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import is_datasets_available
from spear_amal.loop import LossMixer
from spear_amal.loop.hugging_face import MixerTrainer

class Net(torch.nn.Linear):
    def forward(self, x, labels=None):
        return SequenceClassifierOutput(logits=super().forward(x))

def row_losses(outputs, inputs):
    loss = torch.nn.functional.cross_entropy(outputs.logits, inputs["labels"], reduction="none")
    return {"label": loss}

args = TrainingArguments(
    sys.argv[1], max_steps=1, use_cpu=True, report_to=[], disable_tqdm=True, save_strategy="no"
)
trainer = MixerTrainer(
    Net(3, 2), args, mixer=LossMixer("fixed", ["label"]), row_losses=row_losses,
    train_dataset=[{"x": torch.ones(3), "labels": i % 2, "rows": i} for i in range(5)],
)
trainer.train()
import datasets
print(trainer.state.global_step, is_datasets_available(), getattr(datasets, "__file__", None))
"""


def trained(folder, code=TRAIN, packages=""):
    """Run `python -c` in the clone, outputs going to `folder`; return the last line it prints."""
    ran = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()[-1]


def installed():
    spec = importlib.util.find_spec("datasets")
    return spec is not None and spec.origin is not None


@pytest.mark.skipif(installed(), reason="the package datasets is installed")
@pytest.mark.parametrize("before", ["", "from transformers import Trainer"])
def test_a_trainer_runs_without_the_package(tmp_path, before):
    assert (ROOT / "datasets").is_dir()
    assert trained(tmp_path, before + TRAIN) == "1 False None"


def test_the_package_is_found_beside_the_folder(tmp_path):
    package = tmp_path / "site" / "datasets"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "class Dataset: pass\nclass IterableDataset: pass\n__version__ = '9.9'\n"
    )
    metadata = tmp_path / "site" / "datasets-9.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: datasets\nVersion: 9.9\n")
    assert trained(tmp_path, packages=tmp_path / "site") == f"1 True {package / '__init__.py'}"
