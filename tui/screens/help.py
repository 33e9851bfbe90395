"""What the keys do and what the words mean."""

from __future__ import annotations

from textual.content import Content

from grader.model import Outcome
from tui.plain import cell, line, lines, plain, prose
from tui.screens.reading import Reading
from tui.words import MUTED, OUTCOMES

KEYS = (
    ("Home", (("Enter", "start a task, or go on with it; fold a chapter"), ("u", "bring the cluster up, or watch it"))),
    ("", (("d", "doctor: what this machine has and lacks"), ("q", "quit; the cluster and your tasks go on"))),
    ("Task", (("s", "your shell; F12 brings you back"), ("c", "check: grade what is there now"))),
    ("", (("d", "diagnose: component, cause and proof, where a task asks for them"),)),
    ("", (("h", "next hint"), ("o", "solution; it is noted that you saw it"))),
    ("", (("r", "reset the task to its broken start"), ("x", "stop: end the task and remove it"))),
    ("", (("Tab", "from the story to the checks and back"), ("q, Esc", "back; the task and its clock go on"))),
    ("Everywhere", (("?", "this help"), ("Ctrl+P", "all commands, themes too"))),
)

MEANINGS = {
    Outcome.PASSED: "what was observed is what was expected",
    Outcome.FAILED: "it is not; observed, expected and why stand below",
    Outcome.UNKNOWN: "the cluster could not be asked; costs nothing, check again",
    Outcome.NOT_APPLICABLE: "this cluster lacks what the check needs; costs nothing",
}


def help_screen() -> Reading:
    """Return the help."""
    return Reading("Help", _text())


def _text() -> Content:
    rows: list[Content] = []
    for heading, keys in KEYS:
        if heading:
            rows += (
                [plain(""), plain(heading, "bold $text-primary")] if rows else [plain(heading, "bold $text-primary")]
            )
        rows += [line("  ", cell((key, "bold"), 10), text) for key, text in keys]
    rows += [plain(""), plain("Outcomes", "bold $text-primary")]
    for outcome, meaning in MEANINGS.items():
        symbol, word, style = OUTCOMES[outcome]
        rows.append(line("  ", cell((f"{symbol} {word}", style), 11), meaning))
    guard = "A **guard** closes a shortcut, such as deleting what fails. While one is broken the task counts nothing."
    return lines(*rows, plain(""), line((" ", MUTED), prose(guard)))
