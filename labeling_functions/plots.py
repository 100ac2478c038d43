"""Labelling functions for movie plots: romance or action.

Written from common sense before any plot was looked at, then mended with word counts and gold
labels of the training part only (so precision measured there flatters them a little).

Load with ``spear_amal.labeling.load_lfs("labeling_functions/plots.py")``. The rules look at the
column ``text`` only. Without spaCy (extra ``nlp``) the file still loads and leaves out the LFs of
its last section.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.labeling import (
    SpacyPreprocessor,
    continuous_scorer,
    dictionary_lf,
    keyword_lf,
    labeling_function,
    regex_lf,
)

CLASSES = ("romance", "action")

# -- declarative: romance -----------------------------------------------------------------------

# Weddings and what leads to them are the aim or the obstacle of a love story.
wedding = keyword_lf(
    "wedding",
    ["wedding", "bride", "groom", "marry", "marries", "marrying", "marriage", "engaged",
     "engagement", "honeymoon"],
    label="romance",
)  # fmt: skip

# The plot says what it is about.
names_romance = keyword_lf(
    "names_romance",
    ["romance", "romances", "romantic", "romantically", "love story", "love stories",
     "love triangle", "love affair", "lovers", "true love", "soulmate", "soul mate"],
    label="romance",
)  # fmt: skip

# Attraction and what it makes people do.
attraction = regex_lf(
    "attraction",
    r"(?i)\b(?:kiss|flirt|seduc|passion|crush on\b|attracted to|feelings for|smitten|jealous)",
    label="romance",
)

# Marriages that end, or that a third person threatens.
troubled_couple = regex_lf(
    "troubled_couple",
    r"(?i)\bdivorc|\ban affair\b|\baffair with\b|\binfidel|\bunfaithful|\bmistress\b"
    r"|\bex-(?:wife|husband|boyfriend|girlfriend)\b",
    label="romance",
)

# Action films seldom happen among people who write, sing or act.
gentle_trades = dictionary_lf(
    "gentle_trades",
    ["writer", "novelist", "poet", "playwright", "painter", "actress", "ballet", "pianist",
     "songwriter", "columnist", "singer", "musician", "waitress", "maid", "aspiring"],
    label="romance",
)  # fmt: skip

# Where and over what lovers meet: letters, dances, dinners and holidays.
gentle_settings = dictionary_lf(
    "gentle_settings",
    ["letter", "letters", "dance", "dances", "dancing", "dinner", "restaurant", "summer",
     "holiday", "vacation", "paris", "musical", "bookstore", "garden"],
    label="romance",
)  # fmt: skip

# -- declarative: action ------------------------------------------------------------------------

# Armies and their trade.
military = keyword_lf(
    "military",
    ["soldier", "soldiers", "army", "navy", "marine", "marines", "troops", "military", "squad",
     "commander", "commando", "battle", "battles", "battlefield", "warrior", "warriors", "sniper"],
    label="action",
)  # fmt: skip

# Those who live by crime and violence.
outlaws = dictionary_lf(
    "outlaws",
    ["assassin", "assassins", "hitman", "hit man", "mercenary", "mercenaries", "terrorist",
     "terrorists", "drug lord", "crime lord", "cartel", "gang", "gangster", "mob", "mafia",
     "yakuza", "triad", "bounty hunter", "warlord", "criminals", "thugs", "thieves", "heist"],
    label="action",
)  # fmt: skip

# Police and secret services at work; a single policeman also walks through a love story.
law = keyword_lf(
    "law",
    ["cop", "cops", "police", "detective", "detectives", "undercover", "agent", "agents", "spy",
     "spies", "sheriff", "officer", "officers"],
    label="action",
    min_count=2,
)  # fmt: skip

# Things that shoot, cut or explode.
weapons = keyword_lf(
    "weapons",
    ["weapon", "weapons", "gun", "guns", "bomb", "bombs", "missile", "missiles", "nuclear",
     "explosion", "explosive", "explosives", "sword", "swords", "bullet", "bullets", "armed"],
    label="action",
)  # fmt: skip

# Machines and places that only those need who fight.
hardware = dictionary_lf(
    "hardware",
    ["helicopter", "helicopters", "submarine", "tank", "tanks", "fighter jet", "aircraft",
     "convoy", "headquarters", "hideout", "bunker", "warehouse", "base"],
    label="action",
)  # fmt: skip

# Deaths that are paid back.
revenge = regex_lf(
    "revenge", r"(?i)\b(?:revenge|aveng|vengeance|vigilante|massacre|slaughter)", label="action"
)

# Killing again and again; one death alone may also end a love.
many_killings = keyword_lf(
    "many_killings",
    ["kill", "kills", "killed", "killing", "killer", "murder", "murders", "murdered", "shoots"],
    label="action",
    min_count=3,
)

# People are caught and freed.
captivity = regex_lf(
    "captivity",
    r"(?i)\b(?:kidnap|captur(?:e|es|ed)\b|captive|hostage|ambush|rescue[ds]?\b|escapes\b)",
    label="action",
)

# Fighting as an art or a sport.
fighters = keyword_lf(
    "fighters",
    ["martial arts", "martial artist", "kung fu", "karate", "samurai", "ninja", "ninjas", "fighter",
     "fighters", "fighting", "combat", "duel"],
    label="action",
)  # fmt: skip

# Beings and machines that no love story needs.
beyond_human = dictionary_lf(
    "beyond_human",
    ["alien", "aliens", "robot", "robots", "cyborg", "superhero", "superheroes", "mutant",
     "mutants", "superhuman", "super powers", "spaceship", "galaxy", "zombies", "monsters",
     "demon", "demons", "villain", "villains"],
    label="action",
)  # fmt: skip

# -- row functions ------------------------------------------------------------------------------

FOR_EACH_OTHER = re.compile(
    r"\b(?:feelings?|love|care|attract\w+|drawn|fall\w*|feel\w*|kiss)\b[\w\s]{0,25}"
    r"\b(?:each other|one another)\b"
    r"|\b(?:loves|misses|marries|dates|kisses|adores|woos) (?:him|her)\b",
    re.IGNORECASE,
)


@labeling_function(label="romance")
def for_each_other(x: Any) -> bool:
    """Tells what two people feel for each other, or what one does to win the other."""
    return FOR_EACH_OTHER.search(x.text) is not None


AIMS = "rescue|defeat|avenge|attack|fight|destroy|capture|steal|infiltrate|assassinate|hunt"


@labeling_function(label="action")
def violent_aim(x: Any) -> bool:
    """Says what somebody is out to do, and it is to fight, to rescue or to destroy."""
    return bool(re.search(rf"\b(?:to|and) (?:{AIMS})\b", x.text.lower()))


@labeling_function(label="action")
def agency_initials(x: Any) -> bool:
    """Names a service by its initials (FBI, CIA, ...), which are read in capitals only."""
    return bool(re.search(r"\b(?:FBI|CIA|DEA|NSA|LAPD|NYPD|SWAT|KGB|MI6|SEALs?)\b", x.text))


# -- vectorised ---------------------------------------------------------------------------------


def _per_word(text: pd.Series, pattern: str) -> pd.Series:
    """Count the matches of a pattern per word of each text."""
    return text.str.count(pattern) / text.str.count(r"\w+").clip(lower=1)


@labeling_function(label="romance", vectorized=True)
def he_and_she(batch: Any) -> np.ndarray:
    """Every fiftieth word is a "she" and every fiftieth a "he": the two share the story."""
    text = pd.Series(batch["text"], dtype=str).str.lower()
    she = _per_word(text, r"\b(?:she|her|hers|herself)\b")
    he = _per_word(text, r"\b(?:he|his|him|himself)\b")
    return ((she > 0.02) & (he > 0.02)).to_numpy(dtype=bool)


@labeling_function(label="action", vectorized=True)
def men_only(batch: Any) -> np.ndarray:
    """Tells of a "he" at least twice and of no woman at all, so there is nobody to woo."""
    text = pd.Series(batch["text"], dtype=str).str.lower()
    he = text.str.count(r"\b(?:he|his|him)\b")
    woman = text.str.contains(r"\b(?:she|her|wife|wom[ae]n|girls?|girlfriend|love\w*|mother)\b")
    return ((he >= 2) & ~woman).to_numpy(dtype=bool)


# -- continuous ---------------------------------------------------------------------------------

VIOLENT = frozenset(
    "attack attacks attacked battle blood chase combat crime criminal deadly defeat destroy "
    "destruction enemies enemy escape evil explosion fight fights forces hostage hunt hunted "
    "kidnapped kill killed killer killers killing kills mission murder rescue ruthless survive "
    "terror threat violence violent war weapon".split()
)
TENDER = frozenset(
    "affair affection couple date dating dream emotional feelings friendship happiness happy heart "
    "hearts kiss love loved lover lovers loves marriage married marry passion passionate "
    "relationship relationships romance romantic soul wedding".split()
)
ENOUGH = 0.03  # share of such words at which a text could not be clearer


def _share(x: Any, words: frozenset[str]) -> float:
    """Share of `words` among the words of the text, as a part of `ENOUGH`; at most 1."""
    found = re.findall(r"[\w'-]+", x.text.lower())
    return min(1.0, sum(word in words for word in found) / max(1, len(found)) / ENOUGH)


violence = continuous_scorer("violence", resources={"words": VIOLENT})(_share)
tenderness = continuous_scorer("tenderness", resources={"words": TENDER})(_share)


@labeling_function(label="action", cont_scorer=violence)
def violent_tone(x: Any, continuous_score: float) -> bool:
    """Speaks in words of fighting and danger: at least one in seventy."""
    return continuous_score >= 0.5


@labeling_function(label="romance", cont_scorer=tenderness)
def tender_tone(x: Any, continuous_score: float) -> bool:
    """Speaks in words of love and feeling: at least one in seventy."""
    return continuous_score >= 0.5


# -- spaCy --------------------------------------------------------------------------------------

if find_spec("spacy") is not None:
    import spacy
    from spacy.matcher import Matcher

    # A blank pipeline only splits into tokens, which is all that is needed: no model to download.
    nlp = spacy.blank("en")
    tokens = SpacyPreprocessor(nlp)

    def _phrase(*words: str) -> list[dict[str, Any]]:
        """Make a token pattern of words, each with its alternatives separated by |."""
        return [{"LOWER": {"IN": word.split("|")}} for word in words]

    in_love = Matcher(nlp.vocab)
    in_love.add(
        "in love",
        [
            _phrase("fall|falls|fell|falling|fallen|is|are|deeply|madly|back", "in", "love"),
            _phrase("love", "of", "his|her|their|my", "life|lives"),
        ],
    )
    band = Matcher(nlp.vocab)
    band.add(
        "band",
        [
            _phrase("led", "by"),
            _phrase("his|their|armed", "men"),
            _phrase("team|squad|band|army|gang|crew|group", "of"),
        ],
    )

    @labeling_function(label="romance", pre=[tokens])
    def falls_in_love(x: Any) -> bool:
        """Somebody falls (madly) in love, or finds the love of a life."""
        return bool(in_love(x.doc))

    @labeling_function(label="action", pre=[tokens])
    def armed_band(x: Any) -> bool:
        """Leads "his men" or a "team of ...": action is done in bands, love in twos."""
        return bool(band(x.doc))
