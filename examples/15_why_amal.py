"""Why AMAL, and when: the figures of docs/why.md, for any corpus.

You learn what AMAL's gain depends on: how many gold labels there are, and how closely the weights
may follow V. Runs go into DIR/CORPUS-budget.json and DIR/CORPUS-overfit.json (give the command
again to continue), pictures beside them: CORPUS-budget.png, -refresh.png, -lookahead.png and
-weights.png. `spear-amal study report FILE --html PAGE` draws the first three as well.

    python examples/15_why_amal.py imdb --seeds 10 --jobs 2 --output DIR [--small]

What keeps the weights from learning V by heart, each an option of AMAL or of its estimator:
weight_sharing="pattern+row" (rows on which the same LFs fired move together; "row" does without),
refresh_every, clamp, and validation="split" (weights and epoch on different halves of V).
"""

import argparse
import math
import sys
import tempfile
from pathlib import Path

from shared import EPOCHS, SMALL, load, progress

from spear_amal.report.figures.study import weights_by_correctness
from spear_amal.report.figures.style import png
from spear_amal.report.study_report import study_curves
from spear_amal.studies import load_corpus_votes, run_study, sweeps
from spear_amal.studies.weight_quality import split_weights, weight_separation

# One model: as it is, freer, stricter.
MODELS = ["amal", "amal:weight_sharing=row", "amal:validation=split"]
REFRESH, LOOK_AHEAD = sweeps.REFRESH, sweeps.LOOK_AHEAD


def bent():
    """Name the methods of the second study: AMAL that follows V more, or less, closely."""
    if SMALL:
        return [*sweeps.sweep("amal", REFRESH, (1, 3, math.inf)), "amal:lookahead_lr=5"]
    names = [name for base in MODELS for name in sweeps.sweep(base, REFRESH)]
    names += [name for base in MODELS[:2] for name in sweeps.sweep(base, LOOK_AHEAD)]
    folds = sweeps.sweep("amal-folds", REFRESH, (1, 3, math.inf))
    return [*names, "only-lv:crossfit=5", *folds]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", default="plots", help="a name or a WRENCH folder")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--output", type=Path, help="folder for runs and pictures")
    parser.add_argument("--features", help="tfidf, published, encoder:NAME")
    parser.add_argument("--small", action="store_true", help="few settings, for a quick look")
    args = parser.parse_args()

    source = load_corpus_votes(load(args.corpus) if SMALL else args.corpus)
    folder = args.output or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    stem, seeds = f"{folder}/{source.name}", 2 if SMALL else args.seeds
    trained = {"features": args.features, "max_epochs": EPOCHS}
    common = {"jobs": args.jobs, "progress": progress, **trained}

    sizes = sweeps.budgets_within(source.corpus, (10, 30) if SMALL else sweeps.BUDGETS)
    files = [f"{stem}-budget.json", f"{stem}-overfit.json"]
    budget = sweeps.run_budgets(source, ["spear", "amal"], seeds, sizes, output=files[0], **common)
    studies = [budget, run_study(source, bent(), seeds, output=files[1], **common)]
    for curve in (curve for runs in studies for curve in study_curves(runs)):
        Path(f"{stem}-{curve.name}.png").write_bytes(png(curve.figure))
        print(f"{source.name}-{curve.name}.png  {curve.title}")

    judged = sweeps.study_weights(source, **trained)  # opens the gold of U, when training is over
    Path(f"{stem}-weights.png").write_bytes(png(weights_by_correctness(*split_weights(judged))))
    print(f"{source.name}-weights.png  {len(judged)} rows with votes; do weights tell whether the")
    auc = weight_separation(judged).round(2).to_dict()
    print(f"rules are right? AUC {auc} (0.5: no; 1: always)")
    return int(any(runs["error"].notna().any() for runs in studies))


if __name__ == "__main__":
    sys.exit(main())
