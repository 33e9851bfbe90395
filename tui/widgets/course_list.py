"""The course as one list: chapters that fold, tasks in aligned columns with their state as a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from labs.course.models import Chapter, Scenario
from tui.gateway import Overview
from tui.plain import cell, inline, line, plain
from tui.words import MUTED, clock

# columns: mark, lesson, title (the rest), kind, minutes, weight, state
_MARK, _LESSON, _KIND, _MINUTES, _WEIGHT, _STATE = 4, 5, 9, 6, 4, 13
_TALL = 24  # rows from which chapters get a blank line between them
_FIXED = _MARK + _LESSON + _KIND + _MINUTES + _WEIGHT + _STATE


@dataclass(frozen=True, slots=True)
class State:
    """How far a learner is with a task: symbol, word, style."""

    symbol: str
    word: str
    style: str


def state(overview: Overview, scenario_id: str) -> State:
    """Return where the learner stands with a task."""
    done = overview.progress.get(scenario_id)
    attempt = overview.running.get(scenario_id)
    if attempt is not None and attempt.ended is None:
        return State("●", "running", "$text-primary")
    if scenario_id in overview.drafts:
        return State("◇", "draft", MUTED)
    if done is not None and done.solved:
        best = f" {clock(done.best_seconds)}" if done.best_seconds is not None else ""
        return State("✓", f"solved{best}", "$text-success")
    if done is not None and done.attempts:
        return State("◌", "tried", "$text-warning")
    return State("○", "new", MUTED)


class CourseList(OptionList):
    """Chapters and tasks."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Open"),
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
    ]

    class Pointed(Message):
        """The cursor stands on a chapter, or on one of its tasks; `said` is how far the learner is with that one."""

        def __init__(self, chapter: Chapter, scenario: Scenario | None, said: Content) -> None:
            super().__init__()
            self.chapter = chapter
            self.scenario = scenario
            self.said = said

    class Opened(Message):
        """A task was chosen."""

        def __init__(self, scenario: Scenario) -> None:
            super().__init__()
            self.scenario = scenario

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._overview: Overview | None = None
        self._folded: set[int] = set()

    def show(self, overview: Overview) -> None:
        """Take in the course and the progress; the cursor stays where it is."""
        if overview == self._overview:
            return
        first = self._overview is None
        self._overview = overview
        self._fill()
        chapter, scenario = self._find(
            (self.highlighted_option.id if self.highlighted_option is not None else None) or ""
        )
        if chapter is not None:
            self.post_message(self.Pointed(chapter, scenario, self._said(scenario)))
        if first and overview.course.scenarios:
            running = [s for s in overview.course.scenarios if s.id in overview.running]
            fresh = [s for s in overview.course.scenarios if state(overview, s.id).word == "new"]
            target = [*running, *fresh, *overview.course.scenarios][0]
            self.highlighted = self.get_option_index(target.id)

    def on_resize(self, _event: Resize) -> None:
        """Set the columns anew."""
        self._fill()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Say what the cursor stands on."""
        event.stop()
        chapter, scenario = self._find(event.option_id or "")
        if chapter is not None:
            self.post_message(self.Pointed(chapter, scenario, self._said(scenario)))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open a task, or fold a chapter."""
        event.stop()
        chapter, scenario = self._find(event.option_id or "")
        if scenario is not None:
            self.post_message(self.Opened(scenario))
        elif chapter is not None:
            self._folded ^= {chapter.number}
            self._fill()

    def _said(self, scenario: Scenario | None) -> Content:
        if self._overview is None or scenario is None:
            return plain("")
        at = state(self._overview, scenario.id)
        does = {"running": "goes on", "new": "starts it", "draft": "starts it"}.get(at.word, "starts it again")
        why = ": not proved as it is now" if at.word == "draft" else ""
        return line(
            (f"{at.symbol} {at.word}{why}", at.style),
            (" · ", MUTED),
            ("Enter", "bold $text-primary"),
            (f" {does}", MUTED),
        )

    def _find(self, option_id: str) -> tuple[Chapter | None, Scenario | None]:
        if self._overview is None:
            return None, None
        for chapter in self._overview.course.chapters:
            if option_id == f"chapter-{chapter.number}":
                return chapter, None
            for scenario in chapter.scenarios:
                if scenario.id == option_id:
                    return chapter, scenario
        return None, None

    def _fill(self) -> None:
        if self._overview is None:
            return
        width = max(56, self.scrollable_content_region.width - 2)
        kept = self.highlighted_option.id if self.highlighted_option is not None else None
        options: list[Option] = []
        for chapter in self._overview.course.chapters:
            folded = chapter.number in self._folded
            if options and self.size.height >= _TALL:
                options.append(Option(plain(""), disabled=True))
            options.append(Option(self._chapter(chapter, width, folded=folded), id=f"chapter-{chapter.number}"))
            if not folded:
                options += [Option(self._row(scenario, width), id=scenario.id) for scenario in chapter.scenarios]
        with self.prevent(OptionList.OptionHighlighted):
            self.set_options(options)
            ids = [option.id for option in options]
            if kept in ids:
                self.highlighted = ids.index(kept)

    def _chapter(self, chapter: Chapter, width: int, *, folded: bool) -> Content:
        assert self._overview is not None  # noqa: S101 - only `_fill` calls, and it has looked
        solved = sum(state(self._overview, scenario.id).symbol == "✓" for scenario in chapter.scenarios)
        count = len(chapter.scenarios)
        said = f"{solved} of {count} solved" if count else "no tasks yet"
        right = line((f"{chapter.weight} % of the exam", MUTED), cell((said, MUTED), _STATE + 2, right=True))
        left = line(("▸ " if folded else "▾ ", MUTED), (f"{chapter.number}  {chapter.title}", "bold"))
        return line(cell(left, width - right.cell_length), right)

    def _row(self, scenario: Scenario, width: int) -> Content:
        assert self._overview is not None  # noqa: S101 - as in `_chapter`
        file, at = scenario.file, state(self._overview, scenario.id)
        return line(
            cell(("  " + at.symbol, at.style), _MARK),
            cell((file.lesson, MUTED), _LESSON),
            cell(inline(file.title).stylize(MUTED if at.word == "draft" else ""), width - _FIXED - 1),
            " ",
            cell((file.kind.value, MUTED), _KIND),
            cell((f"{file.target_minutes} min", MUTED), _MINUTES, right=True),
            cell((f"w{file.weight}", MUTED), _WEIGHT, right=True),
            cell((at.word, at.style), _STATE, right=True),
        )
