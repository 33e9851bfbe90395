"""What the cursor of the home screen stands on: a task's story, or a chapter with its lessons."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from labs.course.models import Chapter, Scenario
from tui.plain import hang, line, lines, plain, prose
from tui.words import MUTED


class About(VerticalScroll, can_focus=False):
    """A side panel; it has no focus of its own, the list drives it."""

    def compose(self) -> ComposeResult:
        """One text; it scrolls when it is long."""
        yield Static(plain("Loading the course …", MUTED), id="about-text")

    def show_scenario(self, chapter: Chapter, scenario: Scenario, said: Content) -> None:
        """Show a task.

        Args:
            chapter: Its chapter.
            scenario: The task.
            said: How far the learner is, and what Enter does.
        """
        file = scenario.file
        lesson = chapter.lessons.get(file.lesson, "")
        self._put(
            lines(
                plain(file.title, "bold"),
                plain(f"{file.kind.value} · {file.target_minutes} min · weight {file.weight}", MUTED),
                plain(f"Lesson {file.lesson} · {lesson}", MUTED),
                said,
                plain(""),
                prose(file.situation),
            )
        )

    def show_chapter(self, chapter: Chapter) -> None:
        """Show a chapter."""
        counts = {number: sum(s.file.lesson == number for s in chapter.scenarios) for number in chapter.lessons}
        self._put(
            lines(
                plain(f"{chapter.number}  {chapter.title}", "bold"),
                plain(f"{chapter.weight} % of the exam", MUTED),
                plain(""),
                prose(chapter.summary),
                plain(""),
                *(self._lesson(number, title, counts[number]) for number, title in chapter.lessons.items()),
            )
        )

    def _lesson(self, number: str, title: str, count: int) -> Content:
        tasks = f" · {count} {'task' if count == 1 else 'tasks'}" if count else ""
        return hang(number, line(title, (tasks, MUTED)), indent=5, width=self.scrollable_content_region.width)

    def _put(self, content: Content) -> None:
        self.query_one("#about-text", Static).update(content)
        self.scroll_home(animate=False)
