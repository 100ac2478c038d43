"""Labelling functions (LFs): each votes for one class, or abstains where it does not know.

They need not be right every time: training finds out how far to trust each of them. Look at what
they do with `spear-amal apply` and mend them where they are often wrong or never vote.
"""

import re

from spear_amal.labeling import Row, dictionary_lf, keyword_lf, labeling_function, regex_lf

# Names of the classes, as they stand in the column `label` of the data.
CLASSES = ("romance", "action")

# 1. Words that speak for a class; whole words, capitals do not matter.
feelings = keyword_lf(
    "feelings", ["love", "passion", "heartbreak", "jealousy", "longing"], label="romance"
)
weapons = keyword_lf("weapons", ["gun", "bomb", "rifle", "knife", "grenade"], label="action")

# 2. A longer list, phrases among it.
outlaws = dictionary_lf(
    "outlaws", ["drug lord", "crime boss", "gang", "assassin", "smuggler", "spy"], label="action"
)

# 3. A regular expression.
feasts = regex_lf("feasts", r"(?i)\b(wedding|engagement|marri|honeymoon)", label="romance")


# 4. Any Python function of a row: x.text is the text, other columns are there as well. With
#    label= it says True (vote for the label) or False (abstain).
@labeling_function(label="romance")
def tender_gesture(x: Row) -> bool:
    """Somebody kisses, dances or writes a letter."""
    return re.search(r"\b(kiss|danc|letter)", x.text.lower()) is not None


# 5. Without label= it returns a class, or None to abstain, so it can vote for both.
@labeling_function
def violence_or_not(x: Row) -> str | None:
    """Count violent words: several speak for action, none in a long text for romance."""
    violent = len(re.findall(r"\b(kill|shoot|fight|attack|chase|explo|rescue)", x.text.lower()))
    if violent >= 2:
        return "action"
    if violent == 0 and len(x.text) > 450:
        return "romance"
    return None
