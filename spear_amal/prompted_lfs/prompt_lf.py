"""Doors to prompted LFs: one question in a call, several, and calibration on gold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, Literal, TypeAlias

import numpy as np

from spear_amal._typing import PathLike, VectorLike
from spear_amal.checks import check_choice, check_not_negative, check_whole, check_within
from spear_amal.errors import InputError
from spear_amal.labeling.cell_values import is_missing
from spear_amal.labeling.lf_outputs import Abstention, InvalidOutput, StoppedError
from spear_amal.llm import ChatModel
from spear_amal.prompted_lfs.calibration import Calibration, fit_calibration
from spear_amal.prompted_lfs.prompt_template import PromptTemplate
from spear_amal.prompted_lfs.prompted_lf import Inquiry, PromptedLF
from spear_amal.prompted_lfs.questions import PromptClasses, Question
from spear_amal.votes.class_set import ClassesLike, ClassSet
from spear_amal.votes.label_matrix import ABSTAIN

ScoreSource = Literal["auto", "logprobs", "stated", "none"]
CalibrationLike: TypeAlias = Calibration | PathLike


def prompt_lf(
    name: str,
    prompt: str,
    classes: PromptClasses,
    *,
    model: ChatModel | str,
    base_url: str | None = None,
    system: str | None = None,
    score: ScoreSource = "auto",
    calibration: CalibrationLike | None = None,
    at_least: float | None = None,
    rows_per_call: int = 1,
    cache_dir: PathLike | None = None,
    max_cost: float | None = None,
    version: str | int | None = None,
) -> PromptedLF:
    """Make an LF that asks a language model, behind any OpenAI-compatible server, about each row.

    Nothing is sent before the LF is applied. Answers are kept on disk by model, prompt and row:
    the same question is never paid twice, and a run that was stopped goes on.

    Parameters
    ----------
    name : str
    prompt : str
        What the model reads of a row, such as ``"Comment: {text}"``: columns in braces, ``{{`` for
        a brace of its own. Where a cell is missing or blank the LF abstains.
    classes : mapping of class to description, or iterable of classes
        What may be the answer; the model may always say that it cannot tell, and the LF abstains.
    model : ChatModel or str
        A name alone: at `base_url`, without a key.
    base_url : str, optional
        Where a model given by its name is served; default: that of :class:`ChatModel`.
    system : str, optional
        What the model is told first; default: that it labels texts, and does not obey them. "" puts
        all into one message, for models that know no other.
    score : {"auto", "logprobs", "stated", "none"}
        "logprobs": the LF is continuous, and its score is how probable the class was by the
        log-probabilities of the tokens that decide. "stated": the model says how sure it is.
        "none": votes without scores. "auto": "logprobs" for one row a call, else "none".
    calibration : Calibration or path of its file, optional
        Of :func:`calibrate`.
    at_least : float, optional
        The LF abstains where the score, after calibration, is lower.
    rows_per_call : int, default=1
        Rows that one call asks about. Those that an answer leaves out are asked about alone.
    cache_dir : path, optional
        Where answers are kept; default: a folder of this package beside other caches of the user.
    max_cost : float, optional
        What this process may spend on the model, in the currency of its prices.
    version : str or int, optional
        As in :class:`~spear_amal.labeling.LabelingFunction`; model, prompt, classes and options
        count by themselves.

    Raises
    ------
    InputError
        If the prompt or classes are none, or options do not go together.

    Examples
    --------
    >>> spam = prompt_lf(
    ...     "asks_spam",
    ...     "Comment on a video: {text}",
    ...     {"spam": "advertises something else", "ham": "is about the video"},
    ...     model="some-model",
    ... )
    >>> spam.continuous, spam.inquiry.request(["Comment on a video: hi"]).top_logprobs
    (True, 10)
    """
    question = Question(name, "", classes)
    inquiry = _inquiry(
        *(prompt, [question], model, base_url, system, score, rows_per_call, cache_dir, max_cost)
    )
    return _lf(question, inquiry, calibration, at_least, version)


def prompt_lfs(
    prompt: str,
    questions: Iterable[Question],
    *,
    model: ChatModel | str,
    base_url: str | None = None,
    system: str | None = None,
    score: ScoreSource = "auto",
    rows_per_call: int = 1,
    cache_dir: PathLike | None = None,
    max_cost: float | None = None,
    version: str | int | None = None,
) -> list[PromptedLF]:
    """Make LFs of several questions, which one call answers together.

    An LF that is calibrated, or abstains below a score, is ``lf.with_calibration(..)`` of one of
    these.

    Parameters
    ----------
    prompt : str
        As in :func:`prompt_lf`.
    questions : iterable of Question
        One for each LF.
    model, base_url, system, rows_per_call, cache_dir, max_cost, version
        As there.
    score : {"auto", "stated", "none"}
        "auto" is "none": tokens of an answer to several questions depend on those before.

    Returns
    -------
    list of PromptedLF

    Examples
    --------
    >>> lfs = prompt_lfs(
    ...     "Review: {text}",
    ...     [Question("mood", "How is it?", ["good", "bad"]),
    ...      Question("is_ad", "Is it an advertisement?", {"bad": "it is one"})],
    ...     model="some-model",
    ... )
    >>> [lf.name for lf in lfs]
    ['mood', 'is_ad']
    """
    listed = list(questions)
    if not listed or not all(isinstance(question, Question) for question in listed):
        raise InputError(f"prompt_lfs needs a list of questions (Question), found {listed!r}")
    twice = [name for name, count in Counter(q.name for q in listed).items() if count > 1]
    if twice:
        raise InputError(f"questions must have names of their own, found {twice[0]!r} twice")
    for question in listed:
        if len(listed) > 1 and not question.text.strip():
            raise InputError(
                f"the question {question.name!r} asks nothing: with several questions in a call "
                "each needs a text"
            )
    inquiry = _inquiry(
        *(prompt, listed, model, base_url, system, score, rows_per_call, cache_dir, max_cost)
    )
    return [_lf(question, inquiry, None, None, version) for question in listed]


def _lf(
    question: Question,
    inquiry: Inquiry,
    calibration: CalibrationLike | None,
    at_least: float | None,
    version: str | int | None,
) -> PromptedLF:
    named = f"LF {question.name!r}"
    for what, value in (("calibration", calibration), ("at_least", at_least)):
        if value is not None and inquiry.scores == "none":
            raise InputError(
                f"{named} has no scores, so it takes no {what}; give score='logprobs' or 'stated'"
            )
    if at_least is not None:
        check_within(f"at_least of {named}", at_least, 0, 1)
    if calibration is not None and not isinstance(calibration, Calibration):
        calibration = Calibration.load(calibration)
    return PromptedLF(question, inquiry, calibration, at_least, version)


def _inquiry(
    prompt: str,
    questions: Sequence[Question],
    model: ChatModel | str,
    base_url: str | None,
    system: str | None,
    score: str,
    rows_per_call: int,
    cache_dir: PathLike | None,
    max_cost: float | None,
) -> Inquiry:
    check_choice("score", score, ("auto", "logprobs", "stated", "none"))
    check_whole("rows_per_call", rows_per_call, 1)
    if max_cost is not None:
        check_not_negative("max_cost", max_cost)
    if system is not None and not isinstance(system, str):
        raise InputError(f"system must be a text, found {system!r}")
    is_joint = len(questions) > 1 or rows_per_call > 1
    if is_joint and score == "logprobs":
        raise InputError(
            "score='logprobs' needs one question about one row in a call: tokens of a joint answer "
            "depend on those before; give score='stated' or 'none', or ask one by one"
        )
    if score == "auto":
        score = "none" if is_joint else "logprobs"
    template = PromptTemplate(prompt)
    served = _model(model, base_url)
    return Inquiry(
        *(template, tuple(questions), served, system, score, rows_per_call, cache_dir, max_cost)
    )


def _model(model: ChatModel | str, base_url: str | None) -> ChatModel:
    if isinstance(model, ChatModel):
        if base_url is not None:
            raise InputError("base_url is part of a ChatModel; give it there")
        return model
    if not isinstance(model, str) or not model.strip():
        raise InputError(f"model must be a ChatModel or the name of a model, found {model!r}")
    return ChatModel(name=model) if base_url is None else ChatModel(name=model, base_url=base_url)


def calibrate(
    lf: PromptedLF, rows: Any, gold: VectorLike, classes: ClassesLike = None
) -> Calibration:
    """Learn on labelled rows how often votes of an LF with a score are right.

    Votes stay what they are; scores alone change. Give the result, or the path of the file that it
    is saved to, as ``calibration=`` to :func:`prompt_lf`.

    Parameters
    ----------
    lf : PromptedLF
        With scores; a calibration that it has does not count.
    rows : DataFrame, mapping of columns, table, or list of n rows
    gold : array-like of shape (n,)
        Class of each row, as the LF's classes are written or as codes of `classes`; -1 or None
        where it is not known.
    classes : optional
        As for appliers; default: those of the LF, in their order.

    Raises
    ------
    InputError
        If the LF has no scores, or there is not one class for each row.
    """
    if not isinstance(lf, PromptedLF) or not lf.continuous:
        raise InputError(
            f"{lf!r} has no scores to calibrate; make it with score='logprobs' or 'stated'"
        )
    answers, scores = lf.with_calibration(None).evaluate(rows)
    failed = [answer for answer in answers if isinstance(answer, InvalidOutput)]
    if failed:
        raise StoppedError(f"LF {lf.name!r}: {failed[0]}")
    votes = [None if isinstance(answer, Abstention) else answer for answer in answers]
    labels = np.asarray(gold, dtype=object).ravel().tolist()
    if len(labels) != len(votes):
        raise InputError(
            f"gold must have a class for each of {len(votes)} rows, found {len(labels)}"
        )
    code = _code_by_name(lf, labels) if classes is None else ClassSet(classes).code
    pairs = [(code(vote), code(label)) for vote, label in zip(votes, labels, strict=True)]
    used = np.array([vote != ABSTAIN and label != ABSTAIN for vote, label in pairs], dtype=bool)
    is_right = np.array([vote == label for vote, label in pairs], dtype=bool)
    return fit_calibration(scores[used], is_right[used])


def _code_by_name(lf: PromptedLF, labels: Sequence[Any]) -> Callable[[Any], Any]:
    """Return what makes classes comparable: their names, or numbers where the LF votes numbers."""
    numbers = all(isinstance(a_class, int) for a_class in lf.question.classes)
    known = [label for label in labels if not is_missing(label)]
    if not numbers and any(isinstance(label, int) and label != ABSTAIN for label in known):
        raise InputError(
            f"gold has numbers, and LF {lf.name!r} votes for names; give classes= in code order"
        )

    def code(value: Any) -> Any:
        if is_missing(value) or value == ABSTAIN:
            return ABSTAIN
        return value.name if isinstance(value, Enum) else value

    return code
