"""Kinds of files that tables come in, known by their suffix."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from spear_amal.data.text_lines import COMPRESSED
from spear_amal.errors import InputError, MissingExtraError

DELIMITED = (".csv", ".tsv")
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = (".parquet",)
EXCEL = (".xlsx",)
_TEXTS = (*DELIMITED, *JSON_LINES)
_KINDS = (*_TEXTS, *PARQUET, *EXCEL)
# Package and extra that a kind needs.
_NEEDS = {".parquet": ("pyarrow", "parquet"), ".xlsx": ("openpyxl", "excel")}


def suffix_of(path: Path) -> str:
    """Return the suffix of a table, in small letters and without that of compression.

    Examples
    --------
    >>> suffix_of(Path("mail.CSV")), suffix_of(Path("mail.jsonl.gz"))
    ('.csv', '.jsonl')

    Raises
    ------
    InputError
        If it is that of no table.
    """
    is_compressed = path.suffix.lower() == COMPRESSED
    suffix = Path(path.stem).suffix.lower() if is_compressed else path.suffix.lower()
    if suffix not in (_TEXTS if is_compressed else _KINDS):
        raise InputError(
            f"{path}: the suffix {path.suffix!r} is none of {', '.join(_KINDS)}, nor of one of the "
            f"first {len(_TEXTS)} with {COMPRESSED}; convert it"
        )
    return suffix


def is_table_file(path: Path) -> bool:
    """Return whether a file has the suffix of a table."""
    try:
        return suffix_of(path) != ""
    except InputError:
        return False


def bare_name(path: Path) -> str:
    """Return the name of a table without its suffix and that of compression.

    Examples
    --------
    >>> bare_name(Path("mail.2024.csv")), bare_name(Path("mail.jsonl.gz"))
    ('mail.2024', 'mail')
    """
    return Path(path.stem).stem if path.suffix.lower() == COMPRESSED else path.stem


def is_delimited(path: Path) -> bool:
    """Return whether a table is CSV or TSV, compressed or not."""
    return suffix_of(path) in DELIMITED


def need_package(path: Path) -> None:
    """Raise MissingExtraError if what reads and writes such a table is not installed."""
    package, extra = _NEEDS.get(suffix_of(path), (None, ""))
    if package is not None and importlib.util.find_spec(package) is None:
        raise MissingExtraError(package, extra, f"the table {path}")
