"""The main job in a real terminal on a real cluster: from the home screen to a passed task, with a fix typed by hand.

`LABS_TEST_CLUSTER=NAME` uses a cluster that runs already, which is quicker while writing tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest
from tty_driver import Terminal

from labs import paths, shell
from labs.course.load import load_course

pytestmark = [pytest.mark.terminal, pytest.mark.cluster]
NAME = "term"
TASK = "hangs-on-connect"
SLOW = 240.0  # seconds for what has to pull, roll out or settle on a loaded machine


@pytest.fixture(scope="module")
def live() -> Iterator[str]:
    """Name of a running cluster, with a state folder of its own unless one was named."""
    running = os.environ.get("LABS_TEST_CLUSTER")
    if running:
        yield running
        shell.close(running, TASK)
        return
    if os.geteuid() != 0:
        pytest.skip("the embedded engine needs root")
    # not pytest's folder: unix sockets lie in the state folder, and their paths must be short
    state = tempfile.mkdtemp(prefix="labs-t-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABS_STATE", state)
        try:
            _labs("up", "--cluster", NAME)
            yield NAME
        finally:
            _labs("down", "--cluster", NAME)
            shutil.rmtree(state, ignore_errors=True)


def _labs(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "labs", *arguments], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_from_start_to_a_passed_task(live: str, terminal: Terminal) -> None:
    env = {key: os.environ[key] for key in ("LABS_STATE",) if key in os.environ}
    env |= {"TERM": "screen-256color", "LABS_DRAFTS": "1"}  # a scenario that was changed today counts too
    terminal.run([sys.executable, "-m", "labs", "--cluster", live], env)
    course = load_course()
    terminal.sees(f"of {len(course.scenarios)} solved")
    terminal.sees(f"● {live} ready · 2 nodes")
    terminal.keys("Home")
    place = [scenario.id for scenario in course.chapters[0].scenarios].index(TASK)
    terminal.keys(*["Down"] * (place + 1), "Enter")
    terminal.sees("The first pod answers only itself")
    terminal.sees("Checks  not graded yet")
    terminal.sees("/ 4:00", within=SLOW)
    terminal.keys("c")
    shown = terminal.sees("✗ Not yet", within=SLOW)
    assert "✗ failed" in shown

    terminal.keys("s")
    terminal.sees("F12 back to the lab")
    terminal.type("clear; kubectl get deployment")
    terminal.sees("0/1")  # the task's namespace is the default one
    terminal.type("clear; k set env deployment/recommender HOST=0.0.0.0")
    terminal.sees("deployment.apps/recommender env updated")
    terminal.type("clear; k rollout status deployment/recommender --timeout=200s")
    terminal.sees("successfully rolled out", within=SLOW)
    terminal.type("clear; check; echo code=$?")
    terminal.sees("code=0", within=SLOW)
    terminal.keys("F12")

    terminal.sees("✗ Not yet")
    terminal.keys("c")
    terminal.sees("✓ Passed", within=SLOW)
    terminal.sees("solved in")
    terminal.keys("x")
    terminal.sees("Stop this task?")
    terminal.keys("y")
    terminal.sees(f"of {len(course.scenarios)} solved", within=SLOW)
    terminal.keys("q")
    terminal.sees("left with 0")
    assert not (paths.state_dir() / "shells" / live / TASK).exists()
