"""What a corpus consists of before it is read: files, checksums, sources and a builder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from spear_amal.data.corpus import Corpus
from spear_amal.data.download.sources import DownloadSource
from spear_amal.io.shipped import shipped_file


@dataclass(frozen=True)
class CorpusSpec:
    """A corpus that can be loaded by name.

    Attributes
    ----------
    name, title, licence : str
        For lists; the :attr:`card` says more.
    build : callable (folder, source) -> Corpus
        Reads the checked files of `folder`; `source` says where they came from.
    files : dict of str to str
        Needed files, relative to the corpus' folder, with their SHA-256.
    published : dict of str to str
        Further published files (splits, rules) that are used where a data directory has all of
        them; they cannot be fetched.
    sources : tuple of Source
        Where the needed files can be fetched, in the order to try.
    folder : str, optional
        Where the files lie in a data directory or the cache; default: a folder with the corpus'
        name, "" for the directory itself.
    """

    name: str
    title: str
    licence: str
    build: Callable[[Path, str], Corpus]
    files: dict[str, str] = field(default_factory=dict)
    published: dict[str, str] = field(default_factory=dict)
    sources: tuple[DownloadSource, ...] = ()
    folder: str | None = None

    @property
    def place(self) -> str:
        """Folder of the files in a data directory or the cache."""
        return self.name if self.folder is None else self.folder

    @property
    def card(self) -> Path:
        """File that tells where the corpus is published, its columns and licence."""
        return shipped_file("datasets", f"{self.name}.md")
