"""The left side of a task: what happened, what must be true at the end, the hints taken, the debrief."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from labs.course.models import Scenario
from tui.plain import lines, plain, prose
from tui.words import MUTED

LEVELS = {"concept": "the idea", "field": "where to look", "live": "read from your cluster"}


class Section(Static):
    """A heading with a text under it; hidden while it has none.

    Args:
        id: Widget id.
        heading: What stands above the text.
    """

    def __init__(self, id: str, heading: str) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id, classes="section")
        self._heading = heading
        self.display = False

    def put(self, content: Content) -> None:
        """Show a text under the heading."""
        self.update(lines(plain(self._heading, "bold $text-primary"), content))
        self.display = True


class Brief(VerticalScroll):
    """The story, to be scrolled.

    Args:
        scenario: The task.
    """

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(id="brief")
        self._scenario = scenario

    def compose(self) -> ComposeResult:
        """Sections in the order they are needed."""
        yield Section("debrief", "Solved")
        yield Section("situation", "Situation")
        yield Section("task", "Task")
        levels = self._scenario.file.hints
        for number, level in enumerate(levels, start=1):
            yield Section(f"hint-{level}", f"Hint {number} of {len(levels)} · {LEVELS[level]}")
        yield Section("docs", "Documentation")

    def on_mount(self) -> None:
        """Fill in what is known from the start."""
        file = self._scenario.file
        self.query_one("#situation", Section).put(prose(file.situation))
        self.query_one("#task", Section).put(prose(file.task))
        if file.docs:
            links = [lines(plain(doc.label), plain(doc.url, MUTED)) for doc in file.docs]
            self.query_one("#docs", Section).put(lines(*links))

    def hint(self, level: str, text: str, *, follow: bool = True) -> None:
        """Show a hint.

        Args:
            level: `concept`, `field` or `live`.
            text: Its text.
            follow: Whether to scroll to it.
        """
        section = self.query_one(f"#hint-{level}", Section)
        section.put(prose(text))
        if follow:
            self.call_after_refresh(self.scroll_to_widget, section, animate=False, top=True)

    def debrief(self) -> None:
        """Show what there is to learn from it, above everything else."""
        self.query_one("#debrief", Section).put(prose(self._scenario.debrief))
        self.call_after_refresh(self.scroll_home, animate=False)

    def forget_debrief(self) -> None:
        """Hide it: the task is broken again."""
        self.query_one("#debrief", Section).display = False
