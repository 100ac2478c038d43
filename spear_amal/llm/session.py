"""Questions on their way: sent, tried again, kept, or given up together."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from spear_amal.errors import InputError, MissingExtraError
from spear_amal.llm.answer_cache import AnswerCache
from spear_amal.llm.chat import ChatAnswer, ChatFailure, ChatRequest
from spear_amal.llm.chat_model import ChatModel, without_key
from spear_amal.llm.dialect import Dialect
from spear_amal.llm.lanes import Lanes, NoReply, Reply
from spear_amal.llm.pacing import Clock, Throttle, asked_pause
from spear_amal.llm.replies import (
    NoAnswer,
    Trouble,
    Usage,
    error_in,
    read_answer,
    trouble_of,
)
from spear_amal.llm.spending import BudgetError, ChatServerError, Purse
from spear_amal.llm.tokens import rough_tokens

if TYPE_CHECKING:
    from tenacity import RetryCallState

AnswerOrFailure: TypeAlias = ChatAnswer | ChatFailure
_Result = TypeVar("_Result")

_AGAIN = (408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529)
_THROTTLED = (429, 529)
_NEVER = {
    401: "it refuses the key, or misses one: check key_variable and what it holds",
    402: "it wants to be paid first",
    403: "it refuses the key for this: check key_variable and what it holds",
    404: "it knows no such model or address: check name and base_url, which mostly ends in /v1",
    405: "it is no server of language models: check base_url",
}
_NO_MONEY = re.compile(r"insufficient_quota|billing|credit balance", re.I)
_TOO_LONG = re.compile(
    r"context.?(length|size|window)|maximum context|too (long|large|many tokens)|exceed\w* .{0,60}"
    r"tokens",
    re.I,
)
_FILTERED = re.compile(r"content_?filter|content management policy|content_policy", re.I)
_LONGEST_PAUSE = 600.0  # seconds that a server may ask to wait before the run ends instead
_TRIES_IN_A_ROW = 18  # that failed, of all requests together, before the server counts as down
_REJECTED_IN_A_ROW = 20  # requests


@dataclass
class ClientState:
    """What a client knows between calls; touched by the thread that asks only."""

    model: ChatModel
    purse: Purse
    clock: Clock
    throttle: Throttle
    dialect: Dialect = field(default_factory=Dialect)
    settled: set[Hashable] = field(default_factory=set)
    n_timed: int = 0
    seconds: float = 0.0  # of the replies that were timed, in sum
    rough: int = 0  # tokens of counted prompts by the rule of thumb, and as they were counted
    counted: int = 0

    def tokens_of(self, request: ChatRequest) -> int:
        """Estimate the tokens of a prompt by those that were counted."""
        share = self.counted / self.rough if self.rough else 1.0
        return round(rough_tokens(request) * share)

    def with_tokens(self, request: ChatRequest, answer: ChatAnswer) -> ChatAnswer:
        """Return an answer with tokens, estimated where the server did not count."""
        if answer.prompt_tokens:
            return answer
        length = len(answer.text.encode("utf-8", "replace")) // 4 + 1
        return replace(answer, prompt_tokens=self.tokens_of(request), answer_tokens=length)


@dataclass
class Tally:
    """How far a call is, for whoever shows it."""

    total: int
    done: int = 0
    answered: int = 0


class Halted(Exception):
    """No more is sent: the session's error says why."""


