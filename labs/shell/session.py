"""Opens and closes the learner's shell: a tmux session per task on a server of the lab's own, or a plain bash.

The session outlives the screen: it goes on when the TUI is left or crashes, and a second terminal may attach to it. It
ends with `close`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from labs import paths
from labs.attempts.service import Attempt
from labs.course.models import Scenario
from labs.errors import MachineError
from labs.providers.base import ClusterHandle
from labs.shell import toolbox

TIMEOUT = 10.0  # seconds; tmux answers in milliseconds, or its server hangs


@dataclass(frozen=True, slots=True)
class Shell:
    """An open shell.

    Attributes:
        argv: Command that puts the caller's terminal into it.
        env: Environment for that command: the caller's, without any trace of a tmux around us.
        cwd: Folder for that command.
        server: Name of the tmux server (`tmux -L`), empty for a plain bash.
        session: Name of the tmux session, empty for a plain bash.
        folder: Its private folder.
    """

    argv: list[str]
    env: dict[str, str] = field(repr=False)
    cwd: Path
    server: str
    session: str
    folder: Path

    def alive(self) -> bool:
        """Whether the session runs; a plain bash lives only while it is attached."""
        return bool(self.server) and _has(self.server, self.session)

    def detach(self) -> None:
        """Pull the learner back: every terminal that looks at the session is let go, the session goes on."""
        if self.server:
            _tmux(self.server, "detach-client", "-s", f"={self.session}")

    def kill(self) -> None:
        """End the session with all that runs in it and remove its private folder. No error when it is gone already."""
        if self.server:
            _tmux(self.server, "kill-session", "-t", f"={self.session}")
            _sweep(self.server)
        shutil.rmtree(self.folder, ignore_errors=True)


def open_shell(handle: ClusterHandle, attempt: Attempt, scenario: Scenario) -> Shell:
    """Return the shell of an attempt, made when there is none.

    A session of an earlier attempt at the task is ended first.

    Args:
        handle: The running cluster.
        attempt: The attempt; its start drives the countdown.
        scenario: The scenario of the attempt.

    Raises:
        MachineError: There is no bash, or tmux did not start.
    """
    bash = shutil.which("bash")
    if bash is None:
        raise MachineError("there is no bash on this machine", hint="apt-get install bash")
    folder = _root(handle.name) / scenario.id
    tools = toolbox.build(folder, handle, attempt, scenario)
    env = {key: value for key, value in os.environ.items() if key not in {"TMUX", "TMUX_PANE"}}
    if shutil.which("tmux") is None:
        return Shell([bash, "--noprofile", "--rcfile", str(tools.rc), "-i"], env, attempt.workspace, "", "", folder)
    server = _server(handle.name)
    shell = Shell(
        ["tmux", "-L", server, "attach-session", "-t", f"={scenario.id}"],
        env,
        attempt.workspace,
        server,
        scenario.id,
        folder,
    )
    if shell.alive() and _option(server, scenario.id, "@attempt") != attempt.id:
        _tmux(server, "kill-session", "-t", f"={scenario.id}")
    if not shell.alive():
        _create(shell, tools, bash, attempt)
    return shell


def close(cluster: str, scenario_id: str | None = None) -> None:
    """End the shell of a task, or all shells of a cluster, and remove what they left. No error when there are none.

    Args:
        cluster: Name of the cluster.
        scenario_id: The task; None for all of them.
    """
    server, root = _server(cluster), _root(cluster)
    if shutil.which("tmux") is not None:
        _tmux(server, *(("kill-session", "-t", f"={scenario_id}") if scenario_id else ("kill-server",)))
        _sweep(server)
    shutil.rmtree(root / scenario_id if scenario_id else root, ignore_errors=True)


def _create(shell: Shell, tools: toolbox.Tools, bash: str, attempt: Attempt) -> None:
    learner = f"exec {bash} --noprofile --rcfile '{tools.rc}' -i"
    command = [
        "tmux",
        "-L",
        shell.server,
        "-f",
        str(tools.conf),
        "new-session",
        "-d",
        "-s",
        shell.session,
        "-n",
        "shell",
    ]
    made = subprocess.run(
        [*command, "-x", "120", "-y", "40", "-c", str(shell.cwd), learner],
        env=shell.env,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if made.returncode != 0:
        raise MachineError(f"tmux did not start the shell: {made.stderr.strip()}", hint="run: labs doctor")
    # per session, because one server holds the shells of several tasks; `@attempt` tells a stale one
    for option, value in (
        ("@attempt", attempt.id),
        ("default-command", learner),
        ("status-left", f" {shell.session} "),
        ("status-right", f" #({tools.countdown}) · F12 back to the lab "),
    ):
        _tmux(shell.server, "set-option", "-t", f"={shell.session}:", option, value)


def _server(cluster: str) -> str:
    return f"labs-{cluster}"


def _root(cluster: str) -> Path:
    return paths.state_dir() / "shells" / cluster


def _has(server: str, session: str) -> bool:
    return _tmux(server, "has-session", "-t", f"={session}").returncode == 0


def _sweep(server: str) -> None:
    """Remove the socket that a tmux server leaves behind when its last session ended."""
    if _tmux(server, "list-sessions").returncode != 0:
        folder = Path(os.environ.get("TMUX_TMPDIR") or "/tmp")  # noqa: S108 - where tmux puts its sockets
        (folder / f"tmux-{os.getuid()}" / server).unlink(missing_ok=True)


def _option(server: str, session: str, option: str) -> str:
    return _tmux(server, "show-options", "-v", "-t", f"={session}:", option).stdout.strip()


def _tmux(server: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a tmux command; its failure is an answer (there is no such session, no server)."""
    env = {key: value for key, value in os.environ.items() if key not in {"TMUX", "TMUX_PANE"}}
    return subprocess.run(
        ["tmux", "-L", server, *arguments], env=env, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
