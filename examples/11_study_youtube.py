"""A study on YouTube comments, against the rival that is treated equally.

You learn to choose the baseline: AMAL sees the labels of V as well, so Only-L is no fair rival. A
single AMAL model is held against a classifier refitted on L+V, AMAL in folds against that
classifier in the same folds. `summarise` gives the numbers of the table as a DataFrame.

Run from the repository root: python examples/11_study_youtube.py [--small]
The same from a shell: spear-amal study youtube --baseline only-lv:crossfit=5 --output youtube.json
(the generated corpus takes the place of the comments where they cannot be had)
"""

from shared import EPOCHS, SEEDS, load, progress, show_study

from spear_amal.studies import run_study, summarise

RIVAL = "only-lv:crossfit=5"
METHODS = [RIVAL, "amal", "recommended"]

runs = run_study(load("youtube"), METHODS, SEEDS, progress=progress, max_epochs=EPOCHS)
show_study(runs, baseline=RIVAL)

table = summarise(runs, baseline="only-lv").xs("amal", level="method").iloc[0]
print(
    f"one model against one model: {table['gain']:+.1f} points over only-lv, "
    f"95% interval {table['low']:+.1f} to {table['high']:+.1f}, "
    f"ahead on {table['wins']} of {table['seeds']} partitions"
)
