"""Before language models are asked: what it will cost, and a yes where somebody can give one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from spear_amal.cli.console import print_status
from spear_amal.errors import InputError

if TYPE_CHECKING:
    from spear_amal.llm import ChatModel, CostForecast


class Consent(NamedTuple):
    """What a command was told of costs.

    Attributes
    ----------
    max_cost : float or None
        What may be spent, in the currency of the prices.
    yes : bool
        Whether to ask models without a question before.
    """

    max_cost: float | None = None
    yes: bool = False

    @classmethod
    def of(cls, options: Any) -> Consent:
        """Return what options say."""
        return cls(getattr(options, "max_cost", None), getattr(options, "yes", False))


class RowsToAsk(NamedTuple):
    """Rows that LFs will be applied to: all of them, or the first of `n_total`."""

    batch: Any
    n_total: int | None = None


@contextmanager
def within_budget(max_cost: float | None) -> Iterator[None]:
    """Keep what prompted LFs spend on all tables of a command to a limit; None: there is none."""
    if max_cost is None:
        yield
        return
    from spear_amal.prompted_lfs import spending_limit

    with spending_limit(max_cost):
        yield


@contextmanager
def asking_models(
    lfs: Iterable[Any], rows: Callable[[], RowsToAsk], consent: Consent
) -> Iterator[None]:
    """Print what prompted LFs will ask, have it confirmed, and print what it came to.

    Without prompted LFs nothing happens. Somebody is asked at a terminal alone, and if prices are
    known, there is no limit, and the flag --yes was not given.

    Raises
    ------
    InputError
        If the answer is no; nothing was asked then.
    """
    listed = [lf for lf in lfs if getattr(lf, "is_shared", False)]
    if not listed:
        yield
        return
    from spear_amal.prompted_lfs import PromptedLF, spent

    inquiries = {id(lf.inquiry): lf.inquiry for lf in listed if isinstance(lf, PromptedLF)}
    batch, n_total = rows()
    asked = [(i.model, i.forecast(i.texts(batch), n_total)) for i in inquiries.values()]
    announce([(model, forecast) for model, forecast in asked if forecast is not None], consent)
    before = spent()
    try:
        yield
    finally:
        if spent() > before:
            print_status(f"Language models: spent {_amount(spent() - before)}")


def announce(asked: Sequence[tuple[ChatModel, CostForecast]], consent: Consent) -> None:
    """Print what models will be asked and what it costs; have it confirmed.

    Raises
    ------
    InputError
        If the answer is no.
    """
    forecasts = [forecast for _, forecast in asked]
    calls = sum(f.n_requests - f.n_cached for f in forecasts)
    if not calls:
        return
    names = ", ".join(dict.fromkeys(model.name for model, _ in asked))
    places = ", ".join(dict.fromkeys(model.base_url for model, _ in asked))
    cost = _sum_of_costs(forecasts)
    rest = "" if calls == sum(f.n_requests for f in forecasts) else "; others are answered already"
    print_status(
        f"Language models: {calls} calls to {names} at {places}, about "
        f"{sum(f.prompt_tokens for f in forecasts):,.0f} tokens sent and "
        f"{sum(f.answer_tokens for f in forecasts):,.0f} received; cost "
        f"{'unknown, as no prices are given' if cost is None else _amount(cost)}"
        f"{rest}"
    )
    if cost and consent.max_cost is None and not consent.yes and _is_somebody_there():
        import typer

        if not typer.confirm("Ask them?", default=False, err=True):
            raise InputError("no language model was asked, and nothing written")


def _sum_of_costs(forecasts: list[CostForecast]) -> float | None:
    costs = [forecast.cost for forecast in forecasts]
    return None if any(cost is None for cost in costs) else sum(filter(None, costs))


def _amount(cost: float) -> str:
    return f"{cost:.2f}" if cost >= 1 else f"{cost:.2g}"


def _is_somebody_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
