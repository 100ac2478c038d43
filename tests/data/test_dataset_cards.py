"""Every corpus has a card, and the card says the checksums that the code checks."""

from pathlib import Path

import pytest

from spear_amal.data import CORPORA, IMAGES
from spear_amal.data.images import GENERATED
from spear_amal.data.images.cifar_n import DIGEST
from spear_amal.data.images.cifar_n import SOURCES as HUMAN_LABELS

CARDS = Path(__file__).parents[2] / "datasets"


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_card_agrees_with_the_code(name):
    spec = CORPORA[name]
    card = spec.card.read_text(encoding="utf-8")
    for file, digest in {**spec.files, **spec.published}.items():
        assert file in card
        assert f"`{digest}`" in card
    for source in spec.sources:
        named = [getattr(source, key, "") for key in ("url", "requirement", "spec")]
        assert any(word and word in card for word in named) or "raw address" in card
    for topic in ("| source |", "licence", "columns"):
        assert topic in card


# A user's own folders are no published set and need no card.
IMAGE_SETS = sorted(set(IMAGES) - {"folders"})


@pytest.mark.parametrize("name", IMAGE_SETS)
def test_image_card_agrees_with_the_code(name):
    spec = IMAGES[name]
    card = spec.card.read_text(encoding="utf-8")
    for file, digest in spec.md5.items():
        assert f"| `{file}` | `{digest}` |" in card
    if spec.digest:
        assert f"`{spec.digest}`" in card
    for source in spec.sources + (HUMAN_LABELS if name == "cifar10" else ()):
        named = [getattr(source, key, "") for key in ("name", "requirement", "spec")]
        assert any(word and word in card for word in named) or source.names[-1] in card
    for topic in ("| source |", "| licence |", "| columns |", "| split |"):
        assert topic in card


def test_human_labels_are_on_the_card_of_their_images():
    assert f"`{DIGEST}`" in (CARDS / "cifar10.md").read_text(encoding="utf-8")


def test_no_card_without_a_corpus_and_no_package_in_the_folder():
    images = {name.replace("-", "_") for name in (*IMAGE_SETS, *GENERATED)}
    assert {path.stem for path in CARDS.glob("*.md")} - {"README"} == set(CORPORA) | images
    assert not (CARDS / "__init__.py").exists()
