"""SPEAR and AMAL on YouTube comments, where the test rows come from another video.

You learn to compare methods over several seeds instead of believing one lucky number, to read a
gain with its interval (paired by seed, so it is less noisy than the scores themselves), and what
cross-fitting is: each gold row of L and V once plays validation, and the models vote.

Run from the repository root: python examples/05_youtube_comments.py [--small]
(the generated corpus takes the place of the comments where they cannot be had)
"""

from shared import EPOCHS, SMALL, load

from spear_amal.labeling import PandasLFApplier, load_lfs
from spear_amal.studies import METHODS, compare_seeds, make_task, summarise

NAMES = ["only-l", "only-lv", "spear", "amal-single", "amal"]
SEEDS = range(2 if SMALL else 3)
RIVAL = "only-lv"  # AMAL sees the gold of V too, so this is what it has to beat

corpus = load("youtube")
lfs, classes = load_lfs(
    "labeling_functions/plots.py" if corpus.name == "generated" else "labeling_functions/youtube.py"
)
votes = PandasLFApplier(lfs, classes).apply(corpus.frame)

# A seed draws L and V anew; the test rows stay the same.
runs = compare_seeds(corpus, votes, NAMES, SEEDS, max_epochs=EPOCHS)
print(runs.pivot(index="seed", columns="method", values="score")[NAMES].round(3).to_string(), "\n")

task, _ = make_task(corpus, votes, seed=0)
summary = summarise(runs, baseline=RIVAL).round(1)
summary["was given"] = [METHODS[name].was_given(task) for name in NAMES]
print(f"test {corpus.metric} in points, {len(SEEDS)} seeds; gain over {RIVAL} with 95% interval")
print(summary.drop(columns="seconds").to_string())
