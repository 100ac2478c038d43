"""Every test of this folder runs without a network and away from the user's own folders."""

import os

import pytest

from spear_amal.data import sources

REAL_DATA = os.environ.get("SPEAR_AMAL_DATA")


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    def refuse(*arguments):
        raise sources.SourceError("tests do not reach the network")

    monkeypatch.setattr(sources, "download", refuse)
    monkeypatch.setattr(sources, "run_tool", refuse)
    monkeypatch.delenv("SPEAR_AMAL_DATA", raising=False)
    monkeypatch.setenv("SPEAR_AMAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def real_data(monkeypatch):
    """The folder of real corpora, made known to the library; skips where there is none."""
    if not REAL_DATA:
        pytest.skip("SPEAR_AMAL_DATA names no folder with the real corpora")
    monkeypatch.setenv("SPEAR_AMAL_DATA", REAL_DATA)
    return REAL_DATA
