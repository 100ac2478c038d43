"""Where data lie: the user's data directory, the cache, and fetching what is in neither."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from spear_amal._typing import PathLike
from spear_amal.data.download.sources import DownloadSource
from spear_amal.errors import ChecksumError, DataUnavailableError, InputError, SpearAmalError
from spear_amal.io.cache_folder import CACHE_VARIABLE
from spear_amal.io.leftovers import scratch_folder
from spear_amal.progress import Progress

DATA_VARIABLE = "SPEAR_AMAL_DATA"
_Content = TypeVar("_Content")


def data_folder(data_dir: PathLike | None = None) -> Path | None:
    """Return the data directory: the argument, else the environment variable, else None.

    Raises
    ------
    InputError
        If the folder that was named is not there.
    """
    named = data_dir if data_dir is not None else os.environ.get(DATA_VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        origin = "data_dir" if data_dir is not None else f"environment variable {DATA_VARIABLE}"
        raise InputError(f"{origin} names {folder}, which is not a folder; correct it or leave it")
    return folder


def sha256_of(path: PathLike) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@dataclass(frozen=True)
class Wanted:
    """What is fetched, in the words of messages.

    Attributes
    ----------
    name : str
        Names the data on the progress bar.
    title : str
        Names the data in an error, such as "corpus 'sms'".
    by_hand : str
        How a user puts the files into a data directory ``DIR``; begins a sentence.
    hint : str
        A sentence that says where else to look.
    """

    name: str
    title: str
    by_hand: str
    hint: str

    def unavailable(
        self, reasons: Sequence[str], kind: type[SpearAmalError] = DataUnavailableError
    ) -> SpearAmalError:
        """Make the error that says why the data cannot be had, and what to do."""
        listed = "".join(f"\n  - {reason}" for reason in reasons)
        return kind(
            f"{self.title} cannot be had:{listed}\n{self.by_hand} and pass data_dir=DIR or set "
            f"{DATA_VARIABLE}=DIR; {CACHE_VARIABLE} moves the cache. {self.hint}"
        )


class CacheError(DataUnavailableError):
    """The cache cannot be written: another source would not help."""


def fetch_first(
    wanted: Wanted,
    sources: Sequence[DownloadSource],
    take: Callable[[Path], _Content],
    *,
    offline: bool = False,
    progress: bool,
) -> tuple[_Content, str]:
    """Fetch from the first source that delivers; return the content and the source's name.

    Every source writes into a temporary folder of its own, so that nothing stays of what fails.
    This is why pooch's store is not used, which keeps file by file as each arrives.

    Parameters
    ----------
    take : callable Path -> content
        Checks the files of a folder and reads or keeps them; the folder is gone afterwards.

    Raises
    ------
    ChecksumError
        If no source gave the published content, and one gave other content.
    DataUnavailableError
        If no source delivered; names every one and its failure. CacheError if `take` raised it.
    """
    if offline:
        raise wanted.unavailable(["offline was asked for, so no source was tried"])
    failures: list[str] = []
    kind: type[SpearAmalError] = DataUnavailableError
    for source in sources:
        try:
            with scratch_folder() as scratch:
                with Progress(f"fetching {wanted.name}", show=progress) as bar:
                    source.fetch(scratch, bar)
                return take(scratch), source.describe()
        except CacheError:
            raise
        except (SpearAmalError, OSError) as error:
            kind = ChecksumError if isinstance(error, ChecksumError) else kind
            failures.append(f"{source.describe()}: {error}")
    raise wanted.unavailable(failures or ["it has no source to fetch from"], kind)
