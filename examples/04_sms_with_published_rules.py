"""SPEAR and AMAL on SMS spam, with a rules file as LFs.

You learn to read rules from a file (class, regular expression, exemplar), to use the exemplars as
the labelled rows, and to compare methods in three lines with `spear_amal.studies`: `make_split`
cuts a corpus into what training may see and a scorer that alone holds the test rows.

The 73 published rules are used where the data directory (SPEAR_AMAL_DATA) has them, otherwise
labeling_functions/sms.py, and a generated corpus where there is no SMS corpus at all.

Run from the repository root: python examples/04_sms_with_published_rules.py [--small]
"""

from shared import EPOCHS, load, show

from spear_amal.data import corpus_file
from spear_amal.errors import DataUnavailableError
from spear_amal.labeling import LFAnalysis, PandasLFApplier, load_lfs, read_rules
from spear_amal.studies import compare_on_split, make_split

corpus = load("sms")
options = {}
if corpus.name == "generated":
    lfs, _ = load_lfs("labeling_functions/plots.py")
else:
    try:
        lfs = read_rules(corpus_file("sms", "rules.tsv"), encoding="latin-1")
        options["labelled"] = "published"  # the exemplars of the rules are the labelled rows
        print(f"{len(lfs)} published rules, for example {lfs[0].name}: {lfs[0].pattern}")
    except DataUnavailableError:
        lfs, _ = load_lfs("labeling_functions/sms.py")
        print(f"{len(lfs)} LFs of labeling_functions/sms.py")

votes = PandasLFApplier(lfs, corpus.classes).apply(corpus.frame)
analysis = LFAnalysis(votes)
print(f"rows with a vote: {analysis.label_coverage():.0%}\n")

# F1 of the rare class on few validation rows saturates: texts that occur in both train and test
# are dropped from test, and every row of the table says what the method was given.
task, scorer = make_split(corpus, votes, seed=0, drop_duplicates=True, **options)
print(f"scored on {len(scorer)} test rows")
show(
    compare_on_split(task, scorer, ["only-l", "only-lv", "spear", "amal-folds"], max_epochs=EPOCHS)
)
