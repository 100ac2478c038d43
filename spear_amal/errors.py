"""What can go wrong, as types: each says what was needed, what was found and what to do."""

from __future__ import annotations

__all__ = [
    "ChecksumError",
    "DataUnavailableError",
    "FileFormatError",
    "InputError",
    "LabelingError",
    "MissingExtraError",
    "OutputExistsError",
    "SpearAmalError",
    "StaleError",
    "is_out_of_memory",
]


class SpearAmalError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(SpearAmalError, ValueError):
    """What the user handed over cannot be used: wrong shape, length, value or name."""


class LabelingError(InputError):
    """A labelling function raised or voted something that is no class; names LF, row and value."""


class FileFormatError(InputError):
    """A file is truncated, damaged, of another format or of a newer format number."""


class OutputExistsError(InputError):
    """An output is already there and overwriting was not asked for."""


class StaleError(InputError):
    """What is to be changed was changed meanwhile, by somebody else; nothing was done."""


class ChecksumError(FileFormatError):
    """Content that was fetched or read is not the content that was published."""


class DataUnavailableError(SpearAmalError, OSError):
    """A corpus can be had neither from the data directory, nor the cache, nor the network."""


class MissingExtraError(SpearAmalError, ImportError):
    """An optional dependency is not installed; the message holds the pip command."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed; "
            f"install it with: pip install 'spear-amal[{extra}]'"
        )


# What torch says, as a plain RuntimeError, where the memory of the CPU does not suffice.
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error, of Python, NumPy or torch, says that memory does not suffice.

    Examples
    --------
    >>> is_out_of_memory(MemoryError()), is_out_of_memory(ValueError("shapes differ"))
    (True, False)
    """
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    words = str(error)
    return named or (
        isinstance(error, RuntimeError) and any(part in words for part in _OUT_OF_MEMORY)
    )
