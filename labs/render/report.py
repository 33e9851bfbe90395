"""A report of the grader in colour and at the terminal's width. What it says comes from `grader.report`.

Called by `labs.commands` and the demo.
"""

from __future__ import annotations

from grader.model import GuardVerdict, Outcome, Report, Verdict
from grader.report import MARKS, Field, changed, conclusion, guard_evidence, guard_word, points, remarks, timings
from grader.report import evidence as evidence_of
from labs.render.terminal import Terminal, duration

_COLORS = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "red",
    Outcome.NOT_APPLICABLE: "dim",
    Outcome.UNKNOWN: "yellow",
}
_EVIDENCE = " " * 18


def report(terminal: Terminal, result: Report, *, evidence: int | None = None) -> str:
    """Return the report as text.

    Args:
        terminal: Decides width and colour.
        result: What the grader said.
        evidence: Under how many of the checks that did not pass observed, expected and why are shown; None is all.
    """
    lines = []
    left = len(result.checks) if evidence is None else evidence
    for verdict in result.checks:
        lines.append(_check(terminal, verdict))
        if verdict.outcome is not Outcome.PASSED and left > 0:
            lines += [_field(terminal, field) for field in evidence_of(verdict)]
            left -= 1
    for guard in result.guards:
        if guard.outcome is not Outcome.PASSED:
            lines += [_guard(terminal, guard), *(_field(terminal, field) for field in guard_evidence(guard))]
    lines += ["", summary(terminal, result)]
    lines += [terminal.block(remark, first="note: ", indent="      ") for remark in remarks(result)]
    lines += _coaching(terminal, result)
    return "\n".join(lines)


def _coaching(terminal: Terminal, result: Report) -> list[str]:
    """Return what the learner changed, and what came close: beside the verdict, never a part of it."""
    lines: list[str] = []
    if result.coaching:
        lines += ["", terminal.paint("Close, but", "bold")]
        lines += [terminal.block(line, first="- ", indent="  ") for line in result.coaching]
    if result.changes:
        when = timings(result)
        lines += ["", terminal.paint("What you changed", "bold") + (f"  {terminal.paint(when, 'dim')}" if when else "")]
        lines += [terminal.block(line, first="  ", indent="           ") for line in changed(result)]
    return lines


def summary(terminal: Terminal, result: Report) -> str:
    """Return the verdict on one line: passed, failed or unknown, points, checks, time."""
    end = conclusion(result)
    color = "yellow" if end.outcome is Outcome.NOT_APPLICABLE else _COLORS[end.outcome]
    timed = f", graded in {duration(result.seconds)}" if end.timed else ""
    advice = f"\n{end.advice}" if end.advice else ""
    return f"{terminal.paint(end.word, color, 'bold')}  {end.text}{timed}{advice}"


def _check(terminal: Terminal, verdict: Verdict) -> str:
    head = f"{_mark(terminal, verdict.outcome, MARKS[verdict.outcome][1])} {points(verdict):>6}  "
    return terminal.block(verdict.about or verdict.id, first=head, indent=_EVIDENCE)


def _guard(terminal: Terminal, guard: GuardVerdict) -> str:
    head = f"{_mark(terminal, guard.outcome, guard_word(guard))}  guard  "
    return terminal.block(guard.about, first=head, indent=_EVIDENCE)


def _mark(terminal: Terminal, outcome: Outcome, word: str) -> str:
    color = _COLORS[outcome]
    return f"{terminal.paint(MARKS[outcome][0], color)} {terminal.paint(word.ljust(7), color)}"


def _field(terminal: Terminal, field: Field) -> str:
    label = terminal.paint(f"{field.label:>16}", "dim")
    return terminal.block(field.text, first=f"{label}  ", indent=_EVIDENCE)
