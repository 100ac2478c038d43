"""Every corpus has a card, and the card says the checksums that the code checks."""

from pathlib import Path

import pytest

from spear_amal.data import CORPORA

CARDS = Path(__file__).parents[2] / "datasets"


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_card_agrees_with_the_code(name):
    card = (CARDS / f"{name}.md").read_text(encoding="utf-8")
    spec = CORPORA[name]
    for file, digest in {**spec.files, **spec.published}.items():
        assert file in card
        assert f"`{digest}`" in card
    for source in spec.sources:
        named = [getattr(source, key, "") for key in ("url", "requirement", "spec")]
        assert any(word and word in card for word in named) or "raw address" in card
    for topic in ("| source |", "licence", "columns"):
        assert topic in card


def test_no_card_without_a_corpus_and_no_package_in_the_folder():
    assert {path.stem for path in CARDS.glob("*.md")} - {"README"} == set(CORPORA)
    assert not (CARDS / "__init__.py").exists()
