"""Pieces of texts, links to views, and the parts that templates share."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("jinja2")

from spear_amal.workbench.highlight import pieces
from spear_amal.workbench.render import environment, link, load_templates

SPANS = st.lists(st.tuples(st.integers(-2, 60), st.integers(-2, 60)))


def macro(name: str, /, *args: Any, **kwargs: Any) -> str:
    module = environment().get_template("_macros.html").module
    return str(getattr(module, name)(*args, **kwargs))


def test_templates_are_there_before_a_page_asks() -> None:
    load_templates()
    assert len(environment().list_templates(["html"])) <= len(environment().cache)


@given(st.text(max_size=50), SPANS)
def test_pieces_are_the_text(text: str, spans: list[tuple[int, int]]) -> None:
    parts = pieces(text, spans)
    assert "".join(piece for piece, _ in parts) == text
    marked = [m for piece, m in parts for _ in piece]
    inside = [any(start <= i < end for start, end in spans) for i in range(len(text))]
    assert marked == inside


@given(st.text(min_size=30, max_size=50), st.integers(0, 29), st.integers(10, 25))
def test_an_excerpt_holds_the_first_match(text: str, start: int, width: int) -> None:
    parts = pieces(text, [(start, start + 1)], width)
    assert [piece for piece, is_marked in parts if is_marked] == [text[start]]
    assert sum(len(piece) for piece, _ in parts) <= width + 2


def test_markup_is_shown_and_never_run() -> None:
    nasty = "<b>\"x\" onload='y'"
    for part in (
        macro("highlighted", nasty, [(0, 2)]),
        macro("class_chip", 0, (nasty,)),
        macro("interval", 0.5, 0.4, 0.6, name=nasty),
        macro("done", nasty),
    ):
        assert "<b>" not in part
        assert 'title="<' not in part and '"x"' not in part
        assert "&lt;" in part


@pytest.mark.parametrize(
    "low, high, says", [(0.6, 0.9, "good"), (0.1, 0.3, "bad"), (0.4, 0.6, "soft")]
)
def test_an_interval_says_where_chance_is(low: float, high: float, says: str) -> None:
    part = macro("interval", (low + high) / 2, low, high, 0.5)
    assert f'class="interval {says}"' in part
    assert "chance 50.0" in part


def test_an_unknown_precision_is_a_dash() -> None:
    assert "svg" not in macro("interval", float("nan"), 0.0, 1.0, 0.5)


def test_links_keep_what_is_not_changed() -> None:
    query = {"q": "a&b", "sort": "-votes", "page": "2"}
    assert link("/rows", query, page=None) == "/rows?q=a%26b&sort=-votes"
    assert link("/rows", {}) == "/rows"
