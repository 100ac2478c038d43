"""Texts with what was found in them: cut into pieces that are marked or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_BEFORE = 0.35  # of an excerpt, the share that may stand before the first marked piece


def pieces(
    text: str, spans: Iterable[tuple[int, int]] = (), width: int | None = None
) -> list[tuple[str, bool]]:
    """Return the pieces of a text in order, each with whether it is marked.

    Parameters
    ----------
    text : str
    spans : iterable of (int, int)
        Start and end of marked pieces, in characters; they may overlap and come in any order.
    width : int, optional
        Return an excerpt of about so many characters, with what is marked first in it; where it is
        cut, an ellipsis stands.

    Examples
    --------
    >>> pieces("a free prize", [(2, 6)])
    [('a ', False), ('free', True), (' prize', False)]
    >>> pieces("it is a free prize for you", [(8, 12)], width=14)
    [('…a ', False), ('free', True), (' prize…', False)]
    """
    marked = list(_apart(spans, len(text)))
    start, end = _window(text, marked, width)
    cut = ["…" if start else "", "…" if end < len(text) else ""]
    parts, place = [], start
    for first, last in marked:
        first, last = max(first, start), min(last, end)
        if last > first:
            parts += [(text[place:first], False), (text[first:last], True)]
            place = last
    parts.append((text[place:end], False))
    parts = [(cut[0], False), *parts, (cut[1], False)]
    return list(_joined(parts))


def _apart(spans: Iterable[tuple[int, int]], length: int) -> Iterator[tuple[int, int]]:
    """Yield spans in order, cut so that none overlaps another."""
    reached = 0
    for start, end in sorted(spans):
        start, end = max(start, reached), min(end, length)
        if end > start:
            yield start, end
            reached = end


def _window(text: str, marked: list[tuple[int, int]], width: int | None) -> tuple[int, int]:
    """Return where an excerpt begins and ends: between words where there is one near."""
    if width is None or len(text) <= width:
        return 0, len(text)
    first = marked[0][0] if marked else 0
    start = max(0, min(first - int(_BEFORE * width), len(text) - width))
    end = start + width
    if start and (space := text.find(" ", start, first)) >= 0:
        start = space + 1
    if end < len(text) and (space := text.rfind(" ", first + 1, end + 1)) >= 0:
        end = max(space, min(marked[0][1], end) if marked else space)
    return start, end


def _joined(parts: list[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    """Yield pieces, neighbours of one kind as one, without empty ones."""
    text, kind = "", False
    for piece, is_marked in parts:
        if not piece:
            continue
        if text and is_marked != kind:
            yield text, kind
            text = ""
        text, kind = text + piece, is_marked
    if text:
        yield text, kind
