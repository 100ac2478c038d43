"""The commands ``corpora list`` and ``corpora fetch``."""

from __future__ import annotations

from pathlib import Path

from spear_amal.cli.console import is_watched, print_result, show_rows
from spear_amal.data import CORPORA, corpus_status, fetch_corpus


def list_corpora(data_dir: Path | None, cache_dir: Path | None) -> None:
    """Print the corpora and where each stands on this machine."""
    held = [corpus_status(name, data_dir, cache_dir) for name in CORPORA]
    rows = [(one.name, one.title, one.state, one.folder or "", one.licence) for one in held]
    show_rows("Corpora", ("name", "what", "state", "folder", "licence"), rows)


def fetch(name: str, data_dir: Path | None, cache_dir: Path | None) -> None:
    """Fetch a corpus unless it is on this machine already."""
    status = corpus_status(name, data_dir, cache_dir)
    if status.state == "data directory":
        print_result(f"{name} is in the data directory: {status.folder}")
        return
    print_result(f"{name} is in {fetch_corpus(name, cache_dir, progress=is_watched())}")
