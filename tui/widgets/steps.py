"""The steps of a long work: what is done, what runs with its bar and times, what is worth knowing."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from labs.events import Notice, State, Step
from labs.events import Progress as Amount
from tui.bringup import BringUp, Stage
from tui.plain import cell, line, lines, plain
from tui.words import MUTED, STEPS, amount, bar, clock, share, took

_WORD, _TIME, _BAR = 11, 9, 20


class Steps(VerticalScroll):
    """All steps, the newest kept in sight."""

    def compose(self) -> ComposeResult:
        """Steps, then remarks."""
        yield Static(id="steps")
        yield Static(id="notices")

    def show(self, bringup: BringUp) -> None:
        """Take in the story so far."""
        at_end = self.max_scroll_y - self.scroll_y <= 1
        width = max(40, self.scrollable_content_region.width)
        rows: list[Content] = []
        for step in bringup.steps.values():
            rows += _step(step, bringup.progress.get(step.id), width)
        if bringup.stage is Stage.IDLE:
            rows = [
                line(("Nothing is being brought up. Press ", MUTED), ("u", "bold $text-primary"), (" to begin.", MUTED))
            ]
        self.query_one("#steps", Static).update(lines(*rows))
        self.query_one("#notices", Static).update(lines(*(_notice(notice) for notice in bringup.notices)))
        self.query_one("#notices", Static).display = bool(bringup.notices)
        if at_end:
            self.call_after_refresh(self.scroll_end, animate=False)


def _step(step: Step, progress: Amount | None, width: int) -> list[Content]:
    symbol, word, style = STEPS[step.state]
    detail = (f"  {step.detail}" if step.detail else "", MUTED)
    seconds = took(step.seconds) if step.seconds is not None else ""
    rows = [
        line(
            cell((f"{symbol} {word}", style), _WORD),
            cell(line(step.title, detail), width - _WORD - _TIME),
            cell((seconds, MUTED), _TIME, right=True),
        )
    ]
    if progress is not None and step.state is State.RUNNING:
        rows.append(_bar(progress))
    return rows


def _bar(progress: Amount) -> Content:
    part = share(progress)
    times = clock(progress.elapsed)
    if progress.expected:
        times += f" of about {clock(progress.expected)}"
    if part is None:
        return line(" " * _WORD, (times, MUTED))
    full, empty = bar(part, _BAR)
    said = f"  {part:.0%}".ljust(7)
    if progress.total and progress.unit != "seconds":
        said += f"{amount(progress.done, progress.unit)} of {amount(progress.total, progress.unit)} · "
    return line(" " * _WORD, (full, "$primary"), (empty, "$foreground 25%"), said, (times, MUTED))


def _notice(notice: Notice) -> Content:
    mark = ("! ", "$text-warning") if notice.warning else ("· ", MUTED)
    said = line(mark, notice.message)
    return lines(said, plain(f"  hint: {notice.hint}", MUTED)) if notice.hint else said
