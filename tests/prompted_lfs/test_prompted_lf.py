"""Labelling functions that ask a language model: votes, scores, reasons, failures, caches."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from fake_client import FakeClient, answered, row_of, with_tokens

from spear_amal.errors import InputError, LabelingError
from spear_amal.label_models import Cage
from spear_amal.labeling import LFApplier, PandasLFApplier, ParquetLFApplier, VoteCache
from spear_amal.labeling.hashing import lf_hash
from spear_amal.llm import BudgetError, ChatAnswer, ChatFailure, ChatModel, ChatServerError
from spear_amal.prompted_lfs import (
    Question,
    calibrate,
    prompt_lf,
    prompt_lfs,
    spending_limit,
    spent,
)
from spear_amal.prompted_lfs.asking import kept_answers_only

CLASSES = ["ham", "spam"]
ABOUT = {"spam": "an ad", "ham": "no ad"}


def make(**options: Any) -> Any:
    return prompt_lf("asks", "Comment: {text}", ABOUT, **{"model": "m", "score": "none"} | options)


def rows(*texts: Any) -> pd.DataFrame:
    return pd.DataFrame({"text": list(texts)})


def votes_of(lf: Any, frame: pd.DataFrame, **options: Any) -> list[int]:
    matrix = PandasLFApplier([lf], CLASSES).apply(frame, progress_bar=False, **options)
    return matrix.to_dense()[:, 0].tolist()


def by_word(request: Any) -> ChatAnswer:
    """Answer with the last word of the row."""
    return answered(row_of(request).split()[-1])


def test_votes_and_reasons_to_abstain_are_counted(fake: Any) -> None:
    def reply(request: Any) -> ChatAnswer:
        special = {
            "refused": ChatAnswer("", refused=True),
            "cut": ChatAnswer('{"answer": "sp', is_whole=False),
            "whole": ChatAnswer('{"answer": "spam"}   ', is_whole=False),
        }
        word = row_of(request).split()[-1]
        return special.get(word) or answered(word)

    fake.reply = reply
    frame = rows("spam", "ham", "unknown", "eggs", "refused", "cut", "whole", None, " ")
    lf = make()
    matrix, meta = PandasLFApplier([lf], CLASSES).apply(frame, False, return_meta=True)
    assert matrix.to_dense()[:, 0].tolist() == [1, 0, -1, -1, -1, -1, 1, -1, -1]
    reasons = {"cut off": 1, "nonsense": 1, "nothing to read": 2, "refused": 1, "unknown": 1}
    assert meta.abstentions == {"asks": reasons}
    assert lf.outcomes == {**reasons, "voted": 3}
    assert len(fake.made[0].sent) == 7


def test_what_is_sent_holds_classes_and_row(fake: Any) -> None:
    make()("win a prize")
    (request,) = fake.made[0].sent
    (_, told), (_, asked) = request.messages
    assert "- spam: an ad" in told
    assert asked == "Comment: win a prize"
    assert request.schema["properties"]["answer"]["enum"] == ["spam", "ham", "unknown"]
    make(system="")("win")
    assert [role for role, _ in fake.made[0].sent[1].messages] == ["user"]
    make(system="Be brief.")("win")
    assert fake.made[0].sent[2].messages[0][1].startswith("Be brief.")


def test_log_probabilities_become_scores_that_cage_takes(fake: Any) -> None:
    def reply(request: Any) -> ChatAnswer:
        if "free" in row_of(request):
            return with_tokens("spam", spam=0.8, ham=0.2)
        return with_tokens("ham", spam=0.25, ham=0.75)

    fake.reply = reply
    lf = prompt_lf("asks", "{text}", {**ABOUT, "other": "neither"}, model="m")
    frame = rows(*(f"{'free' if i % 3 else 'hi'} {i}" for i in range(31)))
    matrix = PandasLFApplier([lf], [*CLASSES, "other"]).apply(frame, progress_bar=False)
    assert matrix.continuous.tolist() == [True]
    np.testing.assert_allclose(matrix.scores.toarray()[:2, 0], [0.75, 0.8], atol=1e-6)
    single = matrix.to_unipolar()
    assert single.lf_classes.tolist() == [0, 1]
    posterior = Cage().fit(matrix).predict_proba(matrix)
    assert posterior.shape == (31, 3)
    assert np.isfinite(posterior).all()


def test_the_vote_is_what_the_tokens_say_and_unknown_abstains(fake: Any) -> None:
    # Two spellings of one word together are more probable than the one that was taken.
    fake.reply = lambda request: with_tokens("spam", spam=0.4, ham=0.3, Ham=0.3)
    lf = prompt_lf("asks", "{text}", ABOUT, model="m")
    assert lf("x") == "ham"
    fake.reply = lambda request: with_tokens("unknown", spam=0.4, unknown=0.6)
    assert lf("y") == -1
    assert lf.outcomes == {"voted": 1, "unknown": 1}


def test_a_server_without_log_probabilities_costs_one_call_and_is_named(fake: Any) -> None:
    lf = prompt_lf("asks", "{text}", ABOUT, model="m")
    with pytest.raises(LabelingError, match=r"gives no log-probabilities.*score='none'"):
        votes_of(lf, rows("a", "b", "c"), fault_tolerant=True)
    assert len(fake.made[0].sent) == 1


def test_a_row_whose_tokens_show_nothing_abstains(fake: Any) -> None:
    fake.reply = lambda request: (
        answered("spam") if row_of(request) == "b" else with_tokens("spam", spam=0.8, ham=0.2)
    )
    lf = prompt_lf("asks", "{text}", ABOUT, model="m")
    assert votes_of(lf, rows("a", "b")) == [1, -1]
    assert lf.outcomes["no log-probabilities"] == 1


def test_stated_confidence_is_the_score(fake: Any) -> None:
    fake.reply = lambda request: answered("spam", confidence=30)
    lf = make(score="stated")
    matrix = PandasLFApplier([lf], CLASSES).apply(rows("a"), progress_bar=False)
    assert matrix.scores.toarray()[0, 0] == pytest.approx(0.3)
    assert votes_of(make(score="stated", at_least=0.5), rows("a")) == [-1]


def test_failed_requests_stop_and_are_not_kept_as_abstentions(fake: Any, tmp_path: Path) -> None:
    broken = {"b"}
    fake.reply = lambda request: (
        ChatFailure("503 overloaded", 6) if row_of(request)[-1] in broken else answered("spam")
    )
    frame, lf = rows("a", "b", "c"), make()
    with pytest.raises(
        LabelingError, match=r"row 1: no answer after 6 tries .503 overloaded.*1 of 3"
    ):
        votes_of(lf, frame)
    cache = VoteCache(tmp_path)
    applier = PandasLFApplier([lf], CLASSES)
    tolerated, meta = applier.apply(
        frame, False, fault_tolerant=True, return_meta=True, cache=cache
    )
    assert tolerated.to_dense()[:, 0].tolist() == [1, -1, 1]
    assert meta.faults == {"asks": 1}
    assert cache.report == {"asks": "not cached: it failed on 1 rows"}
    broken.clear()
    sent = len(fake.made[0].sent)
    assert applier.apply(frame, False, cache=cache).to_dense()[:, 0].tolist() == [1, 1, 1]
    assert len(fake.made[0].sent) == sent + 1
    assert cache.report == {"asks": "computed"}


@pytest.mark.parametrize(
    "error",
    [
        InputError("the key in X is refused"),
        BudgetError("spent"),
        ChatServerError("nobody answers at http://127.0.0.1:9/v1"),
    ],
)
def test_what_no_row_can_help_stops_whatever_is_tolerated(fake: Any, error: Exception) -> None:
    fake.reply = lambda request: error
    with pytest.raises((LabelingError, BudgetError, ChatServerError), match=str(error)):
        votes_of(make(), rows("a", "b"), fault_tolerant=True)


def test_votes_are_cached_by_what_is_asked_with_their_reasons(fake: Any, tmp_path: Path) -> None:
    fake.reply = by_word
    frame = rows("spam", "unknown")
    for expected in ("computed", "cached"):
        cache = VoteCache(tmp_path)
        applier = PandasLFApplier([make()], CLASSES)
        _, meta = applier.apply(frame, False, return_meta=True, cache=cache)
        assert cache.report == {"asks": expected}
        assert meta.abstentions == {"asks": {"unknown": 1}}


def test_the_hash_changes_with_what_votes_depend_on_and_with_nothing_else() -> None:
    plain = make()
    same = [
        make(cache_dir="elsewhere"),
        make(max_cost=3),
        make(model=ChatModel(name="m", concurrency=3, timeout=5, input_price=1.0)),
        pickle.loads(pickle.dumps(plain)),
        cloudpickle.loads(cloudpickle.dumps(plain)),
    ]
    assert {lf_hash(lf) for lf in same} == {lf_hash(plain)}
    others = [
        make(system="x"),
        make(rows_per_call=2),
        make(score="stated"),
        make(score="stated", at_least=0.5),
        make(version=2),
        make(model=ChatModel(name="m", temperature=0.5)),
        make(model=ChatModel(name="m", base_url="http://127.0.0.1:9/v1")),
        prompt_lf("asks", "Text: {text}", ABOUT, model="m", score="none"),
        prompt_lf("asks", "Comment: {text}", CLASSES, model="m", score="none"),
    ]
    assert len({lf_hash(lf) for lf in [plain, *others]}) == len(others) + 1


def test_several_questions_go_into_one_call(fake: Any) -> None:
    fake.reply = lambda request: ChatAnswer(json.dumps({"is_ad": "spam", "mood": "ham"}))
    lfs = prompt_lfs(
        "{text}",
        [Question("is_ad", "Is it an ad?", {"spam": "it is"}), Question("mood", "Which?", ABOUT)],
        model="m",
    )
    applier = PandasLFApplier(lfs, CLASSES)
    matrix = applier.apply(rows("a", "b", "c"), progress_bar=False)
    assert matrix.to_dense().tolist() == [[1, 0]] * 3
    assert matrix.lf_classes.tolist() == [1, -1]
    assert len(fake.made[0].sent) == 3


def test_several_rows_go_into_one_call_and_left_out_ones_are_asked_alone(fake: Any) -> None:
    def reply(request: Any) -> ChatAnswer:
        text = row_of(request)
        if not text.startswith("[1]"):
            return answered("ham")
        numbers = [part.split("]")[0] for part in text.split("[")[1:]]
        return ChatAnswer(json.dumps({number: "spam" for number in numbers if number != "2"}))

    fake.reply = reply
    lf = make(rows_per_call=3)
    assert votes_of(lf, rows("a", "b", "c", "d", None, "e", "f")) == [1, 0, 1, 1, -1, 0, 1]
    assert len(fake.made[0].sent) == 4


@pytest.mark.parametrize("joint", ["nonsense", '{"1": "spam", "2": "spam", "7": "spam"}', "{"])
def test_joint_answers_that_cannot_be_told_apart_are_asked_singly(fake: Any, joint: str) -> None:
    fake.reply = lambda request: (
        ChatAnswer(joint, is_whole=joint != "{")
        if row_of(request).startswith("[1]")
        else answered("ham")
    )
    assert votes_of(make(rows_per_call=2), rows("a", "b")) == [0, 0]


def test_lfs_of_a_model_share_one_client(fake: Any) -> None:
    make()("a")
    prompt_lf("other", "{text}", ABOUT, model="m", score="none")("a")
    assert len(fake.made) == 1


def test_a_limit_holds_for_all_models_together(fake: Any) -> None:
    make()("a")
    one, two = make(), make(model="n", max_cost=100)
    with spending_limit(5):
        one("b")
        two("c")
        assert [client.max_cost for client in fake.made] == [6, 4]
    one("d")
    assert fake.made[0].max_cost is None
    assert spent() == 4


def test_processes_share_nothing_so_one_asks(fake: Any, tmp_path: Path) -> None:
    fake.reply = by_word
    for name in ("a", "b"):
        rows("spam", "ham", "unknown").to_parquet(tmp_path / f"{name}.parquet")
    applier = ParquetLFApplier([make()], CLASSES)
    votes = applier.apply(tmp_path, tmp_path / "votes", n_jobs=2, progress_bar=False)
    assert votes.nnz == 4
    assert votes.about["abstentions"] == {"asks": {"unknown": 2}}
    assert votes_of(make(), rows("spam", "ham", "unknown"), n_jobs=2) == [1, 0, -1]
    assert len(fake.made) == 1


def test_lists_of_texts_and_rows_are_read(fake: Any) -> None:
    fake.reply = by_word
    matrix = LFApplier([make()], CLASSES).apply(["spam", "ham"], progress_bar=False)
    assert matrix.to_dense()[:, 0].tolist() == [1, 0]
    assert make()({"text": "spam"}) == "spam"
    two = prompt_lf("two", "{title}: {text}", ABOUT, model="m", score="none")
    assert two({"title": "t", "text": "spam"}) == "spam"
    assert row_of(fake.made[0].sent[-1]) == "t: spam"


def test_bad_input_is_named_before_anything_is_sent(fake: Any) -> None:
    body = prompt_lf("asks", "{body}", ABOUT, model="m", score="none")
    with pytest.raises(LabelingError, match=r"\{body\}.*no column 'body'; the columns are .'text'"):
        votes_of(body, rows("a"))
    with pytest.raises(InputError, match=r"LF 'asks' may vote 'eggs'"):
        votes_of(prompt_lf("asks", "{text}", ["spam", "eggs"], model="m"), rows("a"))
    assert not fake.made


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "loud"}, "score must be one of"),
        ({"score": "logprobs", "rows_per_call": 2}, "one question about one row"),
        ({"rows_per_call": 0}, "rows_per_call"),
        ({"calibration": "x.json"}, "has no scores"),
        ({"at_least": 0.5}, "has no scores"),
        ({"score": "stated", "at_least": 2}, "at_least of LF 'asks'"),
        ({"score": "stated", "calibration": "x.json"}, "no such file of a calibration"),
        ({"max_cost": -1}, "max_cost"),
        ({"model": ""}, "model must be"),
        ({"model": ChatModel(name="m"), "base_url": "http://127.0.0.1/v1"}, "part of a ChatModel"),
        ({"system": 3}, "system must be a text"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**options)


def test_questions_that_do_not_go_together() -> None:
    mood = Question("mood", "Which?", ABOUT)
    silent = Question("silent", "", ABOUT)
    for questions, message in [
        ([], "a list of questions"),
        ([mood, mood], "'mood' twice"),
        ([mood, silent], "'silent' asks nothing"),
    ]:
        with pytest.raises(InputError, match=message):
            prompt_lfs("{text}", questions, model="m")
    with pytest.raises(InputError, match="one question about one row"):
        prompt_lfs("{text}", [mood, mood_two()], model="m", score="logprobs")  # type: ignore[arg-type]


def mood_two() -> Question:
    return Question("mood2", "Which else?", ABOUT)


def test_scores_are_calibrated_on_gold(fake: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts = [f"row {i}" for i in range(211)]
    gold = dict(zip(texts, rng.choice(["spam", "ham"], len(texts)), strict=True))
    wrong = {text for text in texts if rng.random() < 0.3}

    def reply(request: Any) -> ChatAnswer:
        other = {"spam": "ham", "ham": "spam"}
        truth = gold[row_of(request)]
        said = other[truth] if row_of(request) in wrong else truth
        return with_tokens(said, **{said: 0.99, other[said]: 0.01})

    fake.reply = reply
    lf = prompt_lf("asks", "{text}", ABOUT, model="m")
    labels: list[Any] = list(gold.values())
    labels[0] = None
    calibration = calibrate(lf, rows(*texts), labels)
    assert calibration.n_votes == 210
    calibration.save(tmp_path / "asks.json")
    better = prompt_lf("asks", "{text}", ABOUT, model="m", calibration=tmp_path / "asks.json")
    matrix = PandasLFApplier([better], CLASSES).apply(rows(*texts), progress_bar=False)
    assert matrix.scores.data.mean() == pytest.approx(calibration.accuracy, abs=0.03)
    assert len(fake.made[0].sent) == len(texts)
    assert "calibration error" in better.facts()["calibration"]
    codes = [-1 if label is None else CLASSES.index(label) for label in labels]
    assert calibrate(better, rows(*texts), codes, classes=CLASSES) == calibration
    with pytest.raises(InputError, match="give classes="):
        calibrate(lf, rows(*texts), codes)
    with pytest.raises(InputError, match="each of 1 rows, found 211"):
        calibrate(lf, rows("row 1"), labels)
    with pytest.raises(InputError, match="no scores to calibrate"):
        calibrate(make(), rows("a"), ["spam"])


def test_an_object_that_was_sent_asks_the_same(fake: Any) -> None:
    fake.reply = by_word
    lf = cloudpickle.loads(cloudpickle.dumps(make()))
    assert lf("spam") == "spam"
    assert isinstance(fake.made[0], FakeClient)
    assert "m at http" in lf.facts()["asks"]


def test_where_only_kept_answers_count_nothing_is_sent(fake: Any) -> None:
    lf = make()
    with kept_answers_only(), pytest.raises(LabelingError, match="rows without a kept answer"):
        votes_of(lf, rows("a", "b"), fault_tolerant=True)
    assert not fake.made[0].sent
    votes_of(lf, rows("a", "b"))
    with kept_answers_only():
        assert votes_of(make(), rows("a", "b")) == [1, 1]
    assert len(fake.made[0].sent) == 2
