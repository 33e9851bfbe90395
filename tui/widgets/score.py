"""How much of the course is solved, as a line with a bar."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from tui.gateway import Overview
from tui.plain import line
from tui.words import MUTED, bar


class Score(Static):
    """Solved tasks out of all, and what to press first when nothing is there."""

    def show(self, overview: Overview) -> None:
        """Take in the progress."""
        total = len(overview.course.scenarios)
        solved = sum(overview.progress[s.id].solved for s in overview.course.scenarios if s.id in overview.progress)
        self.update(self._said(solved, total))

    @staticmethod
    def _said(solved: int, total: int) -> Content:
        full, empty = bar(solved / total if total else 0.0, 24)
        return line((full, "$primary"), (empty, "$foreground 25%"), f"  {solved} of {total} solved", ("  ", MUTED))
