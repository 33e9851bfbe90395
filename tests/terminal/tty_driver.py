"""A real terminal for tests: a tmux server of its own, keys in, characters out."""

from __future__ import annotations

import os
import shlex
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

DEADLINE = 60.0  # seconds; a loaded machine is slow, not wrong


@dataclass
class Terminal:
    """One terminal window.

    Attributes:
        columns: Width.
        rows: Height.
        server: Name of its tmux server, which nobody else uses.
    """

    columns: int = 80
    rows: int = 24
    server: str = field(default_factory=lambda: f"labs-test-{uuid.uuid4().hex[:8]}")

    def run(self, command: list[str], env: dict[str, str]) -> None:
        """Run a command in the window; the window stays when it ends, so that its last words can be read."""
        assignments = [f"{key}={value}" for key, value in env.items()]
        line = f"{shlex.join(['env', *assignments, *command])}; echo left with $?; exec sleep 600"
        size = ["-x", str(self.columns), "-y", str(self.rows)]
        self._tmux("-f", os.devnull, "new-session", "-d", *size, line, check=True)

    def keys(self, *keys: str) -> None:
        """Press keys, by tmux's names for them."""
        self._tmux("send-keys", *keys, check=True)

    def type(self, text: str) -> None:
        """Type a line and press Enter."""
        self._tmux("send-keys", "-l", text, check=True)
        self.keys("Enter")

    def screen(self) -> str:
        """Return what stands on the terminal."""
        return self._tmux("capture-pane", "-p").stdout

    def sees(self, text: str, *, within: float = DEADLINE) -> str:
        """Wait until a text stands on the terminal and return all of it."""
        end = monotonic() + within
        while True:
            shown = self.screen()
            if text in shown:
                return shown
            assert monotonic() < end, f"`{text}` did not come; the terminal shows:\n{shown}"
            sleep(0.05)  # a poll with a deadline: a terminal tells nobody when it has changed

    def close(self) -> None:
        """End everything in it."""
        self._tmux("kill-server")
        Path(f"/tmp/tmux-{os.getuid()}/{self.server}").unlink(missing_ok=True)  # noqa: S108 - tmux leaves it behind

    def _tmux(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        env = {key: value for key, value in os.environ.items() if key not in {"TMUX", "TMUX_PANE"}}
        command = ["tmux", "-L", self.server, *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=check)
