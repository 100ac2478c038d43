"""Labelling functions, scorers and preprocessors made of any kind of callable."""

from __future__ import annotations

import functools
import operator

import pandas as pd
import pytest

from spear_amal.errors import InputError
from spear_amal.labeling import (
    LabelingFunction,
    LambdaPreprocessor,
    LFApplier,
    PandasLFApplier,
    continuous_scorer,
    labeling_function,
    nlp_labeling_function,
    preprocessor,
)
from spear_amal.labeling.hashing import function_hash


def longer_than(x, least=3):
    """Vote where a text is long."""
    return int(len(x) > least)


class Longer:
    """An object that can be called, with attributes of names that LFs have as well."""

    def __init__(self, least):
        self.least, self.label, self.name_of_rule = least, "none", "rule"
        self.evaluate = self.pre = self.scorer = self.continuous = "of the object"

    def __call__(self, x):
        return int(len(x) > self.least)

    def method(self, x):
        return self(x)

    @classmethod
    def of_class(cls, x):
        return cls(3)(x)

    @staticmethod
    def of_none(x):
        return longer_than(x)


CALLABLES = {
    "function": (longer_than, "longer_than"),
    "partial": (functools.partial(longer_than, least=3), "longer_than"),
    "partial of a partial": (
        functools.partial(functools.partial(longer_than), least=3),
        "longer_than",
    ),
    "object": (Longer(3), "Longer"),
    "partial of an object": (functools.partial(Longer(3)), "Longer"),
    "bound method": (Longer(3).method, "method"),
    "class method": (Longer.of_class, "of_class"),
    "static method": (Longer.of_none, "of_none"),
    "lambda": (lambda x: int(len(x) > 3), "<lambda>"),
    "cached": (functools.lru_cache(longer_than), "longer_than"),
    "object of the library": (operator.methodcaller("__len__"), "methodcaller"),
    "compiled": (len, "len"),
    "class": (bool, "bool"),
}


@pytest.mark.parametrize("kind", sorted(CALLABLES))
def test_every_kind_of_callable_is_a_labeling_function(kind):
    f, name = CALLABLES[kind]
    texts = ["", "abcd", "ab"]
    label = 1 if kind == "class" else None
    expected = [[-1 if label and not f(x) else int(f(x))] for x in texts]
    with_brackets = labeling_function(label=label)(f)
    made = [with_brackets, labeling_function("mine", label=label)(f)]
    if label is None:
        made.append(labeling_function(f))
    assert [lf.name for lf in made] == [name, "mine", name][: len(made)]
    for lf in made:
        assert (lf.label, lf.pre, lf.scorer, lf.continuous) == (label, (), None, False)
        assert LFApplier([lf]).apply(texts, progress_bar=False).to_dense().tolist() == expected
        assert repr(lf).startswith(f"LabelingFunction {lf.name}, ")
        assert lf.__doc__ or kind in ("lambda", "bound method", "class method", "static method")


@pytest.mark.parametrize("kind", ["partial", "object", "bound method", "lambda"])
def test_scorers_and_preprocessors_of_every_kind(kind):
    f, name = CALLABLES[kind]
    scorer = continuous_scorer()(f)
    assert (scorer.name, scorer("abcd")) == (name, 1)
    scored = LabelingFunction("lf", lambda x, continuous_score: 1, cont_scorer=f)
    assert scored.scorer.name == name and scored.evaluate("ab") == (1, 0)
    prepare = preprocessor()(f)
    assert (prepare.name, prepare("abcd"), preprocessor(f).name) == (name, 1, name)
    assert labeling_function(pre=[prepare])(lambda n: n)("abcd") == 1


def test_documents_for_an_object_that_can_be_called():
    spacy = pytest.importorskip("spacy")

    class Short:
        def __call__(self, x):
            return int(len(x.doc) < 3)

    for f, name in ((Short(), "Short"), (functools.partial(Short()), "Short")):
        lf = nlp_labeling_function(nlp=spacy.blank("en"))(f)
        votes = PandasLFApplier([lf]).apply(pd.DataFrame({"text": ["a b", "a b c"]}))
        assert lf.name == name and votes.to_dense()[:, 0].tolist() == [1, 0]


def test_two_partials_of_one_function_need_names():
    one, other = (labeling_function()(functools.partial(longer_than, least=k)) for k in (1, 2))
    with pytest.raises(InputError, match=r"given more than once: \['longer_than'\]; rename with"):
        LFApplier([one, other])
    assert function_hash(one) != function_hash(other)


def test_attributes_of_a_function_are_kept_where_they_hide_nothing():
    def f(x):
        """Vote."""
        return 1

    f.author, f.evaluate, f.name = "me", "hidden", "hidden"
    lf = labeling_function("lf")(f)
    assert (lf.author, lf.name, lf.__doc__, lf("x")) == ("me", "lf", "Vote.", 1)
    assert lf.evaluate("x") == (1, None)


async def waits(x):
    return 1


async def waits_and_yields(x):
    yield 1


def yields(x):
    yield 1


class Waits:
    async def __call__(self, x):
        return 1


class Yields:
    def __call__(self, x):
        yield 1


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (waits, "must not be async: nothing awaits what 'waits' gives"),
        (functools.partial(waits), "must not be async.*'waits'"),
        (waits_and_yields, "must not be async"),
        (Waits(), "must not be async.*'Waits'"),
        (functools.partial(Waits()), "must not be async"),
        (Waits().__call__, "must not be async"),
        (yields, "must return its answer: 'yields' yields"),
        (functools.partial(yields), "must return its answer"),
        (Yields(), "must return its answer: 'Yields' yields"),
        ("text", "needs a function, found 'text'"),
        (None, "needs a function, found None"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_answer_is_refused_where_it_is_made(f, message):
    with pytest.raises(InputError, match=f"LF 'lf' {message}"):
        LabelingFunction("lf", f)
    with pytest.raises(InputError, match=f"LF 'lf' {message}"):
        labeling_function("lf")(f)
    with pytest.raises(InputError, match=f"scorer 's' {message}"):
        continuous_scorer("s")(f)
    with pytest.raises(InputError, match=f"preprocessor 'p' {message}"):
        preprocessor("p")(f)


def test_a_batched_preprocessor_may_yield_its_rows():
    def shout(rows):
        for x in rows:
            yield x.upper()

    assert LambdaPreprocessor("p", shout, batched=True)("a") == "A"
    assert preprocessor("p", batched=True)(functools.partial(shout))("a") == "A"
