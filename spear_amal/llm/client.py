"""The door: questions go to a language model, answers come back, are kept and are paid once."""

from __future__ import annotations

from collections.abc import Sequence

from spear_amal._typing import PathLike
from spear_amal.llm.chat import ChatAnswer, ChatFailure, ChatRequest
from spear_amal.llm.chat_model import ChatModel
from spear_amal.llm.spending import CostForecast


class ChatClient:
    """A client of an OpenAI-compatible server that keeps every answer on disk.

    Parameters
    ----------
    model : ChatModel
    cache_dir : path, optional
        Folder of the file that keeps answers; default: the package's cache folder.
    max_cost : float, optional
        What this client may spend, in the currency of the model's prices.
    progress : bool
    """

    def __init__(
        self,
        model: ChatModel,
        cache_dir: PathLike | None = None,
        max_cost: float | None = None,
        progress: bool = False,
    ) -> None:
        self.model = model
        self.cache_dir = cache_dir
        self.max_cost = max_cost
        self.progress = progress

    @property
    def spent(self) -> float:
        """What this client has spent so far; 0 where prices are unknown."""
        raise NotImplementedError

    def ask(self, requests: Sequence[ChatRequest]) -> list[ChatAnswer | ChatFailure]:
        """Return the answers of a list of requests, in its order.

        Raises
        ------
        InputError
            If the server refuses what is asked of it: key, model's name or parameters.
        BudgetError
            If `max_cost` does not suffice; answers so far are kept.
        ChatServerError
            If the server is down, or fails again and again; answers so far are kept.
        """
        raise NotImplementedError

    def forecast(
        self, requests: Sequence[ChatRequest], n_total: int | None = None, n_calls: int = 0
    ) -> CostForecast:
        """Estimate what requests will cost and how long they will take.

        Parameters
        ----------
        requests : sequence of ChatRequest
            All of them, or a sample.
        n_total : int, optional
            How many there are in all, where `requests` are a sample.
        n_calls : int
            How many to ask for real, so that tokens are those that the server counts. They are
            paid and kept. 0: nothing is sent.
        """
        raise NotImplementedError
