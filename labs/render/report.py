"""A report of the grader: a line per check, the evidence under those that did not pass, guards, and the sum.

Called by `labs.commands` and the demo.
"""

from __future__ import annotations

from grader.model import GuardVerdict, Outcome, Report, Verdict
from labs.render.terminal import Terminal, duration

_WORDS = {
    Outcome.PASSED: ("✓", "passed", "green"),
    Outcome.FAILED: ("✗", "failed", "red"),
    Outcome.NOT_APPLICABLE: ("·", "n/a", "dim"),
    Outcome.UNKNOWN: ("?", "unknown", "yellow"),
}
_EVIDENCE = " " * 18
_MOST_LINES = 6


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
            lines += _evidence(terminal, verdict)
            left -= 1
    for guard in result.guards:
        if guard.outcome is not Outcome.PASSED:
            lines += _guard(terminal, guard)
    lines += ["", summary(terminal, result)]
    lines += [terminal.block(note, first="note: ", indent="      ") for note in result.notes]
    if result.gpu != "none":
        lines.append(f"note: the GPU pool of this cluster is {result.gpu}")
    return "\n".join(lines)


def summary(terminal: Terminal, result: Report) -> str:
    """Return the verdict on one line: passed, failed or unknown, points, checks, time."""
    passed = sum(v.outcome is Outcome.PASSED for v in result.checks)
    counted = f"{passed} of {len(result.checks)} checks"
    points = f"{result.points} of {result.possible} points"
    tail = f"{points}, {counted}, graded in {duration(result.seconds)}"
    if result.checks and all(verdict.outcome is Outcome.NOT_APPLICABLE for verdict in result.checks):
        return f"{terminal.paint('NOT APPLICABLE', 'yellow', 'bold')}  this cluster lacks what the task needs"
    if result.passed:
        return f"{terminal.paint('PASSED', 'green', 'bold')}  {tail}"
    if result.broken_guards:
        return f"{terminal.paint('FAILED', 'red', 'bold')}  a guard was broken: the task counts zero ({counted})"
    if result.unknown:
        return f"{terminal.paint('UNKNOWN', 'yellow', 'bold')}  {tail}\nwhat is unknown costs nothing: grade again"
    return f"{terminal.paint('FAILED', 'red', 'bold')}  {tail}"


def _check(terminal: Terminal, verdict: Verdict) -> str:
    sign, word, color = _WORDS[verdict.outcome]
    earned = {Outcome.PASSED: f"{verdict.points}/{verdict.points}", Outcome.FAILED: f"0/{verdict.points}"}
    points = earned.get(verdict.outcome, f"–/{verdict.points}")
    head = f"{terminal.paint(sign, color)} {terminal.paint(word.ljust(7), color)} {points:>6}  "
    return terminal.block(verdict.about or verdict.id, first=head, indent=_EVIDENCE)


def _evidence(terminal: Terminal, verdict: Verdict) -> list[str]:
    shown = [("observed", verdict.observed), ("expected", verdict.expected)]
    lines = [_field(terminal, name, text) for name, text in shown if text]
    differs = [line for line in verdict.mismatches if line and line not in verdict.observed]
    lines += [_field(terminal, "differs", line) for line in differs[:_MOST_LINES]]
    if len(differs) > _MOST_LINES:
        lines.append(_field(terminal, "", f"… and {len(differs) - _MOST_LINES} more"))
    if verdict.why:
        lines.append(_field(terminal, "why", verdict.why))
    return lines


def _guard(terminal: Terminal, guard: GuardVerdict) -> list[str]:
    sign, _, color = _WORDS[guard.outcome]
    word = "broken" if guard.outcome is Outcome.FAILED else "unknown"
    head = f"{terminal.paint(sign, color)} {terminal.paint(word.ljust(7), color)}  guard  "
    lines = [terminal.block(guard.about, first=head, indent=_EVIDENCE)]
    shown = [("observed", guard.observed), ("why", "" if guard.why == guard.about else guard.why)]
    lines += [_field(terminal, name, text) for name, text in shown if text]
    return lines


def _field(terminal: Terminal, name: str, text: str) -> str:
    label = terminal.paint(f"{name:>16}", "dim")
    return terminal.block(text, first=f"{label}  ", indent=_EVIDENCE)
