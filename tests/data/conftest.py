"""Every test of this folder runs without a network and away from the user's own folders."""

import os

import pytest

REAL_DATA = os.environ.get("SPEAR_AMAL_DATA")


@pytest.fixture(autouse=True)
def away(no_network):
    """Hold for every test of this folder."""


@pytest.fixture
def real_data(monkeypatch):
    """The folder of real corpora, made known to the library; skips where there is none."""
    if not REAL_DATA:
        pytest.skip("SPEAR_AMAL_DATA names no folder with the real corpora")
    monkeypatch.setenv("SPEAR_AMAL_DATA", REAL_DATA)
    return REAL_DATA
