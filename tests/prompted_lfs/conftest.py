"""Every test has clients of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_client import FakeClient

from spear_amal.prompted_lfs import asking


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeClient]]:
    """Put the fake client in place of the real one."""
    monkeypatch.setattr(asking, "ChatClient", FakeClient)
    monkeypatch.setattr(asking, "_clients", {})
    monkeypatch.setattr(FakeClient, "made", [])
    monkeypatch.setattr(FakeClient, "reply", FakeClient.reply)
    yield FakeClient
