"""The proved solution of a task, step by step."""

from __future__ import annotations

import shlex

from textual.content import Content

from labs.course.models import Fix
from tui.plain import line, lines, plain, prose
from tui.screens.reading import Reading
from tui.words import MUTED


def solution_screen(fix: Fix) -> Reading:
    """Return the solution."""
    parts: list[Content] = [prose(fix.file.about)]
    for number, step in enumerate(fix.file.steps, start=1):
        parts += [plain(""), line((f"{number}  ", MUTED), prose(step.say))]
        if step.command:
            parts.append(plain(f"   {shlex.join(step.command)}", "$text-primary"))
        if step.answer:
            said = step.answer
            parts.append(plain(f"   {said.component} · {said.cause} · a line with {said.evidence}", "$text-primary"))
        if step.copy_:
            parts.append(plain(f"   files of {step.copy_} go into your workspace:", MUTED))
            parts += _files(fix, step.copy_)
    return Reading("Solution", lines(*parts))


def _files(fix: Fix, folder: str) -> list[Content]:
    shown: list[Content] = []
    for path in sorted((fix.folder / folder).rglob("*")):
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            indented = "\n".join(f"   {row}" for row in text.rstrip().split("\n"))
            shown += [plain(f"   {path.relative_to(fix.folder / folder)}", "bold"), plain(indented, "$text-primary")]
    return shown
