"""The door: questions go to a language model, answers come back, are kept and are paid once."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from spear_amal._typing import PathLike
from spear_amal.checks import check_not_negative, check_whole
from spear_amal.errors import InputError
from spear_amal.io.cache_folder import cache_folder
from spear_amal.llm.answer_cache import AnswerCache, answer_key
from spear_amal.llm.chat import ChatAnswer, ChatFailure, ChatRequest, check_request
from spear_amal.llm.chat_model import ChatModel
from spear_amal.llm.loop_thread import LoopThread
from spear_amal.llm.pacing import Clock, Throttle
from spear_amal.llm.session import ClientState, Session, Tally
from spear_amal.llm.spending import (
    BudgetError,
    ChatServerError,
    CostForecast,
    Purse,
    TokenSums,
    check_budget,
    estimate_from,
    sample_of,
)
from spear_amal.llm.tokens import sum_of, token_counter
from spear_amal.progress import Progress


class ChatClient:
    """A client of an OpenAI-compatible server that keeps every answer on disk.

    An answer is written before it counts, so that a run that was killed goes on where it was: what
    is kept is neither asked nor paid again. The same request twice, in one call or from several
    threads, is sent once.

    Parameters
    ----------
    model : ChatModel
    cache_dir : path, optional
        Folder of the file that keeps answers, ``answers.sqlite``; several processes may share it.
        Default: the folder ``llm`` in the package's cache folder. It holds answers and digests of
        what was asked, and neither prompts nor keys.
    max_cost : float, optional
        What this client may spend, in the currency of the model's prices. A request is sent only
        where the most that it can cost fits what is left.
    progress : bool
        Show how many requests are answered, and what they have cost.

    Raises
    ------
    InputError
        If `max_cost` is given for a model without prices.

    Examples
    --------
    >>> from spear_amal.llm import ChatModel, ChatRequest
    >>> model = ChatModel(name="qwen3-0.6b", input_price=0.1, output_price=0.4)
    >>> client = ChatClient(model, max_cost=1.0)
    >>> question = ChatRequest((("user", "Is this spam? 'Call now to claim'"),), max_tokens=1)
    >>> print(client.forecast([question], n_total=10_000))
    10000 of 10000 requests to send; 130000 tokens of prompts, 10000 of answers; cost about 0.017 \
