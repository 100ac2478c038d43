"""The LF that asks a language model, which ``spear-amal init --llm`` adds to the file of LFs."""

from __future__ import annotations

import json
from collections.abc import Mapping

_FIRST_IMPORT = "from spear_amal.labeling import"
_IMPORTS = "from spear_amal.llm import ChatModel\nfrom spear_amal.prompted_lfs import prompt_lf\n"
_SECTION = """

# A language model, asked about each row. Any server will do that speaks the protocol of OpenAI; one
# on this machine, from which no row leaves:
#
#     llama-server -m MODEL.gguf --port 8080   # llama.cpp
#     ollama serve                             # Ollama: base_url="http://127.0.0.1:11434/v1"
#
# Answers are kept on disk: no row is asked, or paid, twice for the same question, and a run
# that was stopped goes on. `spear-amal apply` says before the first call how many there will be.
MODEL = ChatModel(name="local", base_url="http://127.0.0.1:8080/v1")

# A hosted one: rows leave this machine, and cost money. The key stays in the environment; prices
# are those of a million tokens, for the forecast and for `spear-amal apply --max-cost 2`.
# MODEL = ChatModel(
#     name="NAME",
#     base_url="https://HOST/v1",
#     key_variable="MY_LLM_KEY",
#     input_price=0.15,
#     output_price=0.6,
#     requests_per_minute=500,
# )

# What belongs to each class, in words. The model may always answer that it cannot tell.
asks_model = prompt_lf(
    "asks_model",
    "Text: {{text}}",
    {classes},
    model=MODEL,
    # Votes come with scores, by the log-probabilities of tokens. For a server that gives none:
    # score="none",
)
"""


def with_prompted_lf(lfs: str, classes: Mapping[str, str]) -> str:
    """Return the text of a file of LFs with one more, which asks a language model.

    Parameters
    ----------
    lfs : str
    classes : mapping of class to description
    """
    entries = [
        f"        {json.dumps(name, ensure_ascii=False)}: {json.dumps(about, ensure_ascii=False)},"
        for name, about in classes.items()
    ]
    lines = lfs.splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if line.startswith(_FIRST_IMPORT)) + 1
    head, rest = "".join(lines[:place]), "".join(lines[place:])
    return head + _IMPORTS + rest + _SECTION.format(classes="\n".join(["{", *entries, "    }"]))
