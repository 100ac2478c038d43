"""Answers on disk, each written before it counts: one SQLite file that processes may share."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from spear_amal.errors import FileFormatError
from spear_amal.io.atomic import check_writable
from spear_amal.io.locks import exclusive
from spear_amal.llm.chat import ChatAnswer, ChatRequest, TokenChoice
from spear_amal.llm.chat_model import ChatModel

FILE = "answers.sqlite"
FORMAT = 1
_AT_ONCE = 500  # keys of one query
_Row: TypeAlias = tuple[bytes, bytes, bytes]

_PATIENCE = 60.0  # seconds for which another process may write


def answer_key(model: ChatModel, request: ChatRequest) -> str:
    """Return what an answer is kept under: a digest of all that it depends on.

    Model and server, messages, schema, alternatives, longest answer, temperature and seed. The key
    of the server, prices, limits and how often it is tried do not count.
    """
    place = model.cache_name or f"{model.base_url.rstrip('/')} {model.name}"
    schema = None if request.schema is None else dict(request.schema)
    asked = (request.messages, schema, request.top_logprobs, request.max_tokens)
    content = json.dumps((FORMAT, place, model.temperature, model.seed, asked))
    return hashlib.sha256(content.encode()).hexdigest()


class AnswerCache:
    """The file of answers, open in one thread.

    A row is a key, the answer as JSON and a digest of both, so that a flipped bit is seen: such a
    row counts as missing. A file that SQLite cannot read is set aside, and what can be read of it
    is taken over. Written without waiting for the disk: an answer outlives the end of the process,
    however sudden; a power cut may take those of the last seconds.

    Parameters
    ----------
    folder : path
    warn : callable of str

    Raises
    ------
    OSError
        If the file cannot be written; names it.
    FileFormatError
        If it was written by a newer version.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.path = folder / FILE
        self._warn = warn
        check_writable(self.path)
        folder.mkdir(parents=True, exist_ok=True)
        self._open()

    def read(self, keys: Sequence[str]) -> dict[str, ChatAnswer]:
        """Return the answers that are kept, by key."""
        rows: list[_Row] = []
        for start in range(0, len(keys), _AT_ONCE):
            some = [key.encode() for key in keys[start : start + _AT_ONCE]]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, content, digest FROM answers WHERE key IN ({marks})"
            rows += self._execute(query, some)
        answers = {row[0].decode(): _load(row[1]) for row in rows if _is(*row)}
        if len(answers) < len(rows):
            self._warn(f"{self.path}: {len(rows) - len(answers)} damaged answers are asked again")
        return answers

    def write(self, key: str, answer: ChatAnswer) -> None:
        """Keep an answer; when this returns, the end of the process cannot take it away."""
        row = (key.encode(), _dump(answer))
        self._execute(_INSERT, (*row, _digest(*row)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # -- the file ---------------------------------------------------------------------------------

    def _open(self) -> None:
        with exclusive(self.path):  # of two that begin, one makes the table
            try:
                self._file = self._connect()
            except sqlite3.OperationalError as error:
                raise self._of_disk(error) from None
            except sqlite3.DatabaseError:
                self._set_aside()

    def _connect(self) -> sqlite3.Connection:
        file = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
        try:
            file.execute("PRAGMA journal_mode=WAL").fetchone()
            file.execute("PRAGMA synchronous=NORMAL")
            [(found,)] = file.execute("PRAGMA user_version")
            if found > FORMAT:
                raise FileFormatError(
                    f"{self.path} has format {found}, this version reads up to {FORMAT}: update "
                    "spear_amal, or name another cache_dir"
                )
            if not found:
                file.execute("BEGIN IMMEDIATE")
                file.execute(_TABLE)
                file.execute(f"PRAGMA user_version={FORMAT}")
                file.execute("COMMIT")
            file.execute("SELECT key, content, digest FROM answers LIMIT 1").fetchall()
        except BaseException:
            file.close()
            raise
        return file

    def _execute(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Execute a statement, once more where the file had to be set aside."""
        try:
            return self._file.execute(statement, values).fetchall()
        except sqlite3.OperationalError as error:
            raise self._of_disk(error) from None
        except sqlite3.DatabaseError:
            self._file.close()
            with exclusive(self.path):
                self._set_aside()
        return self._file.execute(statement, values).fetchall()

    def _set_aside(self) -> None:
        """Rename a damaged file, and take over what can be read of it."""
        with suppress(sqlite3.Error):  # another process has done it
            self._file = self._connect()
            if self._file.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
                return
            self._file.close()
        aside = _free_name(self.path)
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).rename(f"{aside}{suffix}")
        self._file = self._connect()
        kept = 0
        for row in _readable_rows(aside):
            self._file.execute(_INSERT, row)
            kept += 1
        self._warn(
            f"{self.path} is damaged: it is set aside as {aside.name}, {kept} answers of it could "
            "be read and are kept"
        )

    def _of_disk(self, error: sqlite3.Error) -> OSError:
        return OSError(
            f"{self.path} cannot be used ({error}): answers would be paid and lost, so nothing "
            "more is asked; free space there, or name another cache_dir. What it holds stays"
        )


_TABLE = "CREATE TABLE answers (key BLOB PRIMARY KEY, content BLOB, digest BLOB) WITHOUT ROWID"
_INSERT = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)"


def _readable_rows(path: Path) -> Iterator[_Row]:
    """Read rows from both ends until what is damaged."""
    seen = set()
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error), _reading(path) as file:
            for row in file.execute(f"SELECT * FROM answers ORDER BY key {order}"):
                if _is(*row) and row[0] not in seen:
                    seen.add(row[0])
                    yield row


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    file = sqlite3.connect(path)
    try:
        yield file
    finally:
        file.close()


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return aside


def _digest(key: bytes, content: bytes) -> bytes:
    return hashlib.sha256(key + b" " + content).digest()


def _is(key: Any, content: Any, digest: Any) -> bool:
    return isinstance(key, bytes) and isinstance(content, bytes) and digest == _digest(key, content)


# -- answers as JSON ------------------------------------------------------------------------------


def _dump(answer: ChatAnswer) -> bytes:
    choices = answer.choices and [(c.token, c.logprob, c.alternatives) for c in answer.choices]
    tokens = (answer.prompt_tokens, answer.answer_tokens)
    return json.dumps((answer.text, answer.refused, answer.is_whole, tokens, choices)).encode()


def _load(content: bytes) -> ChatAnswer:
    text, refused, is_whole, (prompt_tokens, answer_tokens), listed = json.loads(content)
    choices = tuple(TokenChoice(*choice) for choice in listed or ()) or None
    return ChatAnswer(text, refused, is_whole, choices, prompt_tokens, answer_tokens, True)