class Again(Exception):
    """A try that failed and may go well later.

    Parameters
    ----------
    reason : str
    pause : float, optional
        Seconds that the server asks for.
    is_down : bool
        No connection was made.
    is_throttled : bool
        The server wants to be asked more slowly.
    """

    def __init__(
        self,
        reason: str,
        pause: float | None = None,
        is_down: bool = False,
        is_throttled: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason, self.pause = reason, pause
        self.is_down, self.is_throttled = is_down, is_throttled


class Rejected(Exception):
    """The server will never answer this request, but may answer others."""


class Session:
    """Connections, the open cache and all questions that are on their way, in one event loop.

    Parameters
    ----------
    state : ClientState
    cache : AnswerCache
    notify : callable of str
        Is told what a user should know.
    """

    def __init__(
        self, state: ClientState, cache: AnswerCache, notify: Callable[[str], None]
    ) -> None:
        self.state, self._cache, self._notify = state, cache, notify
        self._model = state.model
        self._lanes = Lanes(state.model)
        self._answers: dict[str, asyncio.Future[AnswerOrFailure | None]] = {}
        self._alone: dict[Hashable, asyncio.Lock] = {}
        self._halted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.error: BaseException | None = None
        self._n_answered = self._failed_tries = self._n_rejected = 0
        self._pauses = _pauses()

    async def close(self) -> None:
        """Close connections and cache."""
        await self._lanes.close()
        self._cache.close()

    def halt(self, error: BaseException) -> None:
        """Stop sending; what is under way is waited for and kept."""
        if self.error is None:
            self.error = error
            self._halted.set_result(None)

    # -- many -------------------------------------------------------------------------------------

    async def ask(
        self, requests: Mapping[str, ChatRequest], tally: Tally
    ) -> dict[str, AnswerOrFailure]:
        """Return the outcomes of requests, by key.

        Raises
        ------
        Exception
            Whatever ended the session; the answers so far are kept.
        """
        kept = self._cache.read(list(requests))
        outcomes: dict[str, AnswerOrFailure] = {
            key: self.state.with_tokens(requests[key], answer) for key, answer in kept.items()
        }
        tally.done = tally.answered = len(outcomes)
        todo = iter([(key, request) for key, request in requests.items() if key not in kept])

        async def work() -> None:
            for key, request in todo:
                try:
                    outcomes[key] = await self._shared(key, request)
                except Halted:
                    return
                except Exception as error:
                    self.halt(error)
                    return
                tally.done += 1
                tally.answered += isinstance(outcomes[key], ChatAnswer)

        n = min(self._model.concurrency, len(requests) - len(kept))
        async with asyncio.TaskGroup() as group:
            for _ in range(n):
                group.create_task(work())
        if self.error is not None and tally.answered < len(requests):
            # An event loop ends at an interrupt: whoever was interrupted knows of it.
            is_error = isinstance(self.error, Exception)
            raise self.error if is_error else ChatServerError("asking was interrupted")
        return outcomes

    async def _shared(self, key: str, request: ChatRequest) -> AnswerOrFailure:
        """Answer a request, together with all others that are the same."""
        if key in self._answers:
            outcome = await self._answers[key]
            if outcome is None:
                raise Halted
            return _as_cached(outcome)
        future = self._answers[key] = asyncio.get_running_loop().create_future()
        try:
            outcome = await self._first_alone(key, request)
        except BaseException:
            future.set_result(None)
            raise
        future.set_result(outcome)
        if isinstance(outcome, ChatFailure):
            del self._answers[key]
        return outcome

    async def _first_alone(self, key: str, request: ChatRequest) -> AnswerOrFailure:
        """Answer a request; the first of a kind goes alone, and shows what the server takes."""
        kind = (request.schema is not None, request.top_logprobs > 0)
        if kind not in self.state.settled:
            async with self._alone.setdefault(kind, asyncio.Lock()):
                if kind not in self.state.settled:
                    outcome = await self._tries(key, request)
                    if isinstance(outcome, ChatAnswer):
                        self.state.settled.add(kind)
                        self._check_first(request, outcome)
                    return outcome
        return await self._tries(key, request)

    def _check_first(self, request: ChatRequest, answer: ChatAnswer) -> None:
        asked = request.top_logprobs and self.state.dialect.logprobs
        if asked and answer.choices is None and answer.text:
            self._tell("gives no log-probabilities: answers come without")

    # -- one, several times -----------------------------------------------------------------------

    async def _tries(self, key: str, request: ChatRequest) -> AnswerOrFailure:
        n_tries, answered = 1, 0
        counted = 0  # tries, since others got through while this one was held back

        def count(state: RetryCallState) -> bool:
            nonlocal answered, counted
            trouble = state.outcome.exception() if state.outcome else None
            moves = isinstance(trouble, Again) and trouble.is_throttled
            counted = 0 if moves and self._n_answered > answered else counted + 1
            answered = self._n_answered
            return counted >= self._model.max_tries

        try:
            try:
                return await self._once(key, request)
            except Again as trouble:  # few need more, and the loop over tries takes long
                first = trouble
            async for attempt in self._pauses(count, self._pause):
                with attempt:
                    n_tries = attempt.retry_state.attempt_number
                    if n_tries == 1:
                        raise first
                    return await self._once(key, request)
        except Rejected as error:
            self._note_rejection(str(error))
            return ChatFailure(str(error), n_tries)
        except Again as trouble:
            self._note_failure(trouble, n_tries)
            return ChatFailure(trouble.reason, n_tries)
        raise Halted  # never: the loop ends by one of these

    async def _pause(self, seconds: float) -> None:
        await self._unless_halted(lambda: self.state.clock.sleep(seconds))

    def _note_failure(self, trouble: Again, n_tries: int) -> None:
        """Halt where the server is down: not each request has to find that out."""
        self._failed_tries += n_tries
        never = not self._n_answered
        most = _TRIES_IN_A_ROW
        if self._failed_tries >= most or (trouble.is_down and (never or self._failed_tries > 6)):
            self.halt(
                ChatServerError(
                    f"the server of model {self._model.name!r} ({self._model.base_url}) failed "
                    f"{self._failed_tries} times in a row, the last time: {trouble.reason}"
                )
            )

    def _note_rejection(self, reason: str) -> None:
        self._n_rejected += 1
        if self._n_rejected >= _REJECTED_IN_A_ROW:
            self.halt(InputError(f"{self._n_rejected} requests in a row were rejected: {reason}"))

    # -- one, once --------------------------------------------------------------------------------

    async def _once(self, key: str, request: ChatRequest) -> ChatAnswer:
        """Send a request, in other words where the server does not understand it.

        Raises
        ------
        Again, Rejected, Halted
        """
        while True:
            dialect = self.state.dialect
            reply, cost = await self._send(dialect.body(self._model, request), request)
            settle, spent = self.state.purse.settle, 0.0
            try:
                payload, trouble, status = _read(reply)
                if trouble is None:
                    spent = cost
                    answer, usage = read_answer(payload)
                    spent = cost if usage is None else self._model.cost(*usage)
                    return self._keep(key, request, answer, usage)
            except NoAnswer as error:
                raise Again(f"the server's reply is no answer: {error}") from None
            finally:
                settle(cost, spent)
            if self.state.dialect is dialect and not self._learn(request, status, trouble):
                return self._fail(key, request, status, trouble, reply)

    async def _send(self, body: bytes, request: ChatRequest) -> tuple[Reply, float]:
        """Send a body; return the reply, and what is set aside for it."""
        cost = await self._room(request)
        state, sent = self.state, False
        try:
            at = state.throttle.turn(state.tokens_of(request) + request.max_tokens)
            while (wait := max(at - state.clock.now(), state.throttle.held())) > 0:
                await self._pause(wait)
            lane = self._lanes.take_free()
            if lane is None:
                lane = await self._unless_halted(self._lanes.take)
            try:
                began, sent = state.clock.now(), True
                reply = await self._lanes.post(lane, body)
            finally:
                self._lanes.give_back(lane)
        except BaseException as error:
            unpaid = not sent or (isinstance(error, NoReply) and error.is_down)
            state.purse.settle(cost, 0.0 if unpaid else cost)
            if isinstance(error, NoReply):
                raise Again(str(error), is_down=error.is_down) from None
            raise
        state.n_timed, state.seconds = state.n_timed + 1, state.seconds + state.clock.now() - began
        return reply, cost

    async def _room(self, request: ChatRequest) -> float:
        """Wait until the budget has room for the most that a request can cost; return that."""
        self._check_halted()
        cost = self.state.purse.most(request)
        try:
            while (room := self.state.purse.reserve(cost)) is not None:
                await self._unless_halted(partial(asyncio.wait_for, room, None))
        except BudgetError as error:
            self.halt(error)
            raise Halted from None
        return cost

    def _keep(
        self, key: str, request: ChatRequest, answer: ChatAnswer, usage: Usage | None
    ) -> ChatAnswer:
        """Write an answer to disk, and only then count it."""
        try:
            self._cache.write(key, answer)
        except OSError as error:
            self.halt(error)
            raise Halted from None
        self._n_answered += 1
        self._failed_tries = self._n_rejected = 0
        if usage is not None:
            self.state.purse.note_tokens(request, usage.prompt_tokens)
            self.state.rough += rough_tokens(request)
            self.state.counted += usage.prompt_tokens
        return self.state.with_tokens(request, answer)

    def _learn(self, request: ChatRequest, status: int, trouble: Trouble) -> bool:
        """Return whether something of a request can be left out, from now on."""
        about = (trouble.message, trouble.parameter)
        learnt = self.state.dialect.without(request, status, *about)
        if learnt is None:
            return False
        self.state.dialect, meaning = learnt
        if meaning:
            self._tell(f"{meaning} (it said: {trouble.message})")
        return True

    def _fail(
        self, key: str, request: ChatRequest, status: int, trouble: Trouble, reply: Reply
    ) -> ChatAnswer:
        """Raise what a failure means; return the refusal where it is one."""
        said = f"status {status}: {trouble.message}"
        words = f"{trouble.code} {trouble.message}"
        if status in (400, 422) and _FILTERED.search(words):
            return self._keep(key, request, ChatAnswer("", refused=True), None)
        if status == 413 or (status in (400, 422, 500) and _TOO_LONG.search(words)):
            raise Rejected(f"the request is too long ({said})")
        if status == 429 and _NO_MONEY.search(words):
            self._give_up(402, said)
        if status in _AGAIN:
            raise self._later(status, said, reply)
        kind = (request.schema is not None, request.top_logprobs > 0)
        if status in (400, 422) and kind in self.state.settled:
            raise Rejected(f"the server rejects the request ({said})")
        self._give_up(status, said)
        raise Halted

    def _later(self, status: int, said: str, reply: Reply) -> Again:
        pause = asked_pause(reply.headers)
        is_throttled = status in _THROTTLED
        if pause is not None and pause > _LONGEST_PAUSE:
            self.halt(
                ChatServerError(
                    f"the server of model {self._model.name!r} asks to wait {pause / 60:.0f} "
                    f"minutes ({said}); go on then"
                )
            )
            raise Halted
        if pause is not None and (is_throttled or status == 503):
            self.state.throttle.hold(pause)
        return Again(f"the server failed ({said})", pause, is_throttled=is_throttled)

    def _give_up(self, status: int, said: str) -> None:
        advice = _NEVER.get(status, "it rejects what is asked")
        if 300 <= status < 400:
            advice = "it redirects, which is not followed: set base_url to the final address"
        self.halt(
            InputError(
                f"the server of model {self._model.name!r} ({self._model.base_url}) refuses: "
                f"{advice} ({said})"
            )
        )
        raise Halted

    # -- ends -------------------------------------------------------------------------------------

    def _tell(self, what: str) -> None:
        text = f"the server of model {self._model.name!r} {what}"
        self._notify(without_key(text, self._model.key()))

    def _check_halted(self) -> None:
        if self.error is not None:
            raise Halted

    async def _unless_halted(self, begin: Callable[[], Awaitable[_Result]]) -> _Result:
        """Wait for something, but not longer than until nothing more is sent."""
        self._check_halted()
        waited = asyncio.ensure_future(begin())
        try:
            ends: set[asyncio.Future[Any]] = {waited, self._halted}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not waited.done():
                waited.cancel()
        self._check_halted()
        return waited.result()


def _read(reply: Reply) -> tuple[Any, Trouble | None, int]:
    """Return the JSON of a reply, and what it says is wrong, with the status that fits it."""
    if not 200 <= reply.status < 300:
        return None, trouble_of(reply.body), reply.status
    try:
        payload = json.loads(reply.body)
    except ValueError:
        raise NoAnswer("it is no JSON") from None
    trouble = error_in(payload) if "choices" not in payload else None
    if trouble is None:
        return payload, None, reply.status
    # Some report failures under status 200.
    code = trouble.code
    return payload, trouble, int(code) if re.fullmatch(r"[3-5]\d\d", code) else 500


def _as_cached(outcome: AnswerOrFailure) -> AnswerOrFailure:
    return replace(outcome, is_cached=True) if isinstance(outcome, ChatAnswer) else outcome


def _pauses() -> Callable[..., Any]:
    """Return what makes the loop over tries: growing pauses with jitter, or what is asked for."""
    try:
        from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential, wait_random
    except ImportError as error:
        raise MissingExtraError("tenacity", "llm", "asking a language model") from error
    some = wait_random(0.0, 1.0)
    growing = wait_exponential(multiplier=0.5, max=30.0) + some

    def wait(state: RetryCallState) -> float:
        trouble = state.outcome.exception() if state.outcome else None
        asked = trouble.pause if isinstance(trouble, Again) else None
        # Those that were held back together do not come back in the same moment.
        if asked is None:
            return float(growing(state))
        return asked + float(some(state))

    def tries(stop: Callable[[RetryCallState], bool], sleep: Callable[[float], Any]) -> Any:
        often = retry_if_exception_type(Again)
        return AsyncRetrying(stop=stop, wait=wait, sleep=sleep, retry=often, reraise=True)

    return tries
