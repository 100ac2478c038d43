"""Frozen encoders within a graph: texts to vectors, tokenizer and network included."""

from __future__ import annotations

from typing import Any

import numpy as np

from spear_amal.data.encoder_backends import WORDLLAMA
from spear_amal.data.encoders import TextEncoder
from spear_amal.data.transformer_folders import find_transformer
from spear_amal.errors import InputError
from spear_amal.export.bert_graph import BertGraph
from spear_amal.export.graph import Graph
from spear_amal.export.wordpiece_graph import WordPieceGraph
