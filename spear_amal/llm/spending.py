"""What requests cost: forecasts, and a budget that is never exceeded."""

from __future__ import annotations

from dataclasses import dataclass

from spear_amal.errors import SpearAmalError


class BudgetError(SpearAmalError):
    """The budget does not suffice for the next request; what was answered is kept."""


class ChatServerError(SpearAmalError, OSError):
    """A server of language models is down or fails again and again; what it answered is kept."""


@dataclass(frozen=True)
class CostForecast:
    """What requests will cost, estimated before they are sent.

    Parameters
    ----------
    n_requests : int
        In all, those that are cached or asked twice among them.
    n_cached : int
        Of which the answer is kept: they cost nothing.
    prompt_tokens, answer_tokens : float
        Of requests that will be sent, in sum.
    cost : float, optional
        In the currency of the model's prices; None where they are unknown.
    seconds : float, optional
        At the limits of the model; None where nothing limits it and nothing was timed.
    how : str
        How tokens were estimated.
    """

    n_requests: int
    n_cached: int
    prompt_tokens: float
    answer_tokens: float
    cost: float | None
    seconds: float | None
    how: str
