"""Prompted LFs on YouTube comments and SMS against a real server on this machine.

    python benchmarks/llm_local.py --model MODEL.gguf [--rows 200] [--python PYTHON]
    python benchmarks/llm_local.py --url http://127.0.0.1:8080/v1 --name NAME

Starts the server of llama-cpp-python, unless --url names one that runs. Prints for each corpus and
way of asking: coverage, accuracy of the votes, seconds a row, why rows abstained, and for scores
the calibration error on rows that the calibration has not seen.
"""

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "prompted_lfs"))

import numpy as np
from local_server import local_server

from spear_amal.data import load_corpus
from spear_amal.llm import ChatModel
from spear_amal.maths.reliability import reliability_gap
from spear_amal.prompted_lfs import calibrate, prompt_lf

ABOUT = {
    "youtube": {
        "ham": "is about the video, the song or the singer",
        "spam": "advertises a channel, a product, a site or asks for money",
    },
    "sms": {"ham": "a private message", "spam": "an advertisement, a prize or a paid service"},
}
PROMPTS = {"youtube": "Comment on a music video: {text}", "sms": "Text message: {text}"}


def measure(
    corpus_name: str, n_rows: int, model: ChatModel, folder: Path, manners: list[str]
) -> None:
    """Print the figures of a corpus."""
    corpus = load_corpus(corpus_name)
    chosen = np.random.default_rng(0).permutation(len(corpus.frame))[:n_rows]
    frame = corpus.frame.iloc[chosen].reset_index(drop=True)
    names = {name.casefold(): name for name in corpus.classes}
    about = {names[key]: text for key, text in ABOUT[corpus_name].items()}
    gold = frame["label"].to_numpy()
    frame = frame[["text"]]
    for score in manners:
        lf = prompt_lf(
            *("asks", PROMPTS[corpus_name], about), model=model, score=score, cache_dir=folder
        )
        start = time.perf_counter()
        answers, scores = lf.evaluate(frame)
        seconds = time.perf_counter() - start
        votes = np.array([corpus.classes.index(a) if isinstance(a, str) else -1 for a in answers])
        voted = votes >= 0
        line = (
            f"{corpus_name:8} score={score:9} {voted.mean():.0%} covered, "
            f"{(votes == gold)[voted].mean():.1%} right, {seconds / n_rows:.2f} s a row, "
            f"{dict(lf.outcomes)}"
        )
        if scores is not None:
            half = n_rows // 2
            line += "; " + _calibrated(lf, frame, gold, votes, scores, half, corpus.classes)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    share = np.bincount(gold, minlength=2).max() / n_rows
    sys.stdout.write(f"{corpus_name:8} the larger class alone: {share:.1%} right\n")


def _calibrated(lf, frame, gold, votes, scores, half, classes) -> str:
    fitted = calibrate(lf, frame[:half], gold[:half], classes=classes)
    test = np.flatnonzero(votes >= 0)
    test = test[test >= half]
    right = (votes == gold)[test]
    before = reliability_gap(scores[test], right)
    after = reliability_gap(fitted.apply(scores[test]), right)
    order = np.argsort(-scores[test])[: max(len(test) // 2, 1)]
    return (
        f"mean score {scores[test].mean():.2f}, the surer half {right[order].mean():.1%} right; "
        f"calibration error {before:.3f}, {after:.3f} calibrated on {half} other rows"
    )


def main() -> None:
    """Print the figures of both corpora."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a GGUF file")
    parser.add_argument("--python", default=sys.executable, help="that has llama-cpp-python")
    parser.add_argument("--url", help="of a server that runs")
    parser.add_argument("--name", default="local")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--scores", default="none,logprobs,stated")
    options = parser.parse_args()
    with ExitStack() as stack:
        url = options.url or stack.enter_context(local_server(options.model, options.python))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = ChatModel(name=options.name, base_url=url, concurrency=1, timeout=300)
        for name in ABOUT:
            measure(name, options.rows, model, folder, options.scores.split(","))


if __name__ == "__main__":
    main()
