"""Labelling functions for the YouTube Spam Collection: ham or spam.

Written from common sense and from the comments on the training videos; the gold labels of those
were used to check the precision of a rule (so precision measured there flatters them a little),
those of the held-out video never. No rule names an artist or a song: it has to hold for a video
nobody has seen.

Load with ``spear_amal.labeling.load_lfs("labeling_functions/youtube.py")``. The rules look at the
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
    preprocessor,
    regex_lf,
)

CLASSES = ("ham", "spam")

# Words by which a comment wants something from its reader; the ham rules keep away from them.
WANTS = re.compile(
    r"check|subs?\b|su[bsc]{1,3}ri|please|pl[sz]\b|\bmy (?!fav)|\bour\b|channel|watch"
    r"|thumbs? up|share|follow|like this comment|https?|www|\.com",
    re.IGNORECASE,
)


@preprocessor()
def wants(x: Any) -> Any:
    """Add `wants_something`, so that several LFs search the text for it only once."""
    x.wants_something = bool(WANTS.search(x.text))
    return x


# -- declarative: spam --------------------------------------------------------------------------

# "Check out ..." sends the reader away from the video.
check_out = regex_lf("check_out", r"(?i)\bcheck(?:ing)?\b.{0,12}\bout\b|\bcheck my\b", label="spam")

# Begging for subscribers, in its many spellings.
subscribe = regex_lf("subscribe", r"(?i)\bsubs?\b|\bsu[bsc]{1,3}ri[bp]", label="spam")

# Speaks of a channel, cover or page of the writer's own.
own_work = regex_lf(
    "own_work",
    r"(?i)\b(?:my|our) (?:(?!favou?rite)\w+ )?(?:channel|videos?|music|songs?|covers?|page)",
    label="spam",
)

# Politeness towards strangers is the start of a plea.
plea = keyword_lf("plea", ["please", "plz", "pls", "help me", "support", "vote"], label="spam")

# Money has nothing to do with a music video.
money = regex_lf(
    "money",
    r"(?i)[$£€] ?\d|\bmoney\b|\bearn\b|\bfrom home\b|\bgive ?away\b|\bgift|\bfree\b",
    label="spam",
)

# Asks for a thumb, a share or a follower.
wants_clicks = keyword_lf(
    "wants_clicks", ["thumbs up", "thumb up", "share", "follow", "like this comment"], label="spam"
)

# Names another site, where the reader should go.
other_sites = dictionary_lf(
    "other_sites",
    ["facebook", "twitter", "instagram", "soundcloud", "itunes", "paypal", "amazon", "website",
     "playlist", "this video on youtube"],
    label="spam",
)  # fmt: skip

# Musicians who look for listeners write about themselves.
aspiring_artist = dictionary_lf(
    "aspiring_artist",
    ["rapper", "rappers", "producer", "singer", "covers", "remix", "my dream", "talent",
     "unsigned", "upcoming", "musician", "mixtape", "new track", "our band"],
    label="spam",
)  # fmt: skip

# Greets the public; a comment on a song greets nobody.
greets_public = regex_lf(
    "greets_public",
    r"(?i)^\W*(?:hey|hi|hello|yo)\b|\b(?:you|hey|hi) guys\b|\bguys[,!]",
    label="spam",
)

# -- declarative: ham ---------------------------------------------------------------------------

# Many come to wonder at the number of views.
counts_views = regex_lf(
    "counts_views",
    r"(?i)\bviews? (?:of|already|now|soon|and|because|just|in|lol)\b|\d views\b"
    r"|\b(?:the|most) views\b|\bview count\b|\bviewed\b|\bbillions?\b",
    label="ham",
)

# -- row functions ------------------------------------------------------------------------------

OPINION = re.compile(
    r"\b(?:best|awesome|amazing|cool|good|great|beautiful|funny|nice|cute|catchy|love|loved|hate"
    r"|sucks?|shit|stupid|ugly|favou?rite)\b",
    re.IGNORECASE,
)


@labeling_function(label="ham", pre=[wants])
def opinion_only(x: Any) -> bool:
    """Praises or damns and wants nothing in return."""
    return not x.wants_something and bool(OPINION.search(x.text))


@labeling_function(label="ham", pre=[wants])
def feeling_only(x: Any) -> bool:
    """Laughs, or draws a heart or a smile, and wants nothing in return."""
    feeling = re.search(
        r"\b(?:lol|lmao|omg|xd|wow|rofl|(?:ha){2,})|&lt;3|<3|[:;=]-?[)D]|[♥♡❤😂😍]", x.text, re.I
    )
    return not x.wants_something and feeling is not None


NOSTALGIA = re.compile(
    r"\b201\d\b|\bi remember|\bstill\b|\byears?\b|\bold\b|\bgood times\b", re.IGNORECASE
)


@labeling_function(label="ham", pre=[wants])
def looks_back(x: Any) -> bool:
    """Names a year or what was and still is, and wants nothing in return."""
    return not x.wants_something and NOSTALGIA.search(x.text) is not None


@labeling_function(label="spam")
def link(x: Any) -> bool:
    """Find a link that does more than point at a moment of the video (written 1:23)."""
    text = re.sub(r"<a [^>]*>\d+:\d\d</a>", "", x.text)
    return bool(re.search(r"https?:|\bwww\.|\.(?:com|net|org)\b|/watch\b", text, re.I))


# -- vectorised ---------------------------------------------------------------------------------


@labeling_function(label="ham", vectorized=True)
def very_short(batch: Any) -> np.ndarray:
    """Has no room to sell anything, and no word that sends the reader anywhere."""
    text = pd.Series(batch["text"], dtype=str)
    brief = text.str.strip("\ufeff ").str.len().between(1, 25)
    return (brief & ~text.str.contains(WANTS)).to_numpy(dtype=bool)


@labeling_function(label="spam", vectorized=True)
def very_long(batch: Any) -> np.ndarray:
    """Over 200 characters: listeners are brief, sellers and dreamers are not."""
    return (pd.Series(batch["text"], dtype=str).str.len() > 200).to_numpy(dtype=bool)


# -- continuous ---------------------------------------------------------------------------------

MUSIC = frozenset(
    "song songs video music dance dancing lyrics beat voice chorus clip party rock singing sing "
    "listen listening hear heard tune rap".split()
)


@continuous_scorer()
def share_of_music_words(x: Any) -> float:
    """Share of words about the song or the video; two in five or more count as 1."""
    words = re.findall(r"\w+", x.text.lower())
    return min(1.0, 2.5 * sum(word in MUSIC for word in words) / max(1, len(words)))


@labeling_function(label="ham", cont_scorer=share_of_music_words, pre=[wants])
def about_the_music(x: Any, continuous_score: float) -> bool:
    """Speaks mostly about what is heard and seen, and wants nothing in return."""
    return continuous_score >= 0.15 and not x.wants_something


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

    introduction = Matcher(nlp.vocab)
    introduction.add(
        "introduction",
        [
            _phrase("i|we", "am|'m|m|are|'re", "a|an|new"),
            # In capitals ("I'M A") the tokenizer keeps the two words together.
            _phrase("i'm|im|we're", "a|an|new"),
            _phrase("my", "name", "is"),
        ],
    )

    @labeling_function(label="spam", pre=[tokens])
    def introduces_self(x: Any) -> bool:
        """Says "I am a ...", "we are a ..." or "my name is": somebody presents himself."""
        return bool(introduction(x.doc))

    @labeling_function(label="ham", pre=[wants, tokens])
    def about_the_singer(x: Any) -> bool:
        """Speaks of a third person (she, he, her, him) and wants nothing in return."""
        third = any(token.lower_ in {"she", "he", "her", "him", "his"} for token in x.doc)
        return third and not x.wants_something
