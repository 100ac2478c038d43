"""Language models behind OpenAI-compatible servers: requests, answers, what they cost."""

from spear_amal.llm.chat import ChatAnswer, ChatFailure, ChatRequest, TokenChoice
from spear_amal.llm.chat_model import ChatModel

__all__ = ["ChatAnswer", "ChatFailure", "ChatModel", "ChatRequest", "TokenChoice"]
