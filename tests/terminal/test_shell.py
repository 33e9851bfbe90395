"""The learner's shell, in a real tmux, without a cluster."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from tty_driver import Terminal

from grader.capabilities import Capabilities
from labs import paths
from labs.attempts.service import Attempt
from labs.providers.base import ClusterHandle
from labs.shell import Shell, close, open_shell
from tui.fake import KUBECONFIG, FakeGateway

pytestmark = pytest.mark.terminal
TASK = "hangs-on-connect"


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    """An attempt that began 70 seconds ago; its target is four minutes."""
    world = FakeGateway(folder=tmp_path)
    return replace(world.start(TASK, lambda _event: None), started=datetime.now(UTC) - timedelta(seconds=70))


@pytest.fixture
def handle(cluster: str, tmp_path: Path) -> ClusterHandle:
    """A cluster that is only a kubeconfig."""
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG, encoding="utf-8")
    return ClusterHandle(cluster, "fake", "id", path, Capabilities())


@pytest.fixture
def opened(handle: ClusterHandle, attempt: Attempt, tmp_path: Path) -> Iterator[Shell]:
    """The shell of the attempt."""
    yield open_shell(handle, attempt, FakeGateway(folder=tmp_path).scenario(TASK))
    close(handle.name)


def test_everything_private_is_private(opened: Shell) -> None:
    for path in (opened.folder, *opened.folder.rglob("*")):
        if not path.is_symlink() and path.parent.name != "bin":
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 in ({0} if path.is_file() else {0, 0o055}), path
    assert stat.S_IMODE(opened.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((opened.folder / "kubeconfig").stat().st_mode) == 0o600


def test_the_kubeconfig_stands_in_the_tasks_namespace(opened: Shell) -> None:
    config = yaml.safe_load((opened.folder / "kubeconfig").read_text(encoding="utf-8"))
    assert config["contexts"][0]["context"]["namespace"] == "reco-first"


def test_a_learner_in_the_shell(opened: Shell, terminal: Terminal, attempt: Attempt) -> None:
    terminal.run(opened.argv, opened.env)
    shown = terminal.sees("Commands: task  hint  check  submit  reset")
    assert TASK in shown, "the prompt and the status line name the task"
    terminal.sees("2:")  # 4:00 less 70 seconds and a bit
    terminal.sees("left · F12 back to the lab")
    terminal.type("echo in=$PWD config=$KUBECONFIG")
    terminal.sees(f"in={attempt.workspace}"[:70])
    terminal.type("clear; type -t task hint check submit reset k; echo done")
    assert terminal.sees("\ndone").count("file") == 5
    terminal.type("cd /; tmux new-window")
    terminal.sees("2:bash")
    terminal.sees("Your files")
    terminal.keys("F12")
    terminal.sees("left with 0")
    assert opened.alive(), "F12 detaches, the session goes on"


def test_the_learner_can_be_pulled_back(opened: Shell, terminal: Terminal) -> None:
    terminal.run(opened.argv, opened.env)
    terminal.sees("F12 back to the lab")
    opened.detach()
    terminal.sees("left with 0")
    assert opened.alive()


def test_the_same_attempt_finds_its_session_and_a_new_one_does_not(
    opened: Shell, handle: ClusterHandle, attempt: Attempt, terminal: Terminal, tmp_path: Path
) -> None:
    scenario = FakeGateway(folder=tmp_path).scenario(TASK)
    terminal.run(opened.argv, opened.env)
    terminal.sees("F12 back to the lab")
    terminal.type("MARK=kept; clear")
    again = open_shell(handle, attempt, scenario)
    assert again.argv == opened.argv
    terminal.type("echo mark=$MARK.")
    terminal.sees("mark=kept.")
    open_shell(handle, replace(attempt, id="another"), scenario)
    terminal.sees("left with 0")


def test_nothing_is_left_behind(opened: Shell, handle: ClusterHandle) -> None:
    assert opened.alive()
    close(handle.name, TASK)
    assert not opened.alive()
    assert not opened.folder.exists()
    close(handle.name, TASK)
    close(handle.name)
    assert not (paths.state_dir() / "shells" / handle.name).exists()
    socket = Path(f"/tmp/tmux-{os.getuid()}/{opened.server}")  # noqa: S108 - where tmux puts its sockets
    assert not socket.exists()


def test_without_tmux_the_time_stands_in_the_prompt(
    handle: ClusterHandle,
    attempt: Attempt,
    terminal: Terminal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "sh", "date", "env"):
        (tools / name).symlink_to(next(p for d in os.get_exec_path() if (p := Path(d) / name).exists()))
    with monkeypatch.context() as without:
        without.setenv("PATH", str(tools))
        plain = open_shell(handle, attempt, FakeGateway(folder=tmp_path).scenario(TASK))
    assert not plain.server
    terminal.run(plain.argv, plain.env)
    terminal.sees(f"{TASK} [2:")
    terminal.type("exit")
    terminal.sees("left with 0")
    plain.kill()
    assert not plain.folder.exists()
