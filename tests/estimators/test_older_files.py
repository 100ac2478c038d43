"""Model files of format 1, written at version 0.1.0 before options became objects, are read."""

from pathlib import Path

import numpy as np
import pytest

from spear_amal import DistilledClassifier, SpearClassifier

FILES = Path(__file__).parent / "data"
X = np.arange(15.0).reshape(3, 5) / 7 - 1
# What the build that wrote them predicted.
SPEAR = [0.06371924704754248, 0.3752245756645982, 0.8412680698943261]
STUDENT = [0.3925521081342307, 0.5322369612938316, 0.5182132715157063]


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [(SpearClassifier, "spear", SPEAR), (DistilledClassifier, "student", STUDENT)],
)
def test_files_of_format_1_predict_as_they_did(kind, name, expected, tmp_path):
    model = kind.load(FILES / f"{name}-format-1.safetensors")
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], expected, rtol=1e-6)
    model.save(tmp_path / "again.safetensors")
    again = kind.load(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_flat_parameters_of_format_1_are_where_they_belong_today():
    model = SpearClassifier.load(FILES / "spear-format-1.safetensors")
    assert (model.fit_strategy, model.trainer.max_epochs) == ("refit", 6)
    assert model.rule_model.quality_guides == 0.8
    student = DistilledClassifier.load(FILES / "student-format-1.safetensors", teachers=())
    assert student.mixer_options == {"weight_lr": 0.5} and student.trainer.patience is None
