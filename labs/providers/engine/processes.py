"""Running tools to their end, and finding and ending the processes of a cluster.

Called by the engine's network, node, cleanup and provider modules. Long-running components are the supervisor's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from labs.errors import EngineError
from labs.providers.engine.layout import MARKER

POLL_SECONDS = 0.01


def run_tool(argv: Sequence[str], *, stdin: str = "", timeout: float = 30, env: Mapping[str, str] | None = None) -> str:
    """Run a tool to its end and return what it printed.

    Args:
        argv: Program and arguments.
        stdin: Text for its standard input.
        timeout: Longest time it may take, in seconds.
        env: Variables on top of this process's own.

    Raises:
        EngineError: It is missing, failed, or took too long; the message has its last words.
    """
    full = {**os.environ, "LC_ALL": "C", **(env or {})}
    try:
        done = subprocess.run(
            list(argv), input=stdin, capture_output=True, text=True, timeout=timeout, env=full, check=False
        )
    except FileNotFoundError as error:
        raise EngineError(f"{argv[0]} is not installed", hint="run `labs doctor`") from error
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{argv[0]} did not end within {timeout:.0f} s", hint="run `labs doctor`") from error
    if done.returncode != 0:
        # `ip -batch` says why in the last line but one, and where in the last.
        words = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-2:]
        raise EngineError(f"{' '.join(argv[:4])} … failed: {'; '.join(words)}", hint="run `labs doctor`")
    return done.stdout


def pipe_tool(argv: Sequence[str], stream: BinaryIO, *, timeout: float = 600) -> None:
    """Run a tool to its end with a file as its standard input.

    Raises:
        EngineError: It failed or took too long.
    """
    try:
        done = subprocess.run(list(argv), stdin=stream, capture_output=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{argv[0]} failed: {error}", hint="run `labs doctor`") from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise EngineError(f"{argv[0]} failed: {words[-1]}", hint="run `labs doctor`")


def start_time(pid: int) -> int | None:
    """Return when a process began, in clock ticks since boot, or None when there is no such live process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def is_alive(pid: int | None, started: int | None) -> bool:
    """Say whether `pid` is still the process that began at `started`; pids are used again, start times are not."""
    return pid is not None and started is not None and start_time(pid) == started


def marked(root: Path) -> set[int]:
    """Return the processes that belong to the cluster at `root`, found by the marker in their environment."""
    needle = f"{MARKER}={root}\0".encode()
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if needle in (entry / "environ").read_bytes() + b"\0":
                    found.add(int(entry.name))
            except OSError:
                continue  # it ended meanwhile, or is a kernel thread
    return found - {os.getpid()}


def in_namespaces(inodes: set[int]) -> set[int]:
    """Return the processes whose mount namespace is one of `inodes`."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "ns/mnt").stat().st_ino in inodes:
                    found.add(int(entry.name))
            except OSError:
                continue
    return found


def kill(pids: Iterable[int]) -> None:
    """Send SIGKILL to each process; those that ended meanwhile are no error."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def wait_gone(pids: Iterable[int], *, seconds: float = 10) -> set[int]:
    """Wait until none of the processes lives, and return those that still do after `seconds`."""
    deadline = time.monotonic() + seconds
    left = {pid for pid in pids if start_time(pid) is not None}
    while left and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        left = {pid for pid in left if start_time(pid) is not None}
    return left


def memory(pid: int) -> int:
    """Return a process's share of memory in bytes: pages used by several processes count in parts (PSS)."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
