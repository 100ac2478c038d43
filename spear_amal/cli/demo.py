"""The command ``demo``: the main job on real movie plots, in a few lines of the library."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.cli.apply import show_lfs
from spear_amal.cli.console import (
    print_result,
    print_status,
    show_table,
    warnings_as_notes,
)
from spear_amal.cli.options.start import DemoOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.train import learnt, votes_left_out
from spear_amal.data import Corpus, load_corpus, synthetic_corpus
from spear_amal.errors import DataUnavailableError
from spear_amal.io.shipped import shipped_file
from spear_amal.labeling import LFReview, LoadedLFs, PandasLFApplier, load_lfs, review_lfs
from spear_amal.report import (
    Evaluation,
    Examples,
    ReportContent,
    comparison_table,
    is_own_report,
    require_report_extra,
    write_report,
)
from spear_amal.studies import (
    HeldOutScorer,
    Split,
    SplitComparison,
    compare_on_split,
    make_split,
    one_thread,
    parse_method,
)
from spear_amal.studies.weight_quality import weights_with_gold
from spear_amal.votes.label_matrix import LabelMatrix

METHODS = (
    *("only-l", "only-lv", "only-lv:crossfit=5"),
    *("majority", "spear", "amal", "recommended"),
)
SHOWN = "recommended"  # whose weights, confusion and calibration the report shows
DEFAULT_REPORT = Path("report.html")


@dataclass(frozen=True)
class Job:
    """Corpus, LFs, votes and split of the demo, and the labels that training sees."""

    corpus: Corpus
    lfs: LoadedLFs
    votes: LabelMatrix
    task: Split
    scorer: HeldOutScorer
    gold: np.ndarray  # (n,), -1 where training sees no label

    @property
    def seen(self) -> np.ndarray:
        """Return the rows that are no test rows."""
        return np.flatnonzero((self.corpus.frame["part"] != "test").to_numpy())


def demo(options: DemoOptions) -> None:
    """Apply LFs, train the methods on one split, print the comparison and write the report."""
    report = _report_path(options)
    lfs = load_lfs(options.lfs or shipped_file("labeling_functions", "plots.py"))
    began = time.perf_counter()
    corpus = _corpus(options)
    job = _prepare(corpus, lfs, options)
    show_lfs(job.votes[job.seen], job.gold[job.seen])
    with one_thread(), warnings_as_notes():
        comparison = compare_on_split(
            job.task,
            job.scorer,
            METHODS,
            options.seed,
            progress=lambda method: print_status(f"training: {method.title}"),
            max_epochs=options.max_epochs,
            verbose=1,
        )
    _show(comparison, job)
    if report is not None:
        write_report(report, _content(job, comparison, options), overwrite=True)
        print_result(f"Report written to {report}: open it in a browser")
    print_result(f"Done in {time.perf_counter() - began:.0f} seconds")


# -- before any work ------------------------------------------------------------------------------


def _report_path(options: DemoOptions) -> Path | None:
    """Return the path of the report; None if none was asked for and none can be drawn.

    The default name is overwritten where a report of this package stands; anything else is kept.
    """
    if options.output is not None:
        check_outputs(options.force, report=options.output)
        return options.output
    try:
        require_report_extra()
    except ImportError as error:
        print_status(f"No report will be written: {error}")
        return None
    is_replaced = is_own_report(DEFAULT_REPORT) and not options.force
    if is_replaced:
        print_status(f"{DEFAULT_REPORT} holds an earlier report and will be replaced")
    check_outputs(options.force or is_replaced, report=DEFAULT_REPORT)
    return DEFAULT_REPORT


# -- the job --------------------------------------------------------------------------------------


def _corpus(options: DemoOptions) -> Corpus:
    try:
        corpus = load_corpus(
            "plots", options.data_dir, options.cache_dir, options.offline, progress=True
        )
    except DataUnavailableError as error:
        reason = str(error).splitlines()[1:2] or [str(error)]
        print_status(
            "The corpus of real plots cannot be had, so this runs on made-up plots "
            f"({reason[0].strip(' -')})"
        )
        corpus = synthetic_corpus()
    print_result(f"Corpus {corpus.name!r}: {len(corpus)} rows; {corpus.source}")
    return corpus


def _prepare(corpus: Corpus, lfs: LoadedLFs, options: DemoOptions) -> Job:
    applier = PandasLFApplier(lfs.lfs, classes=lfs.classes)
    votes = applier.apply(corpus.frame, progress_bar=True)
    task, scorer = make_split(corpus, votes, options.seed)
    gold = np.full(len(corpus), -1)
    gold[task.train_rows] = task.y_train
    gold[corpus.frame.index.get_indexer(task.votes_val.row_ids)] = task.y_val
    return Job(corpus, lfs, votes, task, scorer, gold)


def _show(comparison: SplitComparison, job: Job) -> None:
    show_table(
        comparison_table(comparison.rows).drop(columns="log-loss"),  # the report has it
        f"Comparison on the same split of {job.task.name!r}, scored on {len(job.scorer)} test rows",
    )
    print_result("V: validation rows. Optimism: validation minus test score, in points.")
    print_result(
        "Compare like with like: one model with one model, folds with folds. AMAL learns from V's"
    )
    print_result("labels, so its fair rival without rules is a classifier on L+V.")
    for text in _left_out(comparison):
        print_result(text)


def _left_out(comparison: SplitComparison) -> list[str]:
    """Return a line that names the methods whose guard left the votes out, if there are any."""
    fitted = comparison.estimators
    titles = [row.title for row in comparison.rows if votes_left_out(fitted[row.method])]
    return [f"Votes left out as no better than chance by: {'; '.join(titles)}."] if titles else []


def _content(job: Job, comparison: SplitComparison, options: DemoOptions) -> ReportContent:
    title, estimator = parse_method(SHOWN).title, comparison.estimators[SHOWN]
    task, made_up = job.task, job.corpus.name == "generated"
    return ReportContent(
        title=f"Methods compared on {'made-up' if made_up else 'real'} movie plots",
        summary=[
            f"{', '.join(job.corpus.classes)}: {task.n_labelled} labelled, {task.n_unlabelled} "
            f"unlabelled and {len(task.y_val)} validation rows; {len(job.scorer)} test rows.",
            f"Source: {job.corpus.source}.",
            *_left_out(comparison),
        ],
        class_names=job.corpus.classes,
        votes=job.votes[job.seen],
        y=job.gold[job.seen],
        review=_review(job),
        comparison=comparison_table(comparison.rows),
        scores=pd.DataFrame(
            {"method": row.title, "score": 100 * row.scores[row.metric]} for row in comparison.rows
        ),
        histories={
            row.title: comparison.estimators[row.method].history_ for row in comparison.rows
        },
        examples=_examples(job, title, estimator) if learnt(estimator) else None,
        outcome=_outcome(job, title, estimator),
        settings=_settings(job, options),
    )


def _review(job: Job) -> LFReview:
    votes = job.votes[job.seen]
    gold = votes.classes.as_numbers(job.gold[job.seen])
    return review_lfs(votes, gold, job.corpus.frame.iloc[job.seen], job.lfs.lfs)


def _examples(job: Job, title: str, estimator: Any) -> Examples:
    task, weights = job.task, estimator.row_weights_
    texts = job.corpus.frame["text"].iloc[task.train_rows].tolist()
    shown = weights.iloc[: len(texts)]
    return Examples(title, shown, task.y_train, task.votes_train, texts, _judged(job, estimator))


def _judged(job: Job, estimator: Any) -> pd.DataFrame:
    """Judge a finished model's weights by gold that no training saw; the report shows it."""
    gold = job.corpus.labels[job.task.train_rows]
    return weights_with_gold(job.task, estimator, gold)


def _outcome(job: Job, title: str, estimator: Any) -> Evaluation:
    confidence, right = job.scorer.calibration(estimator)
    return Evaluation(
        title,
        f"{len(job.scorer)} test rows",
        job.scorer.confusion(estimator),
        confidence,
        right,
    )


def _settings(job: Job, options: DemoOptions) -> dict[str, object]:
    given = options.model_dump(exclude_none=True)
    return {"command": "spear-amal demo", "corpus": job.corpus.name, **given}
