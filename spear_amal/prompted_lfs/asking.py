"""Clients of this process, one for each model, and what all of them may spend together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from spear_amal._typing import PathLike
from spear_amal.errors import SpearAmalError
from spear_amal.labeling.lf_outputs import StoppedError
from spear_amal.llm import (
    BudgetError,
    ChatAnswer,
    ChatClient,
    ChatFailure,
    ChatModel,
    ChatRequest,
    ChatServerError,
)


@dataclass(frozen=True)
class _Limit:
    """What may be spent in all, and what each client had spent when the limit was set."""

    max_cost: float
    before: float


_limit: ContextVar[_Limit | None] = ContextVar("_limit", default=None)
_only_kept: ContextVar[bool] = ContextVar("_only_kept", default=False)
# Limits of requests in a minute and at once are those of a server, so LFs share a client.
_clients: dict[tuple[ChatModel, Path | None, int], ChatClient] = {}


def client_of(model: ChatModel, cache_dir: PathLike | None = None) -> ChatClient:
    """Return the client of a model in this process, always the same one."""
    folder = None if cache_dir is None else Path(os.path.abspath(cache_dir))
    key = (model, folder, os.getpid())  # one that was made before a fork is another process's
    if key not in _clients:
        _clients[key] = ChatClient(model, cache_dir=folder, progress=True)
    return _clients[key]


@contextmanager
def spending_limit(max_cost: float | None) -> Iterator[None]:
    """Keep what prompted LFs spend within the block to a limit, all of them together.

    Parameters
    ----------
    max_cost : float, optional
        In the currency of the prices; None: no limit but those of the LFs.
    """
    limit = None if max_cost is None else _Limit(max_cost, spent())
    token = _limit.set(limit)
    try:
        yield
    finally:
        _limit.reset(token)


@contextmanager
def kept_answers_only() -> Iterator[None]:
    """Send nothing within the block: LFs vote by kept answers, and stop where there is none."""
    token = _only_kept.set(True)
    try:
        yield
    finally:
        _only_kept.reset(token)


def spent() -> float:
    """Return what prompted LFs have spent in this process, in the currency of the prices."""
    return float(sum(client.spent for client in _clients.values()))


def ask(
    client: ChatClient, requests: Sequence[ChatRequest], lf_name: str, max_cost: float | None
) -> list[ChatAnswer | ChatFailure]:
    """Return answers, in the order of the requests.

    Raises
    ------
    StoppedError
        If the server refuses what is asked of it (key, name of the model, parameters), answers
        cannot be kept, or a package is missing.
    BudgetError, ChatServerError
        As :meth:`~spear_amal.llm.ChatClient.ask`.
    """
    if _only_kept.get() and requests:
        forecast = client.forecast(requests)
        if forecast.n_cached < forecast.n_requests:
            raise StoppedError(
                f"LF {lf_name!r} has rows without a kept answer, and {client.model.name} is not "
                "asked here: run `spear-amal apply` first, which says what it costs"
            )
    try:
        client.max_cost = _allowed(client, max_cost)
        return list(client.ask(requests))
    except (BudgetError, ChatServerError):
        raise
    except (SpearAmalError, OSError) as error:
        raise StoppedError(f"LF {lf_name!r}: {error}") from error


def _allowed(client: ChatClient, max_cost: float | None) -> float | None:
    limit = _limit.get()
    limits = [] if max_cost is None else [max_cost]
    if limit is not None:
        limits.append(client.spent + limit.max_cost - (spent() - limit.before))
    return min(limits, default=None)
