"""Write labelling functions (LFs) in six ways and apply them.

You learn what an LF is (a small function that votes for a class or abstains), the ways to write
one, and what comes out: a label matrix with one column for each LF.

Run from the repository root: python examples/01_write_labeling_functions.py
"""

import re

import pandas as pd

from spear_amal import labeling as lab

messages = pd.DataFrame(
    [
        ("URGENT! You have WON a prize, text CLAIM to 80123", 0),
        ("Running late, see you at 8 :)", 4),
        ("Win a FREE phone now at www.example.org", 0),
        ("free tonight?", 1),
    ],
    columns=["text", "n_replies"],
)

# 1. Declarative: keywords, a pattern, a bound on a number. `label` is the class they vote for.
prize = lab.keyword_lf("prize", ["won", "win", "prize", "free"], label="spam")
short_code = lab.regex_lf("short_code", r"\bto \d{5}\b", label="spam")
answered = lab.threshold_lf("answered", "n_replies", label="ham", above=1)


# 2. A function of one row. With `label` it only says whether it votes.
@lab.labeling_function(label="ham")
def smiles(row):
    return bool(re.search(r"[:;]-?\)", row.text))


# 3. Without `label` it returns the class, by name or number, or ABSTAIN (-1, or None).
@lab.labeling_function()
def question_or_link(row):
    if "www." in row.text:
        return "spam"
    return "ham" if row.text.endswith("?") else lab.ABSTAIN


# 4. A preprocessor adds what several LFs need; it runs once a row for all of them.
@lab.preprocessor()
def count_capitals(row):
    row.capitals = sum(word.isupper() and len(word) > 2 for word in row.text.split())
    return row


@lab.labeling_function(label="spam", pre=[count_capitals])
def shouts(row):
    return row.capitals >= 2


# 5. Vectorised: gets the whole table, returns an array. Worth it for many rows.
@lab.labeling_function(label="ham", vectorized=True)
def brief(batch):
    return (batch["text"].str.len() < 30).to_numpy()


# 6. Continuous: a score in [0, 1] that is kept beside the vote; CAGE and SPEAR use both.
@lab.continuous_scorer()
def share_of_digits(row):
    return min(1.0, 5 * sum(c.isdigit() for c in row.text) / len(row.text))


@lab.labeling_function(label="spam", cont_scorer=share_of_digits)
def many_digits(row, continuous_score):
    return continuous_score > 0.3


print("An LF can be called: shouts(first message) =", shouts(messages.iloc[0]))
lfs = [prize, short_code, answered, smiles, question_or_link, shouts, brief, many_digits]
votes = lab.PandasLFApplier(lfs, classes=["ham", "spam"]).apply(messages, progress_bar=False)
print(votes)
print(pd.DataFrame(votes.to_dense(), columns=votes.lf_names).to_string())
print("-1: abstains, 0: ham, 1: spam. Scores of many_digits:", votes.dense_scores()[:, -1].round(2))
