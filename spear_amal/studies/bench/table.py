"""The tables of a benchmark: means over seeds, gains, published figures beside them, mean ranks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.studies.bench.published import GOLD, published_figures
from spear_amal.studies.bench.run import Bench, CorpusFacts
from spear_amal.studies.summary import summarise
from spear_amal.studies.verdict import RIVAL

#: The method that gains are taken over where it was run: the same gold in folds, no rules.
BENCH_BASELINE = f"{RIVAL}:crossfit=5"
#: The protocol under which methods are given what those of published figures were.
PUBLISHED_PROTOCOL = "wrench"


def bench_tables(bench: Bench) -> Iterator[tuple[CorpusFacts, str, pd.DataFrame]]:
    """Compute one table for each corpus and protocol.

    Yields
    ------
    CorpusFacts
    str
        Protocol.
    DataFrame
        A row for each entry, then one for each published figure without a counterpart. Columns:
        ``method`` (its text; empty for a figure), ``title``, ``given``, those of
        :func:`spear_amal.studies.summarise` from ``score`` to ``seconds``, ``published`` (points)
        with its ``source`` and ``published_given``, and ``error``.
    """
    for facts in bench.corpora:
        of_corpus = bench.runs[bench.runs["corpus"] == facts.name]
        for protocol in dict.fromkeys(of_corpus["protocol"]):
            runs = of_corpus[of_corpus["protocol"] == protocol]
            yield facts, str(protocol), _table(bench, facts, str(protocol), runs)


def mean_ranks(bench: Bench) -> Iterator[tuple[str, pd.DataFrame]]:
    """Compare methods over the corpora of each protocol.

    Yields
    ------
    str
        Protocol.
    DataFrame
        A row for each entry that ran well on every corpus, by mean rank (1 is best, ties share the
        mean of their places): ``title``, ``mean_rank``, and a column of scores for each corpus.
        Ceilings, which are given all gold, have no rank and come last.
    """
    tables = list(bench_tables(bench))
    ceilings = {entry.spec.text for entry in bench.entries if entry.label_model == GOLD}
    for protocol in dict.fromkeys(protocol for _, protocol, _ in tables):
        scores = pd.DataFrame(
            {
                facts.name: table[table["method"] != ""].set_index("method")["score"]
                for facts, its_protocol, table in tables
                if its_protocol == protocol
            }
        ).dropna()
        ranks = scores.drop(index=ceilings, errors="ignore").rank(ascending=False).mean(axis=1)
        titles = {entry.spec.text: entry.title for entry in bench.entries}
        frame = scores.assign(mean_rank=ranks, title=[titles[text] for text in scores.index])
        names = [name for name in frame if name not in ("title", "mean_rank")]
        order = frame.sort_values("mean_rank", kind="stable")
        yield protocol, order[["title", "mean_rank", *names]].reset_index(drop=True)


def _table(bench: Bench, facts: CorpusFacts, protocol: str, runs: pd.DataFrame) -> pd.DataFrame:
    texts = list(dict.fromkeys(runs["method"]))
    well = runs[runs["score"].notna()]
    baseline = BENCH_BASELINE if BENCH_BASELINE in set(well["method"]) else None
    summary = summarise(well, baseline).reset_index() if len(well) else pd.DataFrame()
    by_method = {row["method"]: row for row in summary.to_dict("records")}
    published = {
        (figure.label_model, figure.end_model): figure
        for figure in (published_figures(facts.published) if protocol == PUBLISHED_PROTOCOL else ())
    }
    rows = []
    for entry in (entry for entry in bench.entries if entry.spec.text in texts):
        its_runs = runs[runs["method"] == entry.spec.text]
        figure = published.pop((entry.label_model, entry.end_model), None)
        rows.append(_of_runs(entry, its_runs, by_method.get(entry.spec.text)) | _of_figure(figure))
    for figure in published.values():
        title = {"title": f"{figure.title} (theirs)"}
        rows.append(_of_runs(None, runs[:0], None) | title | _of_figure(figure))
    return pd.DataFrame(rows)


_NUMBERS = ("score", "sd", "gain", "low", "high", "seconds")


def _of_runs(entry: Any, runs: pd.DataFrame, summary: dict[str, Any] | None) -> dict[str, Any]:
    found = summary or {}
    errors = runs["error"].dropna().tolist()
    given = runs["given"].dropna().tolist() if "given" in runs else []
    return {
        "method": "" if entry is None else entry.spec.text,
        "title": "" if entry is None else entry.title,
        "given": given[0] if given else "",
        **{name: found.get(name, np.nan) for name in _NUMBERS},
        "baseline": found.get("baseline", ""),
        "seeds": found.get("seeds", 0),
        "error": errors[0] if errors else "",
    }


def _of_figure(figure: Any) -> dict[str, Any]:
    return {
        "published": np.nan if figure is None else figure.value,
        "published_given": "" if figure is None else figure.given,
        "source": "" if figure is None else f"{figure.source}, {figure.place}",
    }
