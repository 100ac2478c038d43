"""SPEAR and AMAL on YouTube comments, where the test rows come from another video.

You learn to compare methods over several seeds instead of believing one lucky number, to read a
gain with its interval (paired by seed, so it is less noisy than the scores themselves), and what
cross-fitting is: each gold row of L and V once plays validation, and the models vote.

Run from the repository root: python examples/05_youtube_comments.py [--small]
(the generated corpus takes the place of the comments where they cannot be had)
"""

from shared import EPOCHS, SMALL, load

from spear_amal.studies import load_corpus_votes, make_split, parse_method, run_study, summarise

# Options go behind a colon; every method can be cross-fitted.
NAMES = ["only-l", "only-lv", "only-lv:crossfit=5", "spear", "amal", "amal:crossfit=5"]
SEEDS = range(2 if SMALL else 3)
RIVAL = "only-lv:crossfit=5"  # sees the same gold as the last row, and is averaged as that is

corpus = load("youtube")
source = load_corpus_votes(corpus)  # with the votes of labeling_functions/youtube.py

# A seed draws L and V anew; the test rows stay the same. `only`: add no further methods.
runs = run_study(source, NAMES, SEEDS, only=True, max_epochs=EPOCHS)
print(runs.pivot(index="seed", columns="method", values="score")[NAMES].round(3).to_string(), "\n")

task, _ = make_split(corpus, source.votes, seed=0)
summary = summarise(runs, baseline=RIVAL).reset_index().set_index("method")
shown = summary[["score", "sd", "gain", "low", "high", "wins", "losses", "optimism"]].round(1)
shown["was given"] = [parse_method(name).was_given(task) for name in NAMES]
print(f"test {corpus.metric} in points, {len(SEEDS)} seeds; gain over {RIVAL}, 95% interval")
print(shown.to_string())
