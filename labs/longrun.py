"""Running a program that takes seconds to minutes: polled, in a process group of its own that never outlives us.

Called by the builder of the components and by the images. Not for the engine's supervised processes, which live on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from labs import paths, tools
from labs.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_EVENT_SECONDS = 1.0
_STOP_SECONDS = 5.0
_TAIL_LINES = 12


class CommandFailedError(Exception):
    """A program ended with something other than 0.

    Args:
        program: Its name.
        code: Its exit status; negative is the signal that ended it.
        output: The end of what it wrote, both streams together.
    """

    def __init__(self, program: str, code: int, output: str) -> None:
        self.program = program
        self.code = code
        self.output = output
        super().__init__(f"{program} ended with {code}: {self.reason}")

    @property
    def reason(self) -> str:
        """Return its last line that says something."""
        return next((line.strip() for line in reversed(self.output.splitlines()) if line.strip()), "it said nothing")


def run(
    command: list[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    progress: Callable[[float], None] | None = None,
    log: Path | None = None,
    own_world: bool = False,
) -> None:
    """Run a program to its end.

    Args:
        command: Program and arguments.
        env: Its whole environment; ours when left out.
        cwd: Its working directory.
        progress: Called about once a second with the elapsed seconds. When it raises, the program is stopped: that is
            how a caller cancels.
        log: File that keeps what the program writes, for a person; nothing is kept when left out.
        own_world: Give it mount and process namespaces of its own, when we are root. What it starts and mounts then
            goes with it, and removing a folder of ours can never reach through a mount into /dev or /sys.

    Raises:
        CommandFailedError: It ended with something other than 0.
        MachineError: It is not installed.
    """
    with log.open("w+b") if log else tempfile.TemporaryFile() as output:
        try:
            child = subprocess.Popen(
                [*_guard(own_world=own_world), *command],
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise MachineError(
                f"The program {command[0]} is not installed", hint=tools.install_hint([command[0]])
            ) from error
        try:
            _wait(child, progress)
        except BaseException:
            _stop(child)
            raise
        if child.returncode != 0:
            raise CommandFailedError(os.path.basename(command[0]), child.returncode, _tail(output.fileno()))  # noqa: PTH119 - a bare name stays one


def _wait(child: subprocess.Popen[bytes], progress: Callable[[float], None] | None) -> None:
    started = time.monotonic()
    while True:
        try:
            child.wait(timeout=_EVENT_SECONDS)
        except subprocess.TimeoutExpired:
            if progress:
                progress(time.monotonic() - started)
        else:
            return


def _stop(child: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=_STOP_SECONDS)
    # The leader may go before its children do: whatever is left of the group goes now.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def _guard(*, own_world: bool) -> list[str]:
    """Return the prefix that ends a child when we are killed with -9; `preexec_fn` is not safe in threads."""
    setpriv, unshare = tools.find("setpriv"), tools.find("unshare")
    if own_world and setpriv and unshare and os.geteuid() == 0:
        namespaces = ["--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return [str(setpriv), "--pdeathsig", "KILL", "--", str(unshare), *namespaces, "--"]
    return [str(setpriv), "--pdeathsig", "TERM", "--"] if setpriv else []


def _tail(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    text = os.pread(descriptor, 8192, max(0, size - 8192)).decode(errors="replace")
    return "\n".join(text.strip().splitlines()[-_TAIL_LINES:])


def log_file(name: str) -> Path:
    """Return the place of the log of one long job, in the cache folder; the next job of that name overwrites it."""
    folder = paths.cache_dir() / "logs"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.log"
