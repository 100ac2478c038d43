"""What the columns of reports mean, in a sentence; pages show it where a head is pointed at."""

from __future__ import annotations

from spear_amal.labeling.advice import PROBLEMS
from spear_amal.labeling.grades import GRADES
from spear_amal.report.formatting import METRIC_NAMES

_INTERVAL = "From data like these, the interval holds the true value 95 times in 100."

_COLUMNS = {
    "LF": "Labelling function: a small function that votes for a class or abstains.",
    "votes for": "Classes that the labelling function votes for.",
    "coverage": "Share of all rows on which the labelling function votes.",
    "overlaps": "Share of all rows on which it votes and another one votes as well.",
    "conflicts": "Share of all rows on which it votes and another one votes for another class.",
    "gold votes": "Votes on rows whose gold class is known: what the accuracy rests on.",
    "accuracy": "Share that is right, among those whose gold class is known.",
    "95% interval": _INTERVAL,
    "chance": "Accuracy that the same votes would have if they were dealt out blindly.",
    "grade": "; ".join(f"{grade}: {words}" for grade, words in GRADES.items()),
    "problem": "; ".join(f"{problem}: {words}" for problem, words in PROBLEMS.items()),
    "rank": "The worst first: by the problem, and among equals by the rows that it concerns.",
    "rows": "How many rows it concerns.",
    "do": "What may help.",
    "alone": "Rows on which no other labelling function votes.",
    "copy of": "The labelling function before it with the same votes.",
    "covered": "Gold rows of the class on which a labelling function votes.",
    "voted right": "Gold rows of the class on which a labelling function votes for it.",
    "LFs": "Labelling functions that vote for the class, or against the label.",
    "other": "The other labelling function of the pair.",
    "right": "Gold rows on which the labelling function is right.",
    "other right": "Gold rows on which the other labelling function is right.",
    "vote": "Class that the labelling function votes for.",
    "matched": "Words that the labelling function looks for and that stand in the text.",
    "voted": "Class that good labelling functions agree on.",
    "odds": "How much likelier the voted class is than the label, if labelling functions err "
    "independently of each other.",
    "class share": "Share of the labelled rows with the word that are of the class.",
    "uncovered rows": "Rows without a vote that have the word.",
    "covered rows": "Rows with a vote that have the word.",
    "was given": "Labels and rules that the method was trained with.",
    "log-loss": "Mean of -log(probability of the gold class); lower is better.",
    "optimism": "Validation score minus test score, in points: how far the former flatters.",
    "seconds": "Time that training took.",
    "class": "Name of the class.",
    "gold rows": "Rows whose gold class this is.",
    "predicted": "Rows that the model takes for this class.",
    "precision": "Of the rows that the model takes for this class, the share that are of it.",
    "recall": "Of the rows of this class, the share that the model finds.",
    "F1": "Harmonic mean of precision and recall.",
    "weight": "How much the loss counted on this row: 0 leaves it out, 1 counts it fully.",
    "row": "Id of the row.",
    "id": "Id of the row.",
    "votes": "Labelling functions that voted on the row, and for what.",
    "gold": "Class of the row according to a person.",
    "text": "What the row says, shortened.",
    "gain": "Score minus the score of the classifier without rules, on the same rows, in points.",
    "compression": "Parameters of the model for each parameter of the student.",
    "sd": "Standard deviation over seeds.",
    "wins": "Seeds on which it was better than the baseline.",
    "losses": "Seeds on which it was worse than the baseline.",
    "gap closed": "0 is the classifier on labelled rows alone, 1 one with gold for every row.",
    "V - test": "Validation score minus test score, in points: how far the former flatters.",
    "seeds": "Runs, each with rows drawn anew.",
}
_METRICS = {
    "accuracy": "Share of rows whose class is right.",
    "f1": "Harmonic mean of precision and recall of the second class.",
    "macro-f1": "Mean over classes of F1, the harmonic mean of precision and recall.",
}
_STARTS = {
    "95% of ": f"Interval. {_INTERVAL}",
    "test ": "On the test rows, which nothing but the scorer opens.",
    "validation ": "On the validation rows, which chose the epoch and may have taught weights.",
    "gain over ": "Score minus that method's score on the same rows, in points.",
}


def explanation(name: object) -> str:
    """Return a sentence on what a column of that name holds; empty where nothing is to be said.

    Examples
    --------
    >>> explanation("test accuracy")
    'On the test rows, which nothing but the scorer opens. Share of rows whose class is right.'
    >>> explanation("a column of the user's")
    ''
    """
    text = str(name)
    if text in _COLUMNS:
        return _COLUMNS[text]
    for start, words in _STARTS.items():
        if text.startswith(start):
            return f"{words} {_metric(text.removeprefix(start))}".rstrip()
    return _metric(text)


def _metric(name: str) -> str:
    by_shown_name = {shown: _METRICS[metric] for metric, shown in METRIC_NAMES.items()}
    return by_shown_name.get(name, "")
