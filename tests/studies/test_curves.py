"""Which runs make a curve is decided by their options, not by their names."""

import numpy as np
import pandas as pd

from spear_amal.studies import parse_method
from spear_amal.studies.curves import over_budgets, over_setting


def runs(*texts, labels=23, seeds=2, corpus="toy", tuned=None):
    rows = []
    for text in texts:
        spec = parse_method(text)
        config = {"options": {**spec.settled, **(tuned or {})}, "settings": {}, "data": "1f"}
        for seed in range(seeds):
            rows.append(
                {
                    **{"corpus": corpus, "features": "tfidf", "protocol": "random"},
                    **{"labels": labels, "method": spec.text, "title": spec.title, "seed": seed},
                    **{"metric": "f1", "score": 0.5, "val_score": 0.6, "config": config},
                }
            )
    return pd.DataFrame(rows)


def panels(frame, setting="refresh_every"):
    """Values by panel of the only curve."""
    (held,) = over_setting(frame, setting)
    return {name: sorted(set(rows[setting])) for name, rows in held.groupby("method", sort=False)}


def test_budgets_of_one_corpus_and_setting():
    small, large = runs("only-l", "spear", labels=11), runs("only-l", "amal", labels=47)
    other = runs("only-l", labels=97, corpus="other")
    (held,) = over_budgets(pd.concat([small, large, other], ignore_index=True))
    assert set(held["method"]) == {"Only-L"}  # the others were run with one budget each
    assert sorted(held["labels"]) == [11, 11, 47, 47]
    assert list(over_budgets(pd.concat([small, other]))) == []


def test_methods_with_one_title_go_by_their_texts():
    texts = ("amal:weight_lr=30.001", "amal:weight_lr=30.002")  # titles show three digits
    (held,) = over_budgets(pd.concat([runs(*texts, labels=n) for n in (11, 23)]))
    assert set(held["method"]) == set(texts)


def test_a_panel_holds_what_differs_in_one_setting():
    frame = runs(
        *("spear", "amal:refresh_every=1", "amal", "amal:lookahead_lr=5"),
        *("amal:refresh_every=1,weight_sharing=row", "amal:refresh_every=10,weight_sharing=row"),
        *("amal:refresh_every=1,weight_lr=30", "only-l", "l2r", "spear:refit"),
    )
    assert panels(frame) == {"AMAL": [1, 3, np.inf], "AMAL, weight_sharing=row": [1, 10, np.inf]}
    assert panels(frame, "lookahead_lr") == {"AMAL": [0.5, 5]}


def test_never_is_left_out_where_other_options_made_it():
    frame = runs("spear", "amal:refresh_every=1,validation=split", "amal:validation=split")
    assert panels(frame) == {"AMAL, validation=split": [1, 3]}


def test_ordinary_studies_have_no_such_curve():
    frame = runs("only-l", "spear", "amal", "recommended", "amal:weight_lr=30", "mwn")
    assert list(over_setting(frame, "refresh_every")) == []
    assert list(over_setting(frame, "lookahead_lr")) == []


def test_tuned_options_set_methods_apart():
    frame = pd.concat([runs("amal:refresh_every=1"), runs("amal", tuned={"weight_lr": 30.0})])
    assert list(over_setting(frame, "refresh_every")) == []


def test_a_value_given_twice_counts_once_and_no_validation_score_not_at_all():
    frame = runs("amal", "amal:refresh_every=3", "amal:refresh_every=1")
    (held,) = over_setting(frame, "refresh_every")
    assert len(held) == 4 and not held.duplicated(["refresh_every", "seed"]).any()
    assert list(over_setting(frame.assign(val_score=None), "refresh_every")) == []
