"""Language models behind OpenAI-compatible servers: requests, answers, what they cost."""

from spear_amal.llm.chat import ChatAnswer, ChatFailure, ChatRequest, TokenChoice
from spear_amal.llm.chat_model import ChatModel
from spear_amal.llm.client import ChatClient
from spear_amal.llm.spending import BudgetError, ChatServerError, CostForecast

__all__ = [
    "BudgetError",
    "ChatAnswer",
    "ChatClient",
    "ChatFailure",
    "ChatModel",
    "ChatRequest",
    "ChatServerError",
    "CostForecast",
    "TokenChoice",
]