(4 bytes a token, a rule of thumb; answers at most)
    """

    def __init__(
        self,
        model: ChatModel,
        cache_dir: PathLike | None = None,
        max_cost: float | None = None,
        progress: bool = False,
    ) -> None:
        if max_cost is not None:
            check_not_negative("max_cost", max_cost)
        check_budget(model, max_cost)
        self.model = model
        self.cache_dir = cache_dir
        self._max_cost = max_cost
        self.progress = progress
        self._prepare(Clock())

    def _prepare(self, clock: Clock) -> None:
        model = self.model
        throttle = Throttle(model.requests_per_minute, model.tokens_per_minute, clock)
        self._state = ClientState(model, Purse(model, self._max_cost), clock, throttle)
        self._said: set[str] = set()
        self._notices: list[str] = []
        self._door = LoopThread(self._open, Session.close, Session.halt)
        if model.sends_key_openly:
            self._notices.append(
                f"the key of model {model.name!r} goes to {model.base_url} without encryption: "
                "whoever is on the way can read it; use https where the server has it"
            )

    def __getstate__(self) -> dict[str, Any]:
        if self.max_cost is not None:
            raise InputError(
                "a ChatClient with max_cost is not copied to other processes, since each would "
                "spend that much: it asks many questions at once in one process, so take n_jobs=1"
            )
        names = ("model", "cache_dir", "max_cost", "progress")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, parameters: dict[str, Any]) -> None:
        self.__init__(**parameters)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"ChatClient({self.model!r}, max_cost={self.max_cost}, spent={self.spent:.6g})"

    @property
    def spent(self) -> float:
        """What this client has spent so far; 0 where prices are unknown.

        Where a server does not say how many tokens it counted, or a connection broke before it
        could, the most that a request can have cost is counted.
        """
        return self._state.purse.spent

    @property
    def max_cost(self) -> float | None:
        """What this client may spend in all; it may be changed between calls."""
        return self._max_cost

    @max_cost.setter
    def max_cost(self, max_cost: float | None) -> None:
        if max_cost is not None:
            check_not_negative("max_cost", max_cost)
        check_budget(self.model, max_cost)
        self._max_cost = self._state.purse.max_cost = max_cost

    @property
    def cache_path(self) -> Path:
        """Folder of the file that keeps answers."""
        return cache_folder() / "llm" if self.cache_dir is None else Path(self.cache_dir)

    def ask(self, requests: Sequence[ChatRequest]) -> list[ChatAnswer | ChatFailure]:
        """Return the answers to a list of requests, in its order.

        Works where an event loop is running as well, as in notebooks. After an interrupt (Ctrl-C)
        nothing more is sent, and what is under way is waited for and kept; a second one does not
        wait.

        Parameters
        ----------
        requests : sequence of ChatRequest

        Returns
        -------
        list of ChatAnswer or ChatFailure
            A failure is a request that was tried `max_tries` times, or that the server rejects
            while it takes others; it is asked again next time.

        Raises
        ------
        InputError
            If the server refuses what is asked: the key, the model's name, the format; or the key
            is missing.
        BudgetError
            If `max_cost` does not suffice for the next request.
        ChatServerError
            If the server is down, or fails again and again.
        OSError
            If answers cannot be kept: the disk is full, or the folder cannot be written.
        MissingExtraError
            If httpx is not installed.

        Whatever is raised, the answers until then are kept.
        """
        requests = list(requests)
        for request in requests:
            check_request(request)
        keys = [answer_key(self.model, request) for request in requests]
        outcomes = self._outcomes(dict(zip(keys, requests, strict=True)))
        listed, given = [], set()
        for key in keys:
            outcome = outcomes[key]
            if key in given and isinstance(outcome, ChatAnswer):
                outcome = replace(outcome, is_cached=True)
            given.add(key)
            listed.append(outcome)
        return listed

    def _outcomes(self, requests: dict[str, ChatRequest]) -> dict[str, ChatAnswer | ChatFailure]:
        if not requests:
            return {}
        tally = Tally(len(requests))
        title = f"asking {self.model.name}"
        try:
            with Progress(title, len(requests), show=self.progress, unit="") as bar:

                def watch() -> None:
                    if tally.done > bar.done:
                        note = f"cost {self.spent:.4g}" if self.model.has_prices else ""
                        bar.move_to(tally.done, note)

                return self._door.run(lambda session: session.ask(requests, tally), watch)
        except (BudgetError, ChatServerError, InputError) as error:
            raise type(error)(f"{error}.{self._left(tally, requests)}") from None
        finally:
            self._warn()

    def _left(self, tally: Tally, requests: dict[str, ChatRequest]) -> str:
        left = tally.total - tally.answered
        words = (
            f" {tally.answered} of {tally.total} requests are answered and kept in "
            f"{self.cache_path}, {left} are left; ask again to go on, and what "
            "is kept is not paid again"
        )
        if self.max_cost is None:
            return words
        return f"{words}. The budget is that of one ChatClient: raise max_cost for what is left"

    def _warn(self) -> None:
        notices, self._notices = self._notices, []
        for text in dict.fromkeys(notices):
            if text not in self._said:
                self._said.add(text)
                warnings.warn(text, stacklevel=4)

    async def _open(self) -> Session:
        cache = AnswerCache(self.cache_path, self._notices.append)
        try:
            return Session(self._state, cache, self._notices.append)
        except BaseException:
            cache.close()
            raise

    # -- forecasts --------------------------------------------------------------------------------

    def forecast(
        self, requests: Sequence[ChatRequest], n_total: int | None = None, n_calls: int = 0
    ) -> CostForecast:
        """Estimate what requests will cost and how long they will take.

        By tokens that the server counted, where there are answers: kept ones, or those of `n_calls`
        that are asked now. Else prompts are counted by tiktoken, where it is installed and knows
        the model, or by a rule of thumb, and answers are taken to be of the longest length.

        Parameters
        ----------
        requests : sequence of ChatRequest
            All of them, or a random sample.
        n_total : int, optional
            How many there are in all, where `requests` are a sample.
        n_calls : int
            How many to ask for real, of all lengths; they are paid and kept. 0: nothing is sent.

        Raises
        ------
        InputError
            If there are no requests, or fewer in all than in the sample.
        SpearAmalError
            As :meth:`ask`, if `n_calls` are asked.
        """
        requests = list(requests)
        check_whole("n_calls", n_calls, 0)
        n_total = len(requests) if n_total is None else n_total
        if not requests or n_total < len(requests):
            raise InputError(
                f"a forecast needs a request at least, and n_total of no fewer: found "
                f"{len(requests)} requests and n_total={n_total}"
            )
        for request in requests:
            check_request(request)
        unique = {answer_key(self.model, request): request for request in requests}
        kept = self._kept(list(unique))
        todo = [request for key, request in unique.items() if key not in kept]
        to_send = math.ceil(len(todo) / len(requests) * n_total)
        counted = [(unique[key], answer) for key, answer in kept.items()]
        sample = sample_of(todo, n_calls) if n_calls and todo else []
        for request, answer in zip(sample, self.ask(sample), strict=True):
            if isinstance(answer, ChatAnswer):
                counted.append((request, answer))
                to_send -= 1
        asked = set(map(id, sample))
        rest = [request for request in todo if id(request) not in asked] or todo
        sums = estimate_from(counted, rest) or self._uncounted(rest)
        return self._sums(sums, rest, to_send, n_total)

    def _kept(self, keys: list[str]) -> dict[str, ChatAnswer]:
        if not (self.cache_path / "answers.sqlite").exists():
            return {}
        cache = AnswerCache(self.cache_path, self._notices.append)
        try:
            return cache.read(keys)
        finally:
            cache.close()
            self._warn()

    def _uncounted(self, requests: Sequence[ChatRequest]) -> TokenSums:
        count, how = token_counter(self.model.name)
        answers = sum(request.max_tokens for request in requests)
        return TokenSums(sum_of(requests, count), answers, f"{how}; answers at most")

    def _sums(
        self, sums: TokenSums, requests: Sequence[ChatRequest], to_send: int, n_total: int
    ) -> CostForecast:
        share = to_send / len(requests) if requests else 0.0
        tokens = (sums.prompt_tokens * share, sums.answer_tokens * share)
        cost = self.model.cost(*tokens) if self.model.has_prices else None
        booked = tokens[0] + share * sum(request.max_tokens for request in requests)
        seconds = self._seconds(to_send, booked)
        return CostForecast(n_total, n_total - to_send, *tokens, cost, seconds, sums.how)

    def _seconds(self, n: int, tokens: float) -> float | None:
        model, state = self.model, self._state
        times = []
        if model.requests_per_minute:
            times.append(60 * n / model.requests_per_minute)
        if model.tokens_per_minute:
            times.append(60 * tokens / model.tokens_per_minute)
        if state.n_timed:
            times.append(n * state.seconds / state.n_timed / model.concurrency)
        return max(times, default=None)
