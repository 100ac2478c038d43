"""Tables of several processes become one."""

import pytest
import torch

from spear_amal.errors import InputError
from spear_amal.loop import refresh
from spear_amal.mixers import Amal, Crust

N = 7


def pretend(monkeypatch, others):
    """Other processes, which send what is given, one list of tensors each."""
    monkeypatch.setattr(refresh, "n_ranks", lambda: 1 + len(others))
    monkeypatch.setattr(
        refresh,
        "mean_over_ranks",
        lambda own: [torch.stack(each).mean(0) for each in zip(own, *others, strict=True)],
    )


def attached(mixer):
    mixer.attach(N, ["label"], torch.ones(N, 1, dtype=torch.bool), torch.ones(1, dtype=torch.bool))
    return mixer


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rows_change_by_the_mean_over_those_who_saw_them(monkeypatch, dtype):
    seen = torch.tensor([0, 1, 1, 0, 0, 0, 0.0]).unsqueeze(1)
    pretend(monkeypatch, [[-0.5 * seen, seen], [0 * seen, 0 * seen]])
    mixer = attached(Amal(table_dtype=dtype))
    before = mixer.state_dict()
    mixer.lambdas[torch.tensor([0, 1])] -= 0.1
    refresh.merge(mixer, before, torch.tensor([0, 1]))
    expected = [1 - 0.1, 1 - (0.1 + 0.5) / 2, 1 - 0.5, 1, 1, 1, 1]
    close = 1e-6 if dtype == "float32" else 1e-3
    assert mixer.table()[:, 0].tolist() == pytest.approx(expected, abs=close)


def test_one_process_keeps_what_it_has():
    mixer = attached(Amal())
    before = mixer.state_dict()
    mixer.lambdas[torch.tensor([3])] = torch.tensor([[0.25]])
    refresh.merge(mixer, before, torch.tensor([3]))
    assert mixer.table()[3] == 0.25


def test_weights_on_disk_are_for_one_process(monkeypatch, tmp_path):
    pretend(monkeypatch, [[]])
    with pytest.raises(InputError, match="leave table_path out"):
        refresh.check_mergeable(Amal(table_path=tmp_path))


def test_a_choice_among_all_rows_is_not_for_several_processes(monkeypatch):
    pretend(monkeypatch, [[]])
    with pytest.raises(InputError, match="Crust chooses among all rows"):
        refresh.check_mergeable(attached(Crust()))
