"""The app in a real terminal of 80 × 24: it opens, is walked with keys, hands the terminal over and takes it back."""

from __future__ import annotations

import os
import sys

import pytest
from tty_driver import Terminal

pytestmark = pytest.mark.terminal


@pytest.fixture
def app(terminal: Terminal, cluster: str) -> Terminal:
    """The app on a world without a cluster."""
    env = {"LABS_STATE": os.environ["LABS_STATE"], "TERM": "screen-256color"}
    terminal.run([sys.executable, "-m", "tui.fake", "--cluster", cluster], env)
    terminal.sees("Kubernetes for ML services")
    terminal.sees("0 of 6 solved")
    return terminal


def test_to_a_solved_task_through_the_learners_shell(app: Terminal) -> None:
    app.keys("Enter")
    app.sees("not graded yet")
    app.keys("c")
    app.sees("✗ Not yet")
    app.keys("s")
    app.sees("F12 back to the lab")
    app.type("touch fixed; ls")
    app.sees("fixed")
    app.keys("F12")
    app.sees("✗ Not yet")
    app.keys("s")
    app.sees("touch fixed; ls")
    app.keys("F12")
    app.sees("✗ Not yet")
    app.keys("c")
    app.sees("✓ Passed")
    app.keys("q")
    app.sees("1 of 6 solved")
    app.keys("q")
    app.sees("left with 0")


def test_leaving_restores_the_terminal(app: Terminal) -> None:
    app.keys("q")
    shown = app.sees("left with 0")
    assert "Traceback" not in shown
