"""A study on SMS spam, where the labelled rows are fixed: the exemplars of the published rules.

You learn the second protocol (the corpus' own labelled rows instead of drawn ones; only U and V
change with the seed), and why `without duplicates` stands beside the score: many messages occur in
the pool and among the test rows, and those are easier.

Run from the repository root: python examples/10_study_sms.py [--small]
The same from a shell: spear-amal study sms --protocol published --seeds 5 --output sms.json
(where the published files are not at hand, labelled rows are drawn, as for other corpora)
"""

from shared import EPOCHS, SEEDS, STUDY, load, progress, show_study

from spear_amal.studies import load_corpus_votes, run_study

source = load_corpus_votes(
    load("sms")
)  # published rules where they are, else labeling_functions/sms.py
protocol = "published" if len(source.corpus.rows("labelled")) else "random"
print(f"{source.votes.shape[1]} LFs ({source.lfs}), labelled rows: {protocol}")
show_study(run_study(source, STUDY, SEEDS, protocol=protocol, progress=progress, max_epochs=EPOCHS))
