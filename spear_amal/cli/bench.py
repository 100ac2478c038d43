"""The command ``bench``: run a benchmark, print its tables, write its page."""

from __future__ import annotations

from collections.abc import Sequence

from spear_amal.cli.console import add_to_json, print_result, show_rows, show_table
from spear_amal.cli.options.studies import BenchOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.study import FailedRunsError
from spear_amal.cli.study_progress import study_progress
from spear_amal.report.bench_report import (
    gain_words,
    readable_bench,
    readable_ranks,
    table_title,
    write_bench_report,
)
from spear_amal.report.page import is_own_report
from spear_amal.studies.bench.entries import bench_entries
from spear_amal.studies.bench.run import BENCH_PROTOCOLS, Bench, is_one_file, run_bench
from spear_amal.studies.bench.table import bench_tables, mean_ranks

_NOTHING = ("none",)


def bench(options: BenchOptions) -> None:
    """Run a benchmark, print its tables and write its page.

    Raises
    ------
    FailedRunsError
        After everything else is done, if runs failed, or a corpus that was asked for was not run.
    """
    entries = bench_entries(
        _named(options.label_model), options.end_model or None, _named(options.method)
    )
    page, output = options.html, options.output
    replaced = options.force or (page is not None and is_own_report(page))
    check_outputs(replaced, report=page, continued=output if is_one_file(output) else None)
    settings = {} if options.max_epochs is None else {"max_epochs": options.max_epochs}
    with study_progress(output) as progress:
        result = run_bench(
            entries,
            options.corpus or None,
            options.seeds,
            protocols=options.protocol or BENCH_PROTOCOLS,
            n_labelled=options.n_labelled,
            features=options.features,
            jobs=options.jobs,
            output=output,
            data_dir=options.data_dir,
            cache_dir=options.cache_dir,
            progress=progress,
            **settings,
        )
    _print_tables(result)
    print_result(f"Runs are in {output}")
    if page is not None:
        write_bench_report(page, result, overwrite=replaced)
        print_result(f"Report written to {page}")
    _raise_for_failures(result)


def _named(names: Sequence[str]) -> Sequence[str] | None:
    """Return the names of an option: None if it was not given, nothing for "none"."""
    if not names:
        return None
    return () if tuple(names) == _NOTHING else names


def _print_tables(result: Bench) -> None:
    for facts, protocol, table in bench_tables(result):
        gain = gain_words(table)
        title = table_title(facts, protocol, result) + (f"; {gain}" if gain else "")
        show_table(readable_bench(table, facts.metric), title, table)
    for protocol, ranks in mean_ranks(result):
        n = len(ranks.columns) - 2
        title = f"{protocol}: mean rank over {n} corp{'us' if n == 1 else 'ora'}, and scores"
        show_table(readable_ranks(ranks), title, ranks)
    if result.not_at_hand:
        rows = [(item.name, item.reason) for item in result.not_at_hand]
        show_rows("Not run", ("corpus", "why"), rows)
    add_to_json(corpora=[vars(facts) for facts in result.corpora])


def _raise_for_failures(result: Bench) -> None:
    failed = result.runs[result.runs["score"].isna()]
    missing = [item for item in result.not_at_hand if item.is_asked_for]
    lines = [
        f"  {row.corpus}, {row.protocol}, {row.title}, seed {row.seed}: {row.error}"
        for row in failed.itertuples(index=False)
    ]
    lines += [f"  {item.name}: {item.reason}" for item in missing]
    if lines:
        head = f"{len(failed)} of {len(result.runs)} runs failed"
        head += f", {len(missing)} of the corpora asked for could not be read" if missing else ""
        raise FailedRunsError("\n".join([f"{head}; the same command tries them again:", *lines]))
