"""Reading files that may be damaged, altered or something else: one kind of error, and digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from spear_amal._typing import PathLike
from spear_amal.errors import FileFormatError, SpearAmalError

#: Key under which a JSON object keeps the digest of all the rest of it.
DIGEST = "sha256"
# What is wrong with a path rather than with the content of a file.
_OF_PATH = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


@contextmanager
def guarded_reading(path: PathLike, kind: str, advice: str) -> Iterator[None]:
    """Turn whatever a damaged file makes the block raise into a FileFormatError.

    Which errors libraries raise on bytes that they did not write (keys, types, depth, memory, ..)
    stands nowhere, so all of them are taken. Errors of this package, and of the path, pass.

    Parameters
    ----------
    path : path
    kind : str
        What the file should be: "a label matrix".
    advice : str
        What to do about it.

    Examples
    --------
    >>> with guarded_reading("a.json", "a study file", "write it again"):
    ...     json.loads("{}")["rows"]
    Traceback (most recent call last):
    spear_amal.errors.FileFormatError: a.json is not a study file or is damaged (KeyError: ...
    """
    try:
        yield
    except (SpearAmalError, *_OF_PATH):
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}"[:_MESSAGE]
        raise FileFormatError(f"{path} is not {kind} or is damaged ({text}); {advice}") from error


_MESSAGE = 300  # characters of a library's message


def json_digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a JSON object says, whatever its layout; its own digest aside."""
    rest = {name: value for name, value in content.items() if name != DIGEST}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def with_digest(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object, as it will be read, with the digest of its content."""
    plain = json.loads(json.dumps(content))
    return {**plain, DIGEST: json_digest(plain)}


def check_json_digest(content: Mapping[str, Any]) -> None:
    """Raise ValueError if a JSON object is not what was written; one without a digest passes."""
    if DIGEST in content and content[DIGEST] != json_digest(content):
        raise ValueError(
            f"its content is not what was written: the digest is another one; if you changed it on "
            f"purpose, remove {DIGEST!r} from it"
        )
