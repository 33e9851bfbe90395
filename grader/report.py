"""A report in words: lines with a role and no colours. `cli.py` and `tui/` give each role its look.

Not for: deciding anything (`grader.runner`), escape codes, markup. Text that came from a cluster is clean already and
stays plain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grader.model import GuardVerdict, Json, Outcome, Report, Verdict

Role = Literal["passed", "failed", "unknown", "not_applicable", "detail", "note", "total"]

MARKS: dict[Outcome, str] = {
    Outcome.PASSED: "PASS",
    Outcome.FAILED: "FAIL",
    Outcome.UNKNOWN: "????",
    Outcome.NOT_APPLICABLE: "n/a ",
}
"""A mark for each outcome, so that its meaning never hangs on a colour alone."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a report.

    Attributes:
        role: What it says; the renderer chooses its look by it.
        text: Plain text without a line break.
    """

    role: Role
    text: str


def lines(report: Report) -> list[Line]:
    """Return the whole report, check by check, then guards, remarks and the total."""
    out: list[Line] = []
    for verdict in report.checks:
        out += check_lines(verdict)
    for guard in report.guards:
        out += guard_lines(guard)
    out += [Line("note", f"note: {note}") for note in report.notes]
    if report.gpu != "none":
        out.append(Line("note", f"note: GPU pool: {report.gpu}"))
    return [*out, Line("total", total(report))]


def check_lines(verdict: Verdict) -> list[Line]:
    """Return one check: its outcome, and for all but a pass what was observed, what was expected and why it matters."""
    points = f"{verdict.points} point{'' if verdict.points == 1 else 's'}"
    out = [Line(_role(verdict.outcome), f"{MARKS[verdict.outcome]}  {verdict.about} ({points})")]
    if verdict.outcome is Outcome.PASSED:
        return out
    out.append(_detail("observed", verdict.observed))
    if verdict.outcome is Outcome.NOT_APPLICABLE:
        return out
    out.append(_detail("expected", verdict.expected))
    # One mismatch that says what `observed` says already is not told twice.
    if any(line not in verdict.observed for line in verdict.mismatches):
        out += [_detail("", f"- {line}") for line in verdict.mismatches]
    if verdict.why:
        out.append(_detail("why", verdict.why))
    return out


def guard_lines(guard: GuardVerdict) -> list[Line]:
    """Return one guard; one that held is not worth a line."""
    if guard.outcome is Outcome.PASSED:
        return []
    first = "GUARD BROKEN" if guard.outcome is Outcome.FAILED else "guard could not be judged (counts as kept)"
    out = [Line(_role(guard.outcome), f"{first}: {guard.about}"), _detail("observed", guard.observed)]
    return [*out, _detail("why", guard.why)] if guard.why else out


def total(report: Report) -> str:
    """Return the last line: passed or not, points, and what keeps it from being final."""
    word = "PASSED" if report.passed else "NOT PASSED"
    parts = [f"{word}: {report.points} of {report.possible} points in {report.seconds:.1f} s"]
    if report.broken_guards:
        parts.append("a guard is broken, so the task is worth nothing")
    if report.unknown:
        parts.append("not everything could be judged; check again, it costs nothing")
    if report.checks and all(check.outcome is Outcome.NOT_APPLICABLE for check in report.checks):
        parts = ["NOT APPLICABLE: this cluster lacks what the task needs"]
    return "; ".join(parts)


def plain(report: Report) -> str:
    """Return the report as text with line breaks."""
    return "\n".join(line.text for line in lines(report))


def to_json(report: Report) -> Json:
    """Return the report as JSON-ready data, with `unknown` spelled out."""
    return {**report.model_dump(mode="json"), "unknown": report.unknown}


def _role(outcome: Outcome) -> Role:
    roles: dict[Outcome, Role] = {
        Outcome.PASSED: "passed",
        Outcome.FAILED: "failed",
        Outcome.UNKNOWN: "unknown",
        Outcome.NOT_APPLICABLE: "not_applicable",
    }
    return roles[outcome]


def _detail(label: str, text: str) -> Line:
    one_line = " ".join(text.split())
    return Line("detail", f"      {f'{label}: ' if label else ''}{one_line}")
