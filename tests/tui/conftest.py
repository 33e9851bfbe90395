"""Worlds for the screens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tui.fake import FakeGateway, halfway


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the screens their colours, whatever the one who runs the tests wants for their own terminal."""
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FakeGateway]:
    """A learner in the middle of the course, the clock stopped."""
    made = halfway(tmp_path)
    yield made
    made.hold.set()
