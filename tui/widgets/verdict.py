"""The right side of a task: the checks as a table, and the evidence for the one the cursor stands on."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from grader.model import GuardVerdict, Outcome, Report, Verdict
from grader.report import changed, timings
from labs.attempts.diagnosis import ahead
from labs.course.models import Scenario
from tui.plain import cell, hang, inline, line, lines, plain, prose
from tui.words import CHANGED, CLOSE, MUTED, NOT_GRADED, OUTCOMES, took

_OUTCOME, _POINTS, _LABEL, _ROOMY = 11, 6, 11, 12


class Checks(OptionList):
    """One row for each check and, once graded, for each guard."""

    def __init__(self) -> None:
        super().__init__(id="checks", markup=False)
        self._rows: list[tuple[tuple[str, str, str], str, str]] = []

    def put(self, rows: list[tuple[tuple[str, str, str], str, str]]) -> None:
        """Show rows: symbol, word and style; text; points."""
        self._rows = rows
        self._fill()

    def on_resize(self, _event: Resize) -> None:
        """Set the columns anew."""
        self._fill()

    def _fill(self) -> None:
        width = max(30, self.scrollable_content_region.width - 2)
        kept = self.highlighted
        self.set_options([Option(self._row(row, width)) for row in self._rows])
        if self._rows:
            self.highlighted = min(kept or 0, len(self._rows) - 1)

    @staticmethod
    def _row(row: tuple[tuple[str, str, str], str, str], width: int) -> Content:
        (symbol, word, style), text, points = row
        return line(
            cell((f"{symbol} {word}", style), _OUTCOME),
            cell(inline(text), width - _OUTCOME - _POINTS),
            cell((points, MUTED), _POINTS, right=True),
        )


class Evidence(VerticalScroll):
    """Observed, expected, why – for one check."""

    def __init__(self) -> None:
        super().__init__(id="evidence")
        self._title = plain("")
        self._facts: list[tuple[str, Content]] = []

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static(id="evidence-text")

    def put(self, title: Content, facts: list[tuple[str, Content]]) -> None:
        """Show labelled texts under a title, from their beginning; empty ones are left out."""
        self._title, self._facts = title, [(label, text) for label, text in facts if text.plain]
        self._draw()
        self.scroll_home(animate=False)

    def on_resize(self, _event: Resize) -> None:
        """Wrap anew."""
        self._draw()

    def _draw(self) -> None:
        width = max(20, self.scrollable_content_region.width)
        gap = [plain("")] if self.size.height >= _ROOMY else []
        rows = [self._title]
        for label, text in self._facts:
            rows += [*gap, hang(label, text, indent=_LABEL, width=width)]
        self.query_one("#evidence-text", Static).update(lines(*rows))


class VerdictPane(Vertical):
    """Summary, checks, evidence.

    Args:
        scenario: The task.
    """

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(id="verdict")
        self._scenario = scenario
        self._report: Report | None = None
        checks = [(check.about, check.why, check.points) for check in scenario.file.checks]
        self._ahead = [*checks, *ahead(scenario)]

    def compose(self) -> ComposeResult:
        """Three parts under each other."""
        yield Static(id="summary")
        yield Checks()
        yield Evidence()

    def on_mount(self) -> None:
        """Show what will be checked."""
        self.show(None)

    def show(self, report: Report | None) -> None:
        """Take in a report; None: not graded, or put back to the start."""
        self._report = report
        checks = self.query_one(Checks)
        if report is None:
            checks.put([(NOT_GRADED, about, f"{points} pt") for about, _, points in self._ahead])
            self.query_one("#summary", Static).update(
                line(("Checks", "bold $text-primary"), ("  not graded yet", MUTED))
            )
            self._explain(checks.highlighted or 0)
            return
        rows = [(OUTCOMES[v.outcome], v.about, f"{v.points} pt") for v in report.checks]
        rows += [(self._guard(g), g.about, "guard") for g in report.guards]
        rows += [(CLOSE, said, "") for said in report.coaching]
        rows += [(CHANGED, _counted(report), "")] if report.changes else []
        checks.put(rows)
        self.query_one("#summary", Static).update(self._summary(report))
        checks.highlighted = self._worst(report)
        self._explain(checks.highlighted or 0)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Explain the row under the cursor."""
        event.stop()
        self._explain(event.option_index)

    def _explain(self, index: int) -> None:
        evidence = self.query_one(Evidence)
        if self._report is None:
            about, why, _ = self._ahead[index]
            evidence.put(inline(about).stylize("bold"), [("why", prose(why)), ("next", self._next(index))])
        elif index < len(self._report.checks):
            evidence.put(*_check(self._report.checks[index]))
        elif (at := index - len(self._report.checks)) < len(self._report.guards):
            evidence.put(*_guard(self._report.guards[at]))
        elif (at := at - len(self._report.guards)) < len(self._report.coaching):
            note = "this is not part of the verdict"
            evidence.put(
                plain("Close, but", "bold"), [("", inline(self._report.coaching[at])), ("", plain(note, MUTED))]
            )
        else:
            rows = lines(*(plain(row) for row in changed(self._report)))
            evidence.put(plain("What you changed", "bold"), [("", plain(timings(self._report), MUTED)), ("", rows)])

    def _next(self, index: int) -> Content:
        if index >= len(self._scenario.file.checks):
            return line("name it with ", ("d", "bold $text-primary"), ", before a repair takes the proof away")
        return _next()

    @staticmethod
    def _worst(report: Report) -> int:
        outcomes = [v.outcome for v in report.checks] + [g.outcome for g in report.guards]
        broken = [i for i, g in enumerate(report.guards, start=len(report.checks)) if g.outcome is Outcome.FAILED]
        if broken:
            return broken[0]
        return next((i for i, o in enumerate(outcomes) if o in {Outcome.FAILED, Outcome.UNKNOWN}), 0)

    @staticmethod
    def _guard(guard: GuardVerdict) -> tuple[str, str, str]:
        symbol, word, style = OUTCOMES[guard.outcome]
        return (symbol, {Outcome.PASSED: "held", Outcome.FAILED: "broken"}.get(guard.outcome, word), style)

    @staticmethod
    def _summary(report: Report) -> Content:
        points = f"  {report.points} of {report.possible} points · {took(report.seconds)}"
        said = line(("✗ Not yet", "bold $text-error"), (points, MUTED))
        if report.passed:
            said = line(("✓ Passed", "bold $text-success"), (points, MUTED))
        elif report.broken_guards:
            said = line(("✗ A guard is broken", "bold $text-error"), ("  so the task counts nothing", MUTED))
        elif report.unknown:
            said = line(("? Not all could be asked", "bold $text-warning"), ("  costs nothing; c asks again", MUTED))
        notes = [*([f"GPU pool: {report.gpu}"] if report.gpu != "none" else []), *report.notes]
        return lines(said, plain(" · ".join(notes), MUTED)) if notes else said


def _counted(report: Report) -> str:
    count = len(report.changes)
    first = report.time_to_first_change
    after = f", the first after {took(first)}" if first is not None else ""
    return f"{count} {'change' if count == 1 else 'changes'} of yours{after}"


def _next() -> Content:
    key = "bold $text-primary"
    return line("fix it in your shell (", ("s", key), "), then check (", ("c", key), "); a hint is ", ("h", key))


def _check(verdict: Verdict) -> tuple[Content, list[tuple[str, Content]]]:
    mismatches = lines(*(plain(text) for text in verdict.mismatches)) if verdict.mismatches else plain("")
    looked = f"looked {verdict.looks} times in {took(verdict.seconds)}" if verdict.looks > 1 else ""
    return inline(verdict.about).stylize("bold"), [
        ("observed", plain(verdict.observed)),
        ("expected", inline(verdict.expected)),
        ("differs", mismatches),
        ("why", prose(verdict.why)),
        ("", plain(looked, MUTED)),
    ]


def _guard(guard: GuardVerdict) -> tuple[Content, list[tuple[str, Content]]]:
    return inline(guard.about).stylize("bold"), [("observed", plain(guard.observed)), ("why", prose(guard.why))]
