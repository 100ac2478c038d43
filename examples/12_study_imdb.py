"""A study on the published IMDB files, which hold features and votes but no texts.

You learn that a study runs on published features and votes as they are, how few labels change the
picture (`n_labelled=` sets L and V), and what useless rules do: the placebo deals the rows of
votes out anew, so that they tell nothing, and a method that is hurt by that trusts rules too much.

Run from the repository root: python examples/12_study_imdb.py [--small]
From a shell: spear-amal study imdb --seeds 5 --output imdb.json [--n-labelled 30] [--placebo]
(the generated corpus takes the place of the files where they cannot be had)
"""

import pandas as pd
from shared import EPOCHS, SEEDS, SMALL, STUDY, load, progress, show_study

from spear_amal.studies import load_corpus_votes, run_study

source = load_corpus_votes(load("imdb"))
few = 15 if SMALL else 50
common = {"progress": progress, "max_epochs": EPOCHS}
studies = [
    run_study(source, STUDY, SEEDS, **common),
    run_study(source, STUDY, SEEDS, n_labelled=few, **common),
    run_study(source, STUDY[-2:], SEEDS, placebo=True, **common),
]
show_study(pd.concat(studies, ignore_index=True))
