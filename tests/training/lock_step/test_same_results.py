"""Each member gets what it gets alone, and what training by autograd gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from spear_amal.mixers import AlmKd, Amal, Fixed, RandomSearch, Single
from spear_amal.mixers.fixed import Frozen
from spear_amal.training.members import fit_members, fit_one_by_one, kind_of_member

EARLY = {"warmup": 0, "refresh_every": 1}
#: Adam divides by the size of a gradient: where that is nothing but rounding, so is the step.
TOLERANCE = {"sgd": 1e-10, "adam": 1e-6}
LFS = [(), (False,) * 4, (True,) * 3, (True, False, True, False)]


def check(group, train, same, tolerance):
    """Train a group in lock step; by autograd; and one member without the others."""
    members = group.draw()
    assert len({kind_of_member(member) for member in members} - {None}) == 1
    together = train(group, fit_members)
    for one, other in zip(together, train(group, fit_one_by_one), strict=True):
        assert one[1].path == f"lock step of {len(members)}"
        assert other[1].path == "alone"
        same(one, other, tolerance)
    if not group.shared:
        (alone,) = train(replace(group, members=group.members[-1:]), fit_members)
        same(together[-1], alone, tolerance)


@given(data=st.data())
@settings(max_examples=4, derandomize=True, phases=[Phase.generate])
@pytest.mark.parametrize("features", ["dense", "narrow", "wide", "full"])
@pytest.mark.parametrize("hidden", [(), (5, 4)], ids=["linear", "mlp"])
def test_whatever_members_have_of_their_own(features, hidden, data, group, own, train, same):
    """Rows, seeds, rates, epochs and patience; most leave before the last one."""
    sparse = features in ("narrow", "wide")
    optimiser = data.draw(st.sampled_from(["adam", "sgd"]))
    n_classes = data.draw(st.integers(2, 4))
    lfs = data.draw(st.sampled_from(LFS))
    momenta = st.sampled_from([0.0, 0.5]) if optimiser == "sgd" else st.just(0.9)
    members = st.builds(
        own,
        seed=st.integers(0, 99),
        n=st.integers(1, 30),
        n_features=st.integers(4, 9) if sparse and not hidden else st.just(6),
        class_weights=st.sampled_from([None, (0.5, 2.0, 1.5, 1.0)[:n_classes]]),
        trainer=st.fixed_dictionaries(
            {
                "lr": st.sampled_from([0.02, 0.1]),
                "weight_decay": st.sampled_from([0.0, 0.1]),
                "max_epochs": st.integers(1, 3),
                "patience": st.sampled_from([1, 2, None]),
                "momentum": momenta,
                "schedule": st.sampled_from(["constant", "cosine"]),
            }
        ),
    )
    drawn = group(
        members=data.draw(st.lists(members, min_size=1, max_size=5, unique_by=lambda m: m.seed)),
        features=features,
        hidden=hidden,
        n_classes=n_classes,
        lfs=lfs,
        n_teachers=data.draw(st.integers(0, 2)),
        row_weights=data.draw(st.booleans()),
        trainer={"batch_size": data.draw(st.integers(5, 40)), "optimiser": optimiser},
        selection=data.draw(st.booleans()),
    )
    check(drawn, train, same, TOLERANCE[optimiser])


LEARNT = {
    "amal": lambda: Amal(**EARLY),
    "paper": lambda: Amal.preset("paper", **EARLY),
    "network": lambda: Amal(**EARLY, look_ahead="network", outer="feature+rules", group_size=10),
    "row": lambda: Amal(**EARLY, weight_sharing="row", normalise="l2", eta_lambda=3.0),
}
SHARED = {
    "loss": lambda: Amal(**EARLY, weight_sharing="loss", normalise="max-abs"),
    "half": lambda: Amal(**EARLY, table_dtype="float16"),
    "pooled": lambda: Amal(**EARLY, weight_sharing="pooled", group_size=9),
    "pattern": lambda: Amal(**EARLY, weight_sharing="pattern", normalise="none", group_size=9),
}
FIXED = {
    "fixed": lambda: Fixed({"gold": 0.3, "agreement": 0.0}),
    "single": Single,
    "random": lambda: RandomSearch(trial=2),
}


@pytest.mark.filterwarnings("ignore:.*jit.script:DeprecationWarning")
@pytest.mark.parametrize("mixers", [FIXED, LEARNT, SHARED], ids=["fixed", "learnt", "shared"])
@pytest.mark.parametrize("hidden", [(), (5,)], ids=["linear", "mlp"])
def test_every_mixer_beside_all_others(mixers, hidden, group, own, train, same):
    members = [own(seed=i, n=19 + i, mixer=mixer) for i, mixer in enumerate(mixers.values())]
    drawn = group(members=members, hidden=hidden, trainer={"optimiser": "sgd", "max_epochs": 2})
    # Tables hold weights in single precision: a rounding error may tip the last digit.
    check(drawn, train, same, 1e-10 if mixers is FIXED else 1e-6)


DISTILLED = {
    "alm-kd": lambda: AlmKd(**EARLY),
    "exact": lambda: AlmKd(**EARLY, gradient="exact", outer="feature"),
    "distillation": lambda: Amal.preset("distillation", **EARLY),
}


@pytest.mark.parametrize("lfs", [(), (False,) * 3], ids=["no LFs", "LFs"])
def test_mixers_of_teachers(lfs, group, own, train, same):
    members = [own(seed=i, mixer=mixer) for i, mixer in enumerate(DISTILLED.values())]
    drawn = group(members=members, lfs=lfs, n_teachers=2, trainer={"optimiser": "sgd"})
    check(drawn, train, same, 1e-6)


def test_frozen_and_mapped_weights(group, own, train, same, tmp_path):
    weights = torch.rand(23, 6, generator=torch.Generator().manual_seed(0))
    members = [
        own(mixer=lambda: Frozen(weights.clone())),
        own(seed=1, mixer=lambda: Amal(**EARLY, table_path=tmp_path)),
        own(seed=2, mixer=lambda: Amal(**EARLY, table_path=tmp_path, table_dtype="float16")),
    ]
    check(group(members=members, trainer={"optimiser": "sgd"}), train, same, 1e-6)


@pytest.mark.parametrize("features", ["dense", "wide"])
def test_folds_of_one_table(features, group, own, train, same):
    members = [own(n=40), *(own(seed=seed, n=30 - seed, mixer=LEARNT["amal"]) for seed in (1, 2))]
    check(group(members=members, features=features, shared=True), train, same, 1e-6)


@pytest.mark.parametrize("features", ["narrow", "wide"])
def test_the_one_with_most_features_leaves_first(features, group, own, train, same):
    """Moments of the optimiser keep their places among the parameters."""
    last = {"max_epochs": 5, "patience": None}
    members = [
        own(n_features=9, trainer={"max_epochs": 2}),
        own(seed=1, n_features=3, trainer=last),
        own(seed=2, n_features=6, trainer=last | {"weight_decay": 0.1}),
    ]
    check(group(members=members, features=features), train, same, 1e-9)


def test_more_outputs_than_entries_are_looked_up_for(group, own, train, same):
    members = [own(seed=seed, n_features=25 + seed) for seed in range(2)]
    check(group(members=members, n_classes=20, features="wide"), train, same, 1e-9)


def test_rows_without_an_entry(group, own, train, same):
    drawn = group(members=[own(n=9, n_features=4), own(seed=1, n=5, n_features=4)])
    empty = replace(drawn, features="narrow", n_classes=2)
    assert all(member.table.csr.nnz == 0 for member in map(_emptied, empty.draw()))

    def fitted(fit):
        return train(empty, lambda members: fit([_emptied(member) for member in members]))

    for one, other in zip(fitted(fit_members), fitted(fit_one_by_one), strict=True):
        same(one, other, 1e-9)


def _emptied(member):
    member.table.csr = member.table.csr * 0
    member.table.csr.eliminate_zeros()
    member.table.x.zero_()
    return member


@pytest.mark.parametrize(
    "options",
    [
        {"optimiser": "sgd", "nesterov": True},
        {"schedule": "steps", "milestones": (1, 3), "gamma": 0.3},
        {"keep_epochs": (1, 3)},
        {"batch_size": 100},
    ],
)
def test_settings_in_common(options, group, own, train, same):
    members = [own(), own(seed=1, n=40), own(seed=2, n=11, trainer={"lr": 0.2})]
    check(group(members=members, trainer=options), train, same, 1e-9)


def test_single_precision(group, own, train, same):
    members = [own(seed=seed, n=20 + seed, class_weights=(1.0, seed, 2.0)) for seed in range(3)]
    check(group(members=members, dtype="float32", row_weights=True), train, same, 1e-4)
