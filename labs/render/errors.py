"""An error for a person: what happened, where, and the mend on a line of its own. Called by `labs.commands.run`."""

from __future__ import annotations

from labs.errors import LabsError
from labs.render.terminal import Terminal


def error(terminal: Terminal, problem: LabsError) -> str:
    """Return `error: …` and, where there is one, `hint: …`."""
    return message(terminal, str(problem), problem.hint)


def message(terminal: Terminal, text: str, hint: str = "") -> str:
    """Return an error line and a hint line."""
    lines = [terminal.block(text, first=terminal.paint("error:", "red", "bold") + " ", indent="       ")]
    if hint:
        lines.append(terminal.block(hint, first=terminal.paint("hint:", "cyan") + "  ", indent="       "))
    return "\n".join(lines)
