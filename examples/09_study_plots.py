"""Is AMAL worth it on movie plots? A study: methods times partitions, and its table.

You learn to run a study in one call, what it stores (one JSON row per run; run the script again and
finished runs are not repeated), and to read the table: `gain` is taken on the same partitions, `gap
closed` is 0 for Only-L and 1 for a classifier that has every gold label, and `V - test` says how
far the validation score flatters.

Run from the repository root: python examples/09_study_plots.py [--small]
The same from a shell: spear-amal study plots --seeds 5 --output plots.json
(the generated corpus takes the place of the plots where they cannot be had)
"""

import tempfile
from pathlib import Path

from shared import EPOCHS, SEEDS, STUDY, load, progress, show_study

from spear_amal.studies import read_study, run_study

corpus = load("plots")  # a name or a WRENCH folder would do as well: run_study("plots", ...)
output = Path(tempfile.gettempdir()) / f"study_{corpus.name}_{len(corpus)}.json"
run_study(corpus, STUDY, SEEDS, output=output, progress=progress, max_epochs=EPOCHS)

runs = read_study(output)
print(f"{len(runs)} runs in {output.name}, the first of them:")
print(runs[["method", "seed", "score", "val_score", "labels", "seconds"]].head(3).to_string())
show_study(runs)
