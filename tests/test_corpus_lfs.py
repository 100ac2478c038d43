"""The shipped LF files: they load, every LF fires where its reason says, and they do real work."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spear_amal.data import load_corpus, synthetic_corpus
from spear_amal.errors import DataUnavailableError
from spear_amal.labeling import ColumnLF, PandasLFApplier, load_lfs
from spear_amal.votes.label_matrix import ABSTAIN

FOLDER = Path(__file__).parents[1] / "labeling_functions"
HAS_SPACY = importlib.util.find_spec("spacy") is not None
CLASSES = {"plots": ("romance", "action"), "sms": ("ham", "spam"), "youtube": ("ham", "spam")}
CORPORA = sorted(CLASSES)
AT_LEAST = {"plots": 15, "sms": 15, "youtube": 10}
SPACY_LFS = {
    "plots": {"falls_in_love", "armed_band"},
    "sms": {"writes_of_self", "you_were_chosen"},
    "youtube": {"introduces_self", "about_the_singer"},
}

# class -> LF -> a text on which that LF fires for that class
EXAMPLES = {
    "plots": {
        "romance": {
            "wedding": "On the eve of the wedding the groom is nowhere to be found.",
            "names_romance": "A romantic comedy set in a bakery.",
            "attraction": "Under the mistletoe Ann kisses the gardener.",
            "troubled_couple": "After a bitter divorce Ruth opens a bakery.",
            "gentle_trades": "A novelist without ideas rents a lighthouse.",
            "gentle_settings": "Every summer the same letters arrive.",
            "for_each_other": "Slowly they realise what they feel for one another.",
            "he_and_she": "She teaches him to read, and he teaches her to swim.",
            "tender_tone": "A passionate lover dreams of happiness.",
            "falls_in_love": "Against all advice Tom falls madly in love with Ruth.",
        },
        "action": {
            "military": "A platoon of soldiers holds the bridge.",
            "outlaws": "A retired hitman returns to the harbour.",
            "law": "Two detectives question every officer on the pier.",
            "weapons": "The guns were stolen from a museum.",
            "hardware": "A helicopter lands on the hideout.",
            "revenge": "A widow swears revenge.",
            "many_killings": "He kills the guard, kills the dog and is killed at dawn.",
            "captivity": "The ambassador is kidnapped at the opera.",
            "fighters": "A samurai without a master wanders north.",
            "beyond_human": "A cyborg wakes up in the desert.",
            "violent_aim": "They gather on the hill to defeat the baron.",
            "agency_initials": "A clerk of the CIA goes missing.",
            "men_only": "He sells his boat and sails his raft to Peru.",
            "violent_tone": "Ruthless enemies attack the village.",
            "armed_band": "A squad of volunteers climbs the wall.",
        },
    },
    "sms": {
        "ham": {
            "family": "My mum says the cake is ready at 5",
            "smiley": "That was fun :-) see you at 7",
            "daily_life": "On the bus number 9 now",
            "third_persons": "Did she get the 3 tickets",
            "arrangement": "Are we still on for tomorrow at 6",
            "texting_slang": "Dunno, 2 of us r coming",
            "masked_detail": "I owe you  &lt;#&gt;  for the 2 tickets",
            "answers_somebody": "Yup, leaving at 4",
            "short_without_digits": "Where are the keys?",
            "writes_of_self": "I'll tell you where I'm standing: right beside the swimming pool",
        },
        "spam": {
            "prize_words": "Dear customer, a PRIZE is waiting for you",
            "prices": "Calls cost £1 or 50p each",
            "short_code": "To join text YES to 80123",
            "way_out": "Weekly horoscope. To end it reply STOP",
            "age_limit": "Ladies nearby. 18+ only",
            "small_print": "Offer ends soon. T&Cs apply, SAE to our office",
            "pressing": "URGENT! Your parcel is waiting, we tried to contact you",
            "phone_goods": "A new polyphonic ringtone every week for your handset",
            "free_offer": "FREE entry into our quiz, txt QUIZ now",
            "web_address": "See all pictures at www.example.co.uk now",
            "service_number": "Ring 08001234567 between nine and five",
            "many_digits": "Ref 8812-771 box 4410 expires 12/03",
            "you_were_chosen": "Good news, you have been selected by our computer",
        },
    },
    "youtube": {
        "ham": {
            "counts_views": "Nearly two billion people, how is that possible",
            "opinion_only": "The drummer in the background is simply amazing today",
            "feeling_only": "The cat at the end, hahaha, what a face it makes there",
            "looks_back": "It is 2015 and this is playing everywhere again",
            "very_short": "so true\ufeff",
            "about_the_music": "What a song, and the voice in the chorus",
            "about_the_singer": "Somebody tell me where she bought that hat of hers",
        },
        "spam": {
            "check_out": "Check this out everybody",
            "subscribe": "Subscribe and I subscribe back",
            "own_work": "New songs every week on my little channel",
            "plea": "Please read this to the end",
            "money": "Make $500 a day from home",
            "wants_clicks": "Thumbs up if you are reading this",
            "other_sites": "Find me on SoundCloud",
            "aspiring_artist": "Young producer from Leeds here",
            "greets_public": "Hey there, got a minute?",
            "link": "http://example.org/?v=7 is where it happens",
            "very_long": "Nobody ever listens to us, so I will tell you. " * 5,
            "introduces_self": "I'm a student from Leeds with a guitar",
        },
    },
}

# LF -> a text that looks like its examples, where it must abstain
NEAR_MISSES = {
    "plots": {
        "law": "A cop and a nun share a taxi.",
        "many_killings": "A killer is on the loose, and kills.",
        "agency_initials": "They swat flies and seal letters.",
        "he_and_she": "He gives his dog a bone.",
        "men_only": "He gives his wife a rose.",
        "wedding": "Unwedded, he embarked.",
        "falls_in_love": "Love is in the air.",
    },
    "sms": {
        "way_out": "He has to stop going out",
        "web_address": "Good night all. Sent via example.com",
        "service_number": "Order 12085551234567 has left",
        "short_without_digits": "",
        "answers_somebody": "Is that okay with you",
        "free_offer": "Are you free tonight",
        "pressing": "I need it urgently",
    },
    "youtube": {
        "own_work": "This is my favourite song",
        "link": '<a href="http://www.example.com/watch?t=1">1:07</a> gets me every time',
        "very_short": "subscribe",
        "opinion_only": "Check my awesome channel",
        "other_sites": "Most watched video on YouTube",
        "introduces_self": "I am happy",
    },
}

# corpus -> least coverage (of all rows, of each class), mean precision, precision of every LF
BOUNDS = {
    "plots": (0.90, 0.90, 0.78, 0.70),
    "sms": (0.75, 0.70, 0.95, 0.88),
    "youtube": (0.85, 0.75, 0.92, 0.85),
}


@pytest.fixture(scope="module")
def loaded():
    """Load the three files once."""
    return {name: load_lfs(FOLDER / f"{name}.py") for name in CORPORA}


def available(name, lfs):
    """The names of `lfs` that there should be with or without spaCy."""
    return set(lfs) if HAS_SPACY else set(lfs) - SPACY_LFS[name]


def votes_of(found, texts):
    """Votes (n, m) and the column of each LF."""
    frame = pd.DataFrame({"text": list(texts)})
    matrix = PandasLFApplier(found.lfs, found.classes).apply(frame, progress_bar=False)
    return np.asarray(matrix), {lf.name: j for j, lf in enumerate(found.lfs)}


def examples_of(name):
    """(LF, text, class number) of every example."""
    return [
        (lf, text, CLASSES[name].index(label))
        for label, texts in EXAMPLES[name].items()
        for lf, text in texts.items()
        if lf in available(name, texts)
    ]


def kind_of(name, lf):
    if lf.name in SPACY_LFS[name]:
        return "spaCy"
    if lf.continuous:
        return "continuous"
    if isinstance(lf, ColumnLF):
        return "declarative"
    return "vectorised" if lf.vectorized else "row"


@pytest.mark.parametrize("name", CORPORA)
def test_file_loads_with_the_promised_classes_and_number(loaded, name):
    assert loaded[name].classes == CLASSES[name]
    assert len(loaded[name].lfs) >= AT_LEAST[name]


@pytest.mark.parametrize("name", CORPORA)
def test_kinds_are_mixed(loaded, name):
    kinds = {kind_of(name, lf) for lf in loaded[name].lfs}
    promised = {"row", "declarative", "vectorised", "continuous"}
    assert kinds == (promised | {"spaCy"} if HAS_SPACY else promised)


@pytest.mark.parametrize("name", CORPORA)
def test_every_lf_fires_on_its_example_for_its_class(loaded, name):
    examples = examples_of(name)
    votes, column = votes_of(loaded[name], [text for _, text, _ in examples])
    assert set(column) == {lf for lf, _, _ in examples}
    got = {lf: votes[i, column[lf]] for i, (lf, _, _) in enumerate(examples)}
    assert got == {lf: label for lf, _, label in examples}


@pytest.mark.parametrize("name", CORPORA)
def test_lfs_abstain_on_near_misses(loaded, name):
    misses = {lf: NEAR_MISSES[name][lf] for lf in sorted(available(name, NEAR_MISSES[name]))}
    votes, column = votes_of(loaded[name], misses.values())
    got = {lf: votes[i, column[lf]] for i, lf in enumerate(misses)}
    assert got == dict.fromkeys(misses, ABSTAIN)


@pytest.mark.parametrize("name", CORPORA)
@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_case_does_not_matter_but_for_initials(loaded, name, change):
    # The published SMS files are in lower case, the official one is not.
    examples = [text for _, text, _ in examples_of(name)]
    votes, column = votes_of(loaded[name], examples)
    changed, _ = votes_of(loaded[name], [change(text) for text in examples])
    kept = [j for lf, j in column.items() if lf != "agency_initials"]
    np.testing.assert_array_equal(changed[:, kept], votes[:, kept])


@pytest.mark.parametrize("name", CORPORA)
def test_nothing_fires_on_empty_text_and_no_rows_are_fine(loaded, name):
    votes, _ = votes_of(loaded[name], ["", " "])
    assert (votes[0] == ABSTAIN).all()
    assert votes_of(loaded[name], [])[0].shape == (0, len(loaded[name].lfs))


@pytest.mark.parametrize("name", CORPORA)
def test_every_lf_has_a_reason(loaded, name):
    source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    lines = source.splitlines()
    reasons = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            reasons[node.name] = ast.get_docstring(node)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            above = lines[node.lineno - 2].strip()
            reasons[node.targets[0].id] = above.removeprefix("# ") if above[:1] == "#" else None
    short = {lf.name for lf in loaded[name].lfs if len(reasons[lf.name] or "") < 20}
    assert not short


@pytest.mark.parametrize("name", CORPORA)
def test_without_spacy_only_its_lfs_are_left_out(monkeypatch, name):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda m, *a: None if m == "spacy" else find_spec(m, *a)
    )
    names = {lf.name for lf in load_lfs(FOLDER / f"{name}.py").lfs}
    everything = {lf for texts in EXAMPLES[name].values() for lf in texts}
    assert names == everything - SPACY_LFS[name]


def test_plots_lfs_work_on_the_generated_corpus(loaded):
    corpus = synthetic_corpus(n=401, seed=3, n_test=101)
    votes, _ = votes_of(loaded["plots"], corpus.texts)
    assert (votes != ABSTAIN).any(axis=0).sum() >= 10
    counts = np.stack([(votes == c).sum(axis=1) for c in range(2)], axis=1)
    assert (counts.sum(axis=1) > 0).mean() > 0.9
    decided = counts[:, 0] != counts[:, 1]
    assert (counts.argmax(axis=1) == corpus.labels)[decided].mean() > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("name", CORPORA)
def test_coverage_and_precision_on_real_training_rows(loaded, name):
    try:
        corpus = load_corpus(name, offline=True)
    except DataUnavailableError as error:
        pytest.skip(f"corpus {name} is not at hand: {error}")
    rows = corpus.rows("train")
    y = corpus.labels[rows]
    votes, column = votes_of(loaded[name], corpus.frame["text"].iloc[rows])
    fired = votes != ABSTAIN
    coverage, class_coverage, mean_precision, precision = BOUNDS[name]
    covered = fired.any(axis=1)
    assert covered.mean() >= coverage
    assert min(covered[y == c].mean() for c in range(2)) >= class_coverage
    right = {lf: (votes[fired[:, j], j] == y[fired[:, j]]).mean() for lf, j in column.items()}
    assert np.mean(list(right.values())) >= mean_precision
    assert {lf: p for lf, p in right.items() if not p >= precision} == {}
