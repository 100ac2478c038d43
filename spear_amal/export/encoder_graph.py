"""Frozen encoders within a graph: texts to vectors, tokenizer and network included."""

from __future__ import annotations

