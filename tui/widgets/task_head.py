"""The two lines above a task: its title with the timer, and its figures."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from labs.course.models import Scenario
from tui.plain import cell, line, lines
from tui.words import MUTED, clock


class TaskHead(Static):
    """Title, time and what the lab is doing right now.

    Args:
        scenario: The task.
    """

    elapsed: reactive[float | None] = reactive(None)
    doing: reactive[str] = reactive("")
    solved: reactive[bool] = reactive(default=False)

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(id="head")
        self._scenario = scenario

    def render(self) -> Content:
        """Both lines, as wide as there is room."""
        width = self.content_size.width
        file = self._scenario.file
        timer = self._timer()
        title = line((f"{file.lesson}  ", MUTED), (file.title, "bold"))
        namespaces = ", ".join(file.namespaces)
        meta = line((f"{file.kind.value} · weight {file.weight} · namespace {namespaces}", MUTED))
        doing = line((f"▸ {self.doing}", "$text-primary")) if self.doing else line("")
        doing = doing.truncate(max(0, width // 2), ellipsis=True)
        return lines(
            line(cell(title, width - timer.cell_length - 1), " ", timer),
            line(cell(meta, width - doing.cell_length - 1), " ", doing),
        )

    def _timer(self) -> Content:
        target = self._scenario.file.target_minutes * 60
        if self.elapsed is None:
            return line((f"target {clock(target)}", MUTED))
        if self.solved:
            return line((f"✓ solved in {clock(self.elapsed)}", "bold $text-success"), (f" / {clock(target)}", MUTED))
        late = self.elapsed > target
        said = line((clock(self.elapsed), "bold $text-warning" if late else "bold"), (f" / {clock(target)}", MUTED))
        return line(said, (" over target", "$text-warning")) if late else said
