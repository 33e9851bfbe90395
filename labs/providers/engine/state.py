"""Reads what the supervisor wrote, and starts it. Called by the provider, `bringup.py` and the cleanup."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from labs.providers.engine.layout import MARKER, Layout
from labs.providers.engine.plan import write_private
from labs.providers.engine.processes import is_alive, start_time


def read_state(layout: Layout) -> dict[str, Any]:
    """Return the supervisor's last word, or an empty dictionary when there is none."""
    try:
        found: dict[str, Any] = json.loads(layout.state.read_text())
    except (OSError, ValueError):
        return {}
    return found


def supervisor_pid(layout: Layout) -> int | None:
    """Return the pid of the cluster's living supervisor, or None.

    The pid file is written by `start_supervisor`, the state file by the daemon: the first is there before the second.
    """
    for path in (layout.run / "supervisor.pid", layout.state):
        try:
            saved = json.loads(path.read_text())
            pid, started = saved["pid"], saved["started"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if is_alive(pid, started):
            return int(pid)
    return None


def components(layout: Layout) -> dict[str, dict[str, Any]]:
    """Return the supervisor's view of its components, by name."""
    found: dict[str, dict[str, Any]] = read_state(layout).get("components", {})
    return found


def start_supervisor(layout: Layout) -> int:
    """Start the cluster's daemon in a session of its own and return its pid."""
    layout.state.unlink(missing_ok=True)
    package_root = str(Path(__file__).parents[3])
    env = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG", "TMPDIR"}}
    env |= {MARKER: str(layout.root), "PYTHONPATH": package_root, "PYTHONDONTWRITEBYTECODE": "1"}
    with (layout.logs / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "labs.providers.engine.supervisor", str(layout.root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=env,
            cwd="/",
        )
    process.returncode = 0  # it outlives us on purpose; nobody waits for it
    saved = {"pid": process.pid, "started": start_time(process.pid)}
    write_private(layout.run / "supervisor.pid", json.dumps(saved))
    return process.pid


def reload_plan(layout: Layout) -> None:
    """Tell the supervisor that its plan changed.

    One that has not written its state yet has not set up its signals either; it finds the new plan by itself.
    """
    pid = supervisor_pid(layout)
    if pid is not None and layout.state.exists():
        os.kill(pid, signal.SIGHUP)
