"""The page of a benchmark, and its tables as text."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd

from spear_amal.report.figures.style import CaptionedFigure
from spear_amal.report.formatting import METRIC_NAMES, format_interval, format_numbers
from spear_amal.report.page import now, write_page
from spear_amal.report.study_report import gain_figures
from spear_amal.studies.bench.published import SOURCES
from spear_amal.studies.bench.run import Bench, CorpusFacts
from spear_amal.studies.bench.table import PUBLISHED_PROTOCOL, bench_tables, mean_ranks

_PROTOCOLS = {
    "random": "partly labelled",
    "wrench": "WRENCH's protocol: no labelled rows, its own validation rows",
}


def write_bench_report(path: str | os.PathLike[str], bench: Bench, overwrite: bool = False) -> None:
    """Write one self-contained HTML file on a benchmark.

    Parameters
    ----------
    path : path
    bench : Bench
    overwrite : bool

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    MissingExtraError
        If Jinja2, Altair, vl-convert or matplotlib is not installed.
    """
    write_page(path, "bench.html", lambda: _context(bench), overwrite)


def _context(bench: Bench) -> dict[str, Any]:
    tables = list(bench_tables(bench))
    used = {source for _, _, table in tables for source in table["source"] if source}
    return {
        "title": "Benchmark",
        "date": now(),
        "ranks": [
            (_PROTOCOLS.get(protocol, protocol), len(ranks.columns) - 2, readable_ranks(ranks))
            for protocol, ranks in mean_ranks(bench)
            if len(ranks)
        ],
        "corpora": readable_corpora(bench),
        "not_run": pd.DataFrame(
            [(item.name, item.reason) for item in bench.not_at_hand], columns=["corpus", "why"]
        ),
        "tables": [
            (
                table_title(facts, protocol, bench),
                readable_bench(table[table["method"] != ""], facts.metric),
                _note(facts, protocol, table),
                _gains(table),
                readable_figures(table),
            )
            for facts, protocol, table in tables
        ],
        "sources": {
            name: words
            for name, words in SOURCES.items()
            if any(source.startswith(f"{name},") for source in used)
        },
    }


def table_title(facts: CorpusFacts, protocol: str, bench: Bench) -> str:
    """Return a title: corpus, protocol and what gold there is."""
    runs = bench.runs
    of_table = runs[(runs["corpus"] == facts.name) & (runs["protocol"] == protocol)]
    if protocol == PUBLISHED_PROTOCOL:
        return f"{facts.name}: WRENCH's protocol, {facts.validation:,} validation rows"
    labels = of_table["labels"].iloc[0]
    return f"{facts.name}: {protocol}, {labels} labels and as many validation rows"


def _gains(table: pd.DataFrame) -> list[CaptionedFigure]:
    scored = table[table["score"].notna()]
    return gain_figures(scored.set_index("method")) if len(scored) else []


def gain_words(table: pd.DataFrame) -> str:
    """Return what gains of a table are taken over, in words; empty where there are none."""
    titles = table["title"][_is_baseline(table)].tolist()
    return f"gain over {titles[0]}" if titles else ""


def _is_baseline(table: pd.DataFrame) -> pd.Series:
    return (table["method"] == table["baseline"]) & (table["baseline"] != "")


def _note(facts: CorpusFacts, protocol: str, table: pd.DataFrame) -> str:
    gain = gain_words(table)
    first = f"{gain[0].upper() + gain[1:]}. " if gain else ""
    return first + _note_on_figures(facts, protocol)


def _note_on_figures(facts: CorpusFacts, protocol: str) -> str:
    if protocol != PUBLISHED_PROTOCOL:
        return ""
    if facts.published:
        return (
            "Published figures are on the same rows and votes (told by the numbers of rows, rules "
            "and classes). Features, tuning and the number of runs differ: see what was given."
        )
    return "There are no published figures on these rows and votes in the package."


def readable_bench(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return one table of :func:`bench_tables` as strings."""
    is_baseline = _is_baseline(table)
    bounds = zip(table["low"], table["high"], strict=True)
    columns = {
        "method": list(table["title"]),
        "was given": [
            given or published
            for given, published in zip(table["given"], table["published_given"], strict=True)
        ],
        f"test {METRIC_NAMES[metric]}": format_numbers(table["score"], "{:.1f}", ""),
        "sd": format_numbers(table["sd"], "{:.1f}", ""),
        "gain": format_numbers(table["gain"].where(~is_baseline), "{:+.1f}", ""),
        "95% interval": [
            "" if pd.isna(low) else format_interval(low, high) for low, high in bounds
        ],
    }
    if table["published"].notna().any():
        columns["published"] = format_numbers(table["published"], "{:.1f}", "")
        columns["by"] = [source.partition(",")[0] for source in table["source"]]
    columns["seeds"] = [str(count) if count else "" for count in table["seeds"]]
    columns["seconds"] = format_numbers(table["seconds"], "{:.1f}", "")
    if table["error"].astype(bool).any():
        columns["error"] = list(table["error"])
    return pd.DataFrame(columns)


def readable_figures(table: pd.DataFrame) -> pd.DataFrame:
    """Return where the published figures of a table stand; no rows where it has none."""
    shown = table[table["published"].notna()]
    return pd.DataFrame(
        {
            "figure": shown["title"],
            "published": format_numbers(shown["published"], "{:.1f}"),
            "theirs was given": shown["published_given"],
            "stands in": shown["source"],
        }
    )


def readable_ranks(ranks: pd.DataFrame) -> pd.DataFrame:
    """Return one table of :func:`mean_ranks` as strings."""
    corpora = ranks.drop(columns=["title", "mean_rank"])
    return pd.DataFrame(
        {
            "method": list(ranks["title"]),
            "mean rank": format_numbers(ranks["mean_rank"], "{:.1f}", ""),
            **{name: format_numbers(corpora[name], "{:.1f}") for name in corpora},
        }
    )


def readable_corpora(bench: Bench) -> pd.DataFrame:
    """Return the table of corpora as strings."""
    return pd.DataFrame(
        {
            "corpus": facts.name,
            "train": str(facts.train),
            "validation": str(facts.validation),
            "test": str(facts.test),
            "classes": str(facts.n_classes),
            "rules": str(facts.n_lfs),
            "test rows with a vote": f"{facts.coverage:.1%}",
            "metric": METRIC_NAMES[facts.metric],
            "features": facts.features,
            "votes": facts.lfs,
            "source": facts.source,
        }
        for facts in bench.corpora
    )
