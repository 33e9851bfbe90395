"""What a report says, piece by piece, and the same as plain text. `labs.render.report` gives the pieces their look.

Not for: deciding anything (`grader.runner`), colours, widths, markup. Text that came from a cluster is clean already
and stays plain.
"""

from __future__ import annotations

from dataclasses import dataclass

from grader.model import Change, GuardVerdict, Json, Outcome, Report, Verdict
from grader.text import clean

MOST_DIFFERENCES = 6
MOST_CHANGES = 8

MARKS: dict[Outcome, tuple[str, str]] = {
    Outcome.PASSED: ("✓", "passed"),
    Outcome.FAILED: ("✗", "failed"),
    Outcome.NOT_APPLICABLE: ("·", "n/a"),
    Outcome.UNKNOWN: ("?", "unknown"),
}
"""A sign and a word for each outcome, so that its meaning never hangs on a colour alone."""


@dataclass(frozen=True, slots=True)
class Field:
    """A labelled piece of evidence.

    Attributes:
        label: `observed`, `expected`, `differs`, `why`, or empty for one more line of the piece before.
        text: Plain text; `observed` may have several lines.
    """

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The last line of a report.

    Attributes:
        outcome: What it comes to.
        word: The same in capitals.
        text: Points and checks, or the reason.
        timed: Whether the duration belongs behind it.
        advice: A line of its own, or empty.
    """

    outcome: Outcome
    word: str
    text: str
    timed: bool = False
    advice: str = ""


def points(verdict: Verdict) -> str:
    """Return the points of a check as `2/3`, with a dash where it could not be judged."""
    earned = {Outcome.PASSED: str(verdict.points), Outcome.FAILED: "0"}
    return f"{earned.get(verdict.outcome, '–')}/{verdict.points}"


def evidence(verdict: Verdict) -> list[Field]:
    """Return what was observed, what was expected, what differs and why it matters; nothing for a check that passed."""
    if verdict.outcome is Outcome.PASSED:
        return []
    fields = [Field("observed", verdict.observed), Field("expected", verdict.expected)]
    # A difference that says what `observed` says already is not told twice.
    differs = [line for line in verdict.mismatches if line and line not in verdict.observed]
    fields += [Field("differs", line) for line in differs[:MOST_DIFFERENCES]]
    if len(differs) > MOST_DIFFERENCES:
        fields.append(Field("", f"… and {len(differs) - MOST_DIFFERENCES} more"))
    return [field for field in [*fields, Field("why", verdict.why)] if field.text]


def guard_word(guard: GuardVerdict) -> str:
    """Return how a guard fared, in a word."""
    return {Outcome.PASSED: "held", Outcome.FAILED: "broken"}.get(guard.outcome, "unknown")


def guard_evidence(guard: GuardVerdict) -> list[Field]:
    """Return what was found and why it matters; nothing for a guard that held."""
    if guard.outcome is Outcome.PASSED:
        return []
    why = "" if guard.why == guard.about else guard.why
    return [field for field in (Field("observed", guard.observed), Field("why", why)) if field.text]


def remarks(report: Report) -> list[str]:
    """Return what else has to be said: what was waited for, and on what kind of GPU pool."""
    pool = [f"the GPU pool of this cluster is {report.gpu}"] if report.gpu != "none" else []
    return [*report.notes, *pool]


def changed(report: Report) -> list[str]:
    """Return what the learner changed, one line each, oldest first; of many the newest."""
    lines = [_change(change) for change in report.changes[-MOST_CHANGES:]]
    rest = len(report.changes) - len(lines)
    return [*([f"… {rest} before"] if rest else []), *lines]


def _change(change: Change) -> str:
    words = f"{change.at[11:19]} {change.verb} {change.object}"
    words += f" in {change.namespace}" if change.namespace else ""
    words += f": {', '.join(change.fields)}" if change.fields else ""
    return clean(words + (f" ({change.by})" if change.by else ""))


def timings(report: Report) -> str:
    """Return how long it took to detect the cause and to change something first, as far as that is known."""
    said = {"cause detected after": report.time_to_detect, "first change after": report.time_to_first_change}
    return ", ".join(f"{words} {seconds:.0f} s" for words, seconds in said.items() if seconds is not None)


def conclusion(report: Report) -> Conclusion:
    """Return the verdict on the task."""
    passed = sum(verdict.outcome is Outcome.PASSED for verdict in report.checks)
    counted = f"{passed} of {len(report.checks)} checks"
    tail = f"{report.points} of {report.possible} points, {counted}"
    if report.checks and all(verdict.outcome is Outcome.NOT_APPLICABLE for verdict in report.checks):
        return Conclusion(Outcome.NOT_APPLICABLE, "NOT APPLICABLE", "this cluster lacks what the task needs")
    if report.passed:
        return Conclusion(Outcome.PASSED, "PASSED", tail, timed=True)
    if report.broken_guards:
        return Conclusion(Outcome.FAILED, "FAILED", f"a guard was broken: the task counts zero ({counted})")
    if report.unknown:
        advice = "what is unknown costs nothing: grade again"
        return Conclusion(Outcome.UNKNOWN, "UNKNOWN", tail, timed=True, advice=advice)
    return Conclusion(Outcome.FAILED, "FAILED", tail, timed=True)


def plain(report: Report) -> str:
    """Return the whole report as text, for logs and tests."""
    lines: list[str] = []
    for verdict in report.checks:
        sign, word = MARKS[verdict.outcome]
        lines.append(f"{sign} {word:7} {points(verdict):>6}  {verdict.about}")
        lines += _indented(evidence(verdict))
    for guard in report.guards:
        if guard.outcome is not Outcome.PASSED:
            lines.append(f"{MARKS[guard.outcome][0]} {guard_word(guard):7}  guard  {guard.about}")
            lines += _indented(guard_evidence(guard))
    end = conclusion(report)
    lines.append(f"{end.word}  {end.text}{f', graded in {report.seconds:.1f} s' if end.timed else ''}")
    lines += [end.advice] if end.advice else []
    lines += [f"note: {remark}" for remark in remarks(report)]
    lines += [f"near miss: {line}" for line in report.coaching]
    return "\n".join([*lines, *(f"changed: {line}" for line in changed(report))])


def to_json(report: Report) -> Json:
    """Return the report as JSON-ready data, with `unknown` spelled out."""
    return {**report.model_dump(mode="json"), "unknown": report.unknown}


def _indented(fields: list[Field]) -> list[str]:
    lines = []
    for field in fields:
        first, *rest = field.text.split("\n")
        lines += [f"{field.label:>16}  {first}", *(f"{'':18}{line}" for line in rest)]
    return lines
