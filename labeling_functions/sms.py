"""Labelling functions for the SMS Spam Collection: ham or spam.

Written from common sense and from the texts of the training part; the gold labels of that part
were used to check the precision of a rule (so precision measured there flatters them a little),
those of other parts never. The published rules of this corpus were not used.

Load with ``spear_amal.labeling.load_lfs("labeling_functions/sms.py")``. The rules look at the
column ``text`` only, in any case: the published files are in lower case, the official one is not.
Without spaCy (extra ``nlp``) the file still loads and leaves out the LFs of its last section.
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

CLASSES = ("ham", "spam")

# -- declarative: spam --------------------------------------------------------------------------

# Nobody you know tells you by text that you were awarded a guaranteed prize.
prize_words = keyword_lf(
    "prize_words",
    ["prize", "claim", "award", "awarded", "winner", "guaranteed", "voucher", "vouchers"],
    label="spam",
)

# Sellers quote sums and prices per message; "??" is what became of the pound sign in some files.
prices = regex_lf(
    "prices",
    r"(?i)(?:£|\?\?)\d|\b\d+(?:\.\d+)?p\b|\b\d*ppm\b|\bp(?:er|/) ?(?:min|msg)",
    label="spam",
)

# "Text WIN to 80086": a reply to a five-digit short code costs money.
short_code = regex_lf(
    "short_code",
    r"(?i)\b(?:txt|text|send|reply|sms|msg)\b.{0,25}\b(?:to|2) \d{4,5}\b",
    label="spam",
)

# Bulk senders must offer a way out: "txt STOP to end", "unsubscribe".
way_out = regex_lf(
    "way_out",
    r"(?i)\b(?:(?:txt|text|send|reply) stop|stop (?:2|to|txt|sms) (?!\w+ing)|opt ?out|unsub\w*)",
    label="spam",
)

# Adult services must name an age limit.
age_limit = regex_lf("age_limit", r"(?i)\b(?:16|18) ?\+|\b(?:16|18) ?yrs\b|\bover 18", label="spam")

# Terms, stamped envelopes and post boxes are the small print of an offer.
small_print = regex_lf(
    "small_print", r"(?i)\bt(?:s ?)?&c|\bterms\b|\bsae\b|\bp\.? ?o\.? ?box|\bvalid\b", label="spam"
)

# The pressing tone of a cold caller: "URGENT", "we tried to contact you", "final notice".
pressing = regex_lf(
    "pressing",
    r"(?i)\burgent\W+(?:ur?|your?|we|call|please)\b|\bfinal notice"
    r"|\b(?:attempt|tried|trying) (?:2|to) contact",
    label="spam",
)

# What was sold to phone owners: tones, logos and handsets.
phone_goods = dictionary_lf(
    "phone_goods",
    ["ringtone", "ringtones", "tones", "polyphonic", "nokia", "motorola", "sony ericsson",
     "bluetooth", "camcorder", "camera phone", "handset", "wallpaper", "logos"],
    label="spam",
)  # fmt: skip

# -- declarative: ham ---------------------------------------------------------------------------

# A message that speaks about the writer's family comes from somebody you know.
family = keyword_lf(
    "family",
    ["mum", "mom", "dad", "sister", "brother", "bro", "aunt", "uncle", "wife", "husband", "cousin"],
    label="ham",
)

# Smileys made of signs: friends type them, sellers hardly ever do.
smiley = regex_lf("smiley", r"(?i)[:;]-?[)(DPp](?!\w)", label="ham")

# Plans for the day name a place or an errand of everyday life.
daily_life = keyword_lf(
    "daily_life",
    ["home", "lunch", "dinner", "class", "gym", "sleep", "bed", "office", "school", "bus",
     "train", "lecture", "library", "exam", "doctor"],
    label="ham",
)  # fmt: skip

# Third persons: sellers write to you about you, friends also about others.
third_persons = keyword_lf("third_persons", ["he", "she", "him", "they", "them"], label="ham")

# Arrangements: friends meet at a time of the day, offers are good at any.
arrangement = regex_lf(
    "arrangement",
    r"(?i)\b(?:tonight|tomorrow|tmrw?|2moro|yesterday|later|this (?:morning|afternoon|evening))\b",
    label="ham",
)

# Shortened and Singlish words of people who type on twelve keys.
texting_slang = dictionary_lf(
    "texting_slang",
    ["lor", "lah", "leh", "liao", "dun", "wat", "thk", "cos", "dat", "dis", "juz", "oredi",
     "gud", "frm", "abt", "wif", "haf", "dunno", "gonna", "gotta"],
    label="ham",
)  # fmt: skip

# The collectors masked names, amounts and times that people wrote to each other with <#>.
masked_detail = regex_lf(
    "masked_detail", r"(?i)(?:&lt;|<)(?:#|decimal|time|url|email)", label="ham"
)


# -- row functions ------------------------------------------------------------------------------

ANSWERS = {"ok", "okay", "k", "yup", "yep", "yeah", "ya", "yes", "no", "nope", "haha", "lol", "oh"}


@labeling_function(label="ham")
def answers_somebody(x: Any) -> bool:
    """Find an answer as the first word ("ok", "yup"): there was a conversation before it."""
    first = re.match(r"\w+", x.text.lower())
    return first is not None and first.group() in ANSWERS


@labeling_function(label="spam")
def free_offer(x: Any) -> bool:
    """Says "free" and asks the reader to do something: what is free among friends needs no call."""
    words = set(re.findall(r"\w+", x.text.lower()))
    return "free" in words and bool(words & {"txt", "text", "reply", "claim", "send", "entry"})


@labeling_function(label="spam")
def web_address(x: Any) -> bool:
    """Names a web site, unless one that merely relayed a private text ("sent via ...")."""
    text = x.text.lower()
    named = re.search(r"https?:|\bwww\b|\bwap\b|\.co\.uk\b|(?<!mail)\.com\b", text)
    return named is not None and "sent via" not in text


# -- vectorised ---------------------------------------------------------------------------------


@labeling_function(label="spam", vectorized=True)
def service_number(batch: Any) -> np.ndarray:
    """Find a British number that begins with 08 or 09: these are free or premium services."""
    text = pd.Series(batch["text"], dtype=str)
    return text.str.contains(r"\b0[89]\d{8,9}").to_numpy(dtype=bool)


@labeling_function(label="ham", vectorized=True)
def short_without_digits(batch: Any) -> np.ndarray:
    """Is short and holds no digit: too little room for an offer, a price and a number."""
    text = pd.Series(batch["text"], dtype=str)
    return (text.str.len().between(1, 45) & ~text.str.contains(r"\d")).to_numpy(dtype=bool)


# -- continuous ---------------------------------------------------------------------------------


@continuous_scorer()
def share_of_digits(x: Any) -> float:
    """Score the share of digits outside phone numbers, which `service_number` looks at."""
    text = re.sub(r"\d{6,}", "", x.text)
    return min(1.0, 5 * sum(c.isdigit() for c in text) / max(1, len(text)))


@labeling_function(label="spam", cont_scorer=share_of_digits)
def many_digits(x: Any, continuous_score: float) -> bool:
    """Is full of codes, prices and dates (a twelfth digits): people mostly write words."""
    return continuous_score >= 0.4


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

    @labeling_function(label="ham", pre=[tokens])
    def writes_of_self(x: Any) -> bool:
        """Says "I" or "me" twice (also in "I'll", "im"), with no number: one person to another."""
        # In capitals ("I'LL") the tokenizer keeps the two words together.
        selves = sum(token.lower_.split("'")[0] in {"i", "me", "my"} for token in x.doc)
        return selves >= 2 and not any(token.like_num or token.like_url for token in x.doc)

    FLATTERY = "won|awarded|selected|chosen|invited"
    chosen = Matcher(nlp.vocab)
    chosen.add(
        "chosen",
        [
            _phrase("you|you've|u|ur|have|been|'ve|number|mobile", FLATTERY),
            _phrase("you|u|number|mobile", "are|r|has|was|were", FLATTERY),
        ],
    )

    @labeling_function(label="spam", pre=[tokens])
    def you_were_chosen(x: Any) -> bool:
        """Tells the reader that "you have been chosen", whatever for: flattery before a bill."""
        return bool(chosen(x.doc))
