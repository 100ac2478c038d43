"""Every test has clients of its own, and finds what these tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type:
    """Put the fake client in place of the real one."""
    from fake_client import FakeClient

    from spear_amal.prompted_lfs import asking

    monkeypatch.setattr(asking, "ChatClient", FakeClient)
    monkeypatch.setattr(asking, "_clients", {})
    monkeypatch.setattr(FakeClient, "made", [])
    monkeypatch.setattr(FakeClient, "reply", FakeClient.reply)
    return FakeClient
