"""Where everything starts: the course, what is solved, and how the cluster stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget

from tui.gateway import Overview
from tui.messages import ClusterWanted, TaskWanted
from tui.screens.base import LabScreen
from tui.widgets.about import About
from tui.widgets.course_list import CourseList
from tui.widgets.score import Score


class HomeScreen(LabScreen):
    """The course on the left, what the cursor stands on to the right (below, where the terminal is narrow)."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (116, "-wide")]  # noqa: RUF012 - Textual declares it for instances
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "up", "Cluster up"),
        Binding("d", "app.doctor", "Doctor"),
        Binding("question_mark", "app.help", "Help", key_display="?"),
        Binding("q", "app.quit", "Quit"),
    ]

    def body(self) -> Iterable[Widget]:
        """Score, list, story."""
        yield Score(id="score")
        with Horizontal(id="home"):
            yield CourseList()
            yield About()

    def show(self, overview: Overview) -> None:
        """Take in the state of everything; without widgets yet, the screen asks again once it has them."""
        for score in self.query(Score):
            score.show(overview)
        for courses in self.query(CourseList):
            courses.show(overview)

    @on(CourseList.Pointed)
    def point(self, message: CourseList.Pointed) -> None:
        """Tell about what the cursor stands on."""
        about = self.query_one(About)
        if message.scenario is not None:
            about.show_scenario(message.chapter, message.scenario, message.said)
        else:
            about.show_chapter(message.chapter)

    @on(CourseList.Opened)
    def open(self, message: CourseList.Opened) -> None:
        """Ask the app for the task."""
        self.post_message(TaskWanted(message.scenario.id))

    def action_up(self) -> None:
        """Ask for the cluster."""
        self.post_message(ClusterWanted())
