"""A terminal, and a state folder of its own for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tty_driver import Terminal

from labs import shell


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal of 80 × 24."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed: apt-get install tmux")
    made = Terminal()
    yield made
    made.close()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of a cluster that nobody else uses, with a state folder of its own."""
    monkeypatch.setenv("LABS_STATE", str(tmp_path / "state"))
    name = f"test-{tmp_path.name[-12:].replace('_', '-').strip('-')}"
    yield name
    shell.close(name)
