"""What holds for all tests."""

import gc
import os

# Small tensors, and two test processes at once: more threads only wait for each other. Set before
# torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# What is imported and collected stays: looking for garbage in it takes a fifth of the time.
gc.disable()

# Time limits per example would fail on a busy machine: speed is measured in benchmarks/.
settings.register_profile("here", deadline=None)
settings.load_profile("here")


def pytest_collection_finish() -> None:
    """From here on garbage is collected, and looked for among new objects only."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """No source can be reached, and no folder of the user's is seen."""
    from spear_amal.data.download import sources

    def refuse(*arguments):
        raise sources.SourceError("tests do not reach the network")

    monkeypatch.setattr(sources, "download", refuse)
    monkeypatch.setattr(sources, "run_tool", refuse)
    monkeypatch.delenv("SPEAR_AMAL_DATA", raising=False)
    monkeypatch.setenv("SPEAR_AMAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def in_parts():
    """Write the rows of a label matrix, cut at some places, as a folder of votes."""
    from spear_amal.votes.parquet import finish_votes, write_part

    def write(folder, L, cuts):
        ends = zip([0, *cuts], [*cuts, len(L)], strict=True)
        parts = [write_part(folder, i, L[first:last]) for i, (first, last) in enumerate(ends)]
        fields = {"lf_names": L.lf_names, "classes": L.classes, "lf_classes": L.lf_classes}
        return finish_votes(folder, parts, **fields, continuous=L.continuous)

    return write
