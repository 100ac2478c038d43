"""BERT's tokenizer within a graph: texts to token numbers, as the library tokenizers cuts them.

Everything that the tokenizer does to single characters is asked of it here, character by character,
and goes into tables: what is dropped, made small or stripped of accents, what parts words, and what
is a word of its own. The longest tokens are then found by a walk through a tree of all of them,
from every place of every word at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.export.graph import Graph
from spear_amal.export.letters import characters, class_of
from spear_amal.export.words_graph import (
    FIRST_TEXT,
    matches,
    packed_rows,
    small_ascii,
    with_letters_changed,
)

_END = np.iinfo(np.int64).max
# Characters of nobody: the tokenizer drops them, so that here they can stand for special tokens.
_PRIVATE = 0xE000
_TOO_LONG = chr(_PRIVATE + 0x800)
# Nodes of the tree: the beginnings of a word's first token, and of a later one.
_FIRST, _LATER = 1, 2
NOTHING = -1
_AS_IT_IS = {"padding": None, "truncation": None}  # of a tokenizer that is asked about characters
_BLOCK = 128  # characters that are asked about at once, most of them parts of words


class WordPieceGraph:
    """A tokenizer of BERT's kind within a graph.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    max_length : int
        Tokens of a text at most, the special ones among them.

    Raises
    ------
    InputError
        If the tokenizer is of another kind.
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        content = json.loads(tokenizer.to_str())
        tokenizer = type(tokenizer).from_str(json.dumps(content | _AS_IT_IS))
        kinds = [(content[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer")]
        model = content["model"]
        if [*kinds, model.get("type")] != ["BertNormalizer", "BertPreTokenizer", "WordPiece"]:
            raise InputError(
                f"a tokenizer of the kinds {[*kinds, model.get('type')]} cannot be exported to "
                "ONNX; BERT's can"
            )
        self._prefix = model["continuing_subword_prefix"]
        self._vocabulary: dict[str, int] = dict(model["vocab"])
        self._unknown = self._vocabulary[model["unk_token"]]
        self._most_letters = int(model["max_input_chars_per_word"])
        self._special = [token["content"] for token in content["added_tokens"]]
        takes_more = ("lstrip", "rstrip", "single_word", "normalized")
        if any(token[name] for token in content["added_tokens"] for name in takes_more):
            raise InputError("special tokens that take spaces with them cannot be exported")
        before, after = _frame_of(tokenizer)
        self._before, self._after = before, after
        self._room = max_length - len(before) - len(after)
        before_words = {"normalizer": content["normalizer"]}
        before_words |= {"pre_tokenizer": content["pre_tokenizer"]}
        self._changes, self._spaces, self._alone = _characters_of(json.dumps(before_words))

    def ids(self, graph: Graph, texts: str) -> Any:
        """Return token numbers (n, M) of texts (n,), -1 behind the last of each."""
        words = self._words(graph, texts)
        n_words = graph.op("Shape", words)
        flat = graph.op("Reshape", words, [-1])
        unique, _, inverse, _ = graph.op("Unique", flat, outputs=4, sorted=1)
        pieces = graph.op("Gather", self._pieces(graph, unique), inverse)
        height = graph.op("Slice", n_words, [0], [1])
        by_row = graph.op("Reshape", pieces, graph.op("Concat", height, [-1], axis=0))
        there = graph.op("GreaterOrEqual", by_row, 0)
        rows = graph.op("Gather", graph.op("NonZero", there), 0, axis=0)
        kept = graph.op("Compress", by_row, graph.op("Reshape", there, [-1]))
        packed, _ = packed_rows(graph, rows, height, kept, NOTHING)
        inner = graph.op("Slice", packed, [1, 0], [_END, self._room], [0, 1])
        return self._framed(graph, inner)

    def _words(self, graph: Graph, texts: str) -> Any:
        """Words (n, T) of texts, of which as many as may have a token."""
        texts = graph.op("Concat", [FIRST_TEXT], texts, axis=0)
        stands = {token: chr(_PRIVATE + i) for i, token in enumerate(self._special)}
        texts = with_letters_changed(graph, texts, self._changes, special=stands)
        if self._changes.get("A") == "a":
            texts = small_ascii(graph, texts)
        alone = class_of([*self._alone, *stands.values()])
        parting = class_of([*self._alone, *stands.values(), *self._spaces])
        words = matches(graph, texts, f"{alone}|[^{parting[1:]}+")
        return graph.columns(words, [0], [max(self._room, 1)])

    def _pieces(self, graph: Graph, words: str) -> Any:
        """Token numbers (u, P) of words (u,), -1 behind the last of each."""
        long = graph.op("RegexFullMatch", words, pattern=f"(?s).{{{self._most_letters + 1},}}")
        words = graph.op("Where", long, [_TOO_LONG], words)
        tree, of_node, letters, deepest = self._tree()
        characters_ = graph.tokens(words, separators=[""])
        known = graph.encode(characters_, letters | {"": NOTHING}, 0)
        is_letter = graph.op("GreaterOrEqual", known, 0)
        n_letters = graph.op("ReduceSum", graph.cast(is_letter, "INT64"), [1], keepdims=1)
        codes = graph.op("Max", known, 0)
        shape, width = graph.op("Shape", codes), graph.size(codes, 1)
        later = graph.op("Expand", _LATER, shape)
        first = graph.op("Expand", _FIRST, graph.op("Concat", graph.size(codes, 0), [1], axis=0))
        nodes = graph.op("Concat", first, graph.columns(later, [1], [_END]), axis=1)
        base = len(letters) + 1

        def step(
            body: Graph, trip: str, codes: str, nodes: str, best: str, lengths: str
        ) -> tuple[str, ...]:
            keys = body.op("Add", body.op("Mul", nodes, base), codes)
            nodes = body.encode(keys, tree, 0)
            token = body.op("Gather", of_node, nodes)
            better = body.op("GreaterOrEqual", token, 0)
            length = body.op("Add", trip, 1)
            shifted = body.op("Pad", codes, [0, 0, 0, 1], 0)
            return (
                body.columns(shifted, [1], [_END]),
                nodes,
                body.op("Where", better, token, best),
                body.op("Where", better, length, lengths),
            )

        none = graph.op("Expand", NOTHING, shape)
        zeros = graph.op("Expand", 0, shape)
        trips = graph.op("Min", graph.op("Squeeze", width), deepest)
        _, _, best, lengths = graph.loop(trips, [codes, nodes, none, zeros], step, ["INT64"] * 4)
        return self._chained(graph, best, lengths, n_letters)

    def _chained(self, graph: Graph, best: str, lengths: str, n_letters: str) -> Any:
        """Tokens (u, P) one after the other; the unknown one where a word has a gap."""
        best = graph.op("Pad", best, [0, 0, 0, 1], NOTHING)
        lengths = graph.op("Pad", lengths, [0, 0, 0, 1], 0)
        height = graph.op("Concat", graph.size(best, 0), [1], axis=0)

        def step(body: Graph, _: str, place: str, tokens: str) -> tuple[str, ...]:
            token = body.op("GatherElements", best, place, axis=1)
            length = body.op("GatherElements", lengths, place, axis=1)
            return body.op("Add", place, length), body.op("Concat", tokens, token, axis=1)

        start = graph.op("Expand", 0, height)
        empty = graph.columns(graph.op("Expand", NOTHING, height), [0], [0])
        longest = graph.op("ReduceMax", n_letters, keepdims=0)
        end, tokens = graph.loop(longest, [start, empty], step, ["INT64", "INT64"])
        broken = graph.op("Less", end, n_letters)
        blank = graph.op("Expand", NOTHING, graph.op("Shape", tokens))
        unknown = graph.op("Expand", self._unknown, height)
        unknown = graph.op("Concat", unknown, graph.columns(blank, [1], [_END]), axis=1)
        return graph.op("Where", broken, unknown, tokens)

    def _tree(self) -> tuple[dict[int, int], np.ndarray, dict[str, int], int]:
        """Return edges (node and letter to node), tokens of nodes, numbers of letters, depth."""
        tokens = {(_FIRST, token): number for token, number in self._vocabulary.items()}
        n = len(self._prefix)
        tokens |= {
            (_LATER, token[n:]): number
            for token, number in self._vocabulary.items()
            if token.startswith(self._prefix) and token != self._prefix
        }
        tokens |= {
            (_FIRST, chr(_PRIVATE + i)): self._vocabulary[token]
            for i, token in enumerate(self._special)
        }
        found = sorted({letter for _, token in tokens for letter in token})
        letters = {letter: number + 1 for number, letter in enumerate(found)}
        base, n_nodes = len(letters) + 1, _LATER + 1
        tree: dict[int, int] = {}
        of_node: dict[int, int] = {}
        for (node, token), number in tokens.items():
            for letter in token:
                key = node * base + letters[letter]
                if key not in tree:
                    tree[key] = n_nodes
                    n_nodes += 1
                node = tree[key]
            of_node[node] = number
        table = np.full(n_nodes, NOTHING, dtype=np.int64)
        table[list(of_node)] = list(of_node.values())
        return tree, table, letters, max(len(token) for _, token in tokens)

    def _framed(self, graph: Graph, inner: str) -> Any:
        """Return tokens (n, M) with the special ones before the first and behind the last."""
        height = graph.op("Concat", graph.size(inner, 0), [1], axis=0)
        blank = graph.op("Expand", NOTHING, height)
        before = [graph.op("Expand", number, height) for number in self._before]
        parts = [*before, inner, *([blank] * len(self._after))]
        whole = graph.op("Concat", *parts, axis=1)
        n_inner = graph.op(
            "ReduceSum",
            graph.cast(graph.op("GreaterOrEqual", inner, 0), "INT64"),
            [1],
            keepdims=1,
        )
        places = graph.op("Range", 0, graph.op("Squeeze", graph.size(whole, 1)), 1)
        for i, number in enumerate(self._after):
            place = graph.op("Add", n_inner, len(self._before) + i)
            whole = graph.op("Where", graph.op("Equal", places, place), number, whole)
        return whole


def _frame_of(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens that every text has before and behind its own."""
    own = len(tokenizer.encode("a", add_special_tokens=False).ids)
    encoding = tokenizer.encode("a")
    ids, special = encoding.ids, encoding.special_tokens_mask
    begin = special.index(0)
    return ids[:begin], ids[begin + own :]


@lru_cache(maxsize=4)
def _characters_of(before_words: str) -> tuple[dict[str, str], list[str], list[str]]:
    """Return what a tokenizer changes, what parts words, and what is a word of its own.

    `before_words` is JSON of its two parts that see characters.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece

    empty = json.loads(Tokenizer(WordPiece({"?": 0}, unk_token="?")).to_str())
    tokenizer = Tokenizer.from_str(json.dumps(empty | json.loads(before_words)))
    mark = "|"
    letters = [one for one in characters() if one != mark]
    normalize = tokenizer.normalizer.normalize_str
    odd = _of_other_blocks(letters, lambda block: normalize(block) == block)
    made_of = dict(zip(odd, normalize(mark.join(odd)).split(mark), strict=True))
    kinds = _kinds_of(tokenizer.pre_tokenizer, letters)
    changes: dict[str, str] = {}
    spaces, alone = [], [mark]
    for one in [*odd, *(letter for letter in kinds if letter not in made_of)]:
        made = made_of.get(one, one)
        if made == " ":
            spaces.append(one)
        elif made == f" {one} ":
            alone.append(one)
        elif made != one:
            changes[one] = made
        elif one in kinds:
            (alone if kinds[one] else spaces).append(one)
    return changes, spaces, alone


def _of_other_blocks(letters: list[str], is_plain: Callable[[str], bool]) -> list[str]:
    """Return the letters of blocks that are not plain as a whole, which most are."""
    blocks = ("".join(letters[at : at + _BLOCK]) for at in range(0, len(letters), _BLOCK))
    return [letter for block in blocks if not is_plain(block) for letter in block]


def _kinds_of(pre_tokenizer: Any, letters: list[str]) -> dict[str, bool]:
    """Return characters that part words, and whether they are words themselves."""
    cut = pre_tokenizer.pre_tokenize_str
    parting = _of_other_blocks(
        letters, lambda block: [end for _, end in cut(block)] == [(0, len(block))]
    )
    pieces = cut("".join(f"a{one}a " for one in parting))
    ends = {start: end for _, (start, end) in pieces}
    return {
        one: 4 * number + 1 in ends
        for number, one in enumerate(parting)
        if ends[4 * number] != 4 * number + 3
    }
