"""Methods over a range of one setting, and studies over a range of label budgets."""

import math

import pytest

from spear_amal.errors import InputError
from spear_amal.studies import parse_method, run_study
from spear_amal.studies.sweeps import (
    LOOK_AHEAD,
    NEVER,
    REFRESH,
    budgets_within,
    run_budgets,
    setting_of,
    sweep,
)


@pytest.mark.parametrize(
    ("base", "never"),
    [
        ("amal", "spear"),
        ("amal:weight_lr=30,weight_sharing=row", "spear"),
        ("amal-joint", "spear"),
        ("amal:validation=split", "spear:validation=split"),
        ("amal-folds", "spear:crossfit=5,inference=product"),
    ],
)
def test_never_is_spear_with_the_same_estimator(base, never):
    assert sweep(base, REFRESH, [NEVER]) == [never]
    learnt, still = (parse_method(text).make().get_params() for text in (base, never))
    assert still.pop("mixer") == "fixed" and learnt.pop("mixer") == "amal"
    assert still.pop("mixer_options") is None
    learnt.pop("mixer_options")
    assert learnt == still


def test_the_own_value_keeps_the_name_and_every_name_is_a_method():
    assert sweep("amal", LOOK_AHEAD) == ["amal:lookahead_lr=0.05", "amal", "amal:lookahead_lr=5"]
    assert sweep("amal:refresh_every=10", REFRESH, (3, 10))[1] == "amal:refresh_every=10"
    for base in ("amal:weight_sharing=row", "amal-folds"):
        values = [setting_of(parse_method(text).settled, REFRESH) for text in sweep(base, REFRESH)]
        assert values == [1, 3, 10, 30, math.inf]


def test_what_has_no_such_setting():
    assert setting_of({"mixer": "amal-paper"}, REFRESH) == 10
    assert setting_of({"mixer": "mwn", "lookahead_lr": 0.3}, LOOK_AHEAD) == 0.3
    assert setting_of({"mixer": "l2r"}, REFRESH) is None
    assert setting_of({}, REFRESH) is None
    assert setting_of({"mixer": "MixerOfMine"}, REFRESH) is None  # a row names objects so
    with pytest.raises(InputError, match="'only-l' has no setting 'refresh_every'"):
        sweep("only-l", REFRESH)


def test_budgets_leave_a_third_of_the_pool_to_each_part(source):
    assert budgets_within(source.corpus) == [10, 20, 50]  # 150 rows in the pool
    assert budgets_within(source.corpus, [51, 50, 7, 7]) == [7, 50]
    with pytest.raises(InputError, match=r"150 rows; .* 97, needs 3 times"):
        budgets_within(source.corpus, [97])


def test_budgets_share_a_file_and_go_on_from_it(source, tmp_path):
    told = []
    options = {"output": tmp_path / "b.json", "only": True, "max_epochs": 1}
    first = run_budgets(source, ["only-l"], 2, [11, 23], **options)
    assert first["labels"].tolist() == [11, 11, 23, 23] and first["error"].isna().all()
    again = run_budgets(
        source, ["only-l"], 2, [11, 23], progress=lambda *args: told.append(args), **options
    )
    assert told == [(2, 2, "")] * 2
    assert again["score"].tolist() == first["score"].tolist()


def test_never_refreshed_weights_train_as_spear_does(source):
    late = "amal:refresh_every=1,warmup=99"  # the first refresh lies behind the last epoch
    runs = run_study(source, [late, "spear"], 2, only=True, max_epochs=3)
    loss = runs.pivot(index="seed", columns="title", values="nll").to_numpy()
    assert (loss[:, 0] == loss[:, 1]).all()
