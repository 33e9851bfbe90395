"""Worlds for the screens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tui.fake import FakeGateway, halfway


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FakeGateway]:
    """A learner in the middle of the course, the clock stopped."""
    made = halfway(tmp_path)
    yield made
    made.hold.set()
