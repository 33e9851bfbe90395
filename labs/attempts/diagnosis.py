"""Answers to a `diagnose` scenario: whether component, cause and evidence are right, and what the report says of them.

`service.Tasks` calls it. An answer is judged when it is given, against the cluster as it is then (`clues.py`), against
the task's objects as they were at its start, and against lines that were seen before; the judgement is what is kept.
Blanks, quotes, case, and the columns that kubectl puts around a message never make a right answer wrong.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from grader.model import Json, Outcome, Report, Verdict
from grader.text import clean, listed
from labs.attempts.clues import UNREAD, Clues, Line, name_of
from labs.attempts.history import Story
from labs.attempts.naming import Named, read_name
from labs.course.models import Diagnosis, Option, Scenario
from labs.errors import ClusterError, UsageError

PARTS = ("component", "cause", "evidence")
MOST_SEEN = 40
_LEAST = 4  # characters that say anything
_WHOLE = 20  # characters of a piece that stands for its line
_COLUMNS = 160  # characters that kubectl may put around a message
_DROPPED = re.compile(r"""[\s"'`\\,\[\]{}]+""")
_NUMBERS = re.compile(r"[0-9a-f]{8,}|\d+")
_ABOUT = {
    "component": "The component at fault is named",
    "cause": "The cause is found",
    "evidence": "A line of the cluster proves it",
}
_WHY = {
    "component": "A symptom shows where users look. The repair belongs where it comes from.",
    "cause": "Several causes look alike from outside. Only one of them explains everything that was seen.",
    "evidence": "A diagnosis without evidence is a guess, and a guess that helps once teaches nothing.",
}
NOT_ANSWERED = "not answered yet"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a diagnosis.

    Attributes:
        id: `component`, `cause` or `evidence`.
        answered: What was answered, empty for nothing.
        right: Whether it is right; None while nothing was answered.
        reason: Why it is not, as far as that gives nothing away.
        points: Points earned.
        possible: Points to earn.
    """

    id: str
    answered: str
    right: bool | None
    reason: str
    points: int
    possible: int


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """A diagnosis as it stands.

    Attributes:
        scenario: Scenario id.
        parts: Component, cause, evidence.
        answers: How often it was answered.
        time_to_detect: Seconds from the start to the first answer with the right component and cause, or None.
    """

    scenario: str
    parts: tuple[Part, ...]
    answers: int = 0
    time_to_detect: float | None = None

    @property
    def right(self) -> bool:
        """Whether all of it is right."""
        return all(part.right for part in self.parts)

    @property
    def points(self) -> int:
        """Points earned."""
        return sum(part.points for part in self.parts)

    @property
    def possible(self) -> int:
        """Points to earn."""
        return sum(part.possible for part in self.parts)


@dataclass(frozen=True, slots=True)
class Given:
    """What a learner says; a part that is None stays as it was answered before."""

    component: str | None = None
    cause: str | None = None
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What an answer is held against.

    Attributes:
        now: What is there.
        before: Lines that were there: of the objects at the start, and what was seen meanwhile.
    """

    now: Clues
    before: Sequence[Line] = field(default_factory=tuple)


def asked(scenario: Scenario) -> Diagnosis:
    """Return what the scenario asks; `UsageError` when it asks for no diagnosis."""
    found = scenario.file.diagnosis
    if found is None:
        raise UsageError(
            f"the task {scenario.id} asks for no diagnosis", hint=f"repair it, then: labs scenarios check {scenario.id}"
        )
    return found


def options(scenario: Scenario) -> list[Option]:
    """Return the causes to choose from, in an order that is always the same and gives nothing away."""
    return sorted(asked(scenario).options, key=lambda o: hashlib.sha256(f"{scenario.id}/{o.id}".encode()).hexdigest())


def pick(scenario: Scenario, text: str) -> Option:
    """Return the cause that somebody means by its id, its number in `options`, or its words.

    Raises:
        UsageError: None or several fit; the hint names them all.
    """
    known = options(scenario)
    word = _squeezed(text)
    found = [o for o in known if _squeezed(o.id) == word]
    if not found and text.strip().isdigit() and 1 <= int(text) <= len(known):
        found = [known[int(text) - 1]]
    found = found or [o for o in known if word and _squeezed(o.text).startswith(word)]
    if len(found) == 1:
        return found[0]
    raise UsageError(f"`{clean(text)}` is none of the causes", hint=f"one of: {', '.join(o.id for o in known)}")


def judge(scenario: Scenario, story: Story, given: Given, scene: Scene) -> Json:
    """Return what is to be kept of an answer: what was said, whether it is right, and why not.

    Raises:
        UsageError: An answer cannot be read, or there is none.
        ClusterError: The evidence was not found, and not all of the cluster could be looked at.
    """
    wanted = asked(scenario)
    if given == Given():
        raise UsageError("nothing was answered", hint="give --component, --cause and --evidence")
    said: Json = {name: dict((story.answer or {}).get(name) or {}) for name in PARTS}
    if given.component is not None:
        said["component"] = _component(wanted, given.component, scene.now)
    if given.cause is not None:
        chosen = pick(scenario, given.cause)
        said["cause"] = {"answered": chosen.id, "right": chosen.id == wanted.cause, "reason": ""}
    if given.evidence is not None:
        said["evidence"] = _evidence(wanted, given.evidence, scene, scenario)
    return said


def _component(wanted: Diagnosis, text: str, now: Clues) -> Json:
    named = read_name(text)
    if named is None:
        word = text.strip().lower()
        near = [n for n in now.names() if n.lower().rpartition("/")[2] == word] or now.names()
        raise UsageError(f"`{clean(text)}` names no object", hint=f"write Kind/name: {listed(near)}")
    right = [found for found in map(read_name, wanted.components) if found is not None]
    obj = now.named(named)
    chain = now.owners(obj) if obj is not None else [named]
    ok = any(link.same(one) for link in [named, *chain] for one in right)
    answered = str(Named(chain[0].kind, chain[0].name))
    if len(chain) > 1:
        answered += f", made by {Named(chain[-1].kind, chain[-1].name)}"
    unread = now.unread or named.kind in UNREAD
    reason = "" if ok or obj is not None or unread else _absent(named, now)
    return {"answered": clean(answered), "right": ok, "reason": reason}


def _absent(named: Named, now: Clues) -> str:
    same_kind = [name_of(o).name for o in now.objects if name_of(o).same(Named(named.kind, name_of(o).name))]
    near = difflib.get_close_matches(named.name, same_kind, n=3, cutoff=0.6) or same_kind
    return f"there is no {named.kind} `{clean(named.name, 80)}`; found: {listed(sorted(near))}"


# --- evidence --------------------------------------------------------------------------------------------------------


def _evidence(wanted: Diagnosis, text: str, scene: Scene, scenario: Scenario) -> Json:
    answered = clean(" ".join(text.split()), 400)
    paste = _squeezed(re.sub(r"^\s*-\s+", "", text))
    if len(paste) < _LEAST:
        raise UsageError("that is too short to be a line", hint="paste an event's message, a line of a log, or a field")
    proofs = [p for p in map(_squeezed, wanted.evidences) if p]
    where: list[Line] = []
    for lines in (scene.now.lines, scene.before):
        found = [line for line in lines if _meets(paste, line, proofs)]
        proving = [line for line in found if _carries(line, proofs)]
        if proving and (any(p in paste for p in proofs) or (len(paste) >= _WHOLE and len(proving) == len(found))):
            return {"answered": answered, "right": True, "reason": "", "place": proving[0].place}
        where += found
    if any(p in paste for p in proofs):
        shape = _shape(paste)
        for line in (*scene.now.lines, *scene.before):  # the same line of another moment: only its figures differ
            if _carries(line, proofs) and any(_fits(shape, _shape(n)) for n in _needles(line)):
                return {"answered": answered, "right": True, "reason": "", "place": line.place}
    if where:
        reason = f"the line is there ({where[0].source}, {clean(where[0].place, 120)}), but it does not prove the cause"
        return {"answered": answered, "right": False, "reason": reason, "place": where[0].place}
    if scene.now.unread:
        raise ClusterError(
            f"the evidence could not be looked for everywhere: {scene.now.unread[0]}", hint="answer once more"
        )
    spaces = ", ".join(scenario.file.namespaces)
    reason = (
        f"no such line was found in {spaces}; looked at {', '.join(scene.now.looked)}, "
        "and at what was there at the start. Paste one line as kubectl shows it"
    )
    return {"answered": answered, "right": False, "reason": reason}


def _squeezed(text: str) -> str:
    """Return the text without what terminals, YAML, JSON and kubectl's columns do to it."""
    return _DROPPED.sub("", text).casefold()


def _needles(line: Line) -> list[str]:
    """Return the forms in which a line may stand in what was pasted, squeezed."""
    forms = [line.text]
    if line.source == "field" and ": " in line.text:
        name, value = line.text.split(": ", 1)
        forms += [f"{name}={value}", f"{line.more}: {value}"]
        forms += [f"value: {value}"] if line.more.endswith(".value") else []
    return [squeezed for squeezed in map(_squeezed, forms) if squeezed]


def _meets(paste: str, line: Line, proofs: Iterable[str]) -> bool:
    if paste in _squeezed(line.whole) or any(_fits(paste, needle) for needle in _needles(line)):
        return True
    # A row of `kubectl get` shows the bare value of a field (CrashLoopBackOff); elsewhere values are too common words.
    value = _squeezed(line.text.partition(": ")[2]) if line.source == "field" else ""
    return any(proof in value for proof in proofs) and _fits(paste, value)


def _fits(paste: str, needle: str) -> bool:
    """Whether one is the other, a piece of it, or it with kubectl's columns around."""
    if paste == needle or (len(paste) >= _LEAST and paste in needle):
        return True
    return len(needle) >= 2 * _LEAST and needle in paste and len(paste) - len(needle) <= _COLUMNS


def _carries(line: Line, proofs: Iterable[str]) -> bool:
    whole = _squeezed(line.whole)
    return any(proof in whole for proof in proofs)


def _shape(squeezed: str) -> str:
    return _NUMBERS.sub("#", squeezed)


def seen(scenario: Scenario, story: Story, now: Clues) -> list[Line]:
    """Return the proving lines that were not seen before: they are kept, because a repair takes them away."""
    proofs = [p for p in map(_squeezed, asked(scenario).evidences) if p]
    known = {_shape(_squeezed(line.whole)) for line in map(Line.from_json, story.seen)}
    fresh: dict[str, Line] = {}
    for line in now.lines:
        if _carries(line, proofs):
            fresh.setdefault(_shape(_squeezed(line.whole)), line)
    return [line for shape, line in fresh.items() if shape not in known][: max(0, MOST_SEEN - len(known))]


def first_with(text: str, now: Clues) -> Line | None:
    """Return the first line that contains a text, for the fixes of demo and prove."""
    part = _squeezed(text)
    return next((line for line in now.lines if part in _squeezed(line.whole)), None)


# --- what comes out --------------------------------------------------------------------------------------------------


def diagnosed(scenario: Scenario, story: Story) -> Diagnosed:
    """Return the diagnosis as it stands."""
    wanted, said = asked(scenario), story.answer or {}
    parts = []
    for name in PARTS:
        if name == "evidence" and not wanted.evidences:
            continue
        one, possible = said.get(name) or {}, int(getattr(wanted.points, name))
        right = bool(one["right"]) if one else None
        points = possible if right else 0
        parts.append(Part(name, one.get("answered", ""), right, one.get("reason", ""), points, possible))
    return Diagnosed(scenario.id, tuple(parts), story.answers, story.seconds_to_detect)


def standing(scenario: Scenario, story: Story) -> Diagnosed | None:
    """Return the diagnosis as it stands, None for a scenario that asks for none."""
    return diagnosed(scenario, story) if scenario.file.diagnosis is not None else None


def ahead(scenario: Scenario) -> list[tuple[str, str, int]]:
    """Return what will be asked, for a task that is not graded yet: what it is about, why, and its points."""
    wanted = scenario.file.diagnosis
    if wanted is None:
        return []
    names = [name for name in PARTS if name != "evidence" or wanted.evidences]
    return [(_ABOUT[name], _WHY[name], int(getattr(wanted.points, name))) for name in names]


def completed(report: Report, scenario: Scenario, story: Story) -> Report:
    """Return the report with the parts of the diagnosis beside the checks: the task passes when both are right."""
    if scenario.file.diagnosis is None:
        return report
    nowhere = bool(report.checks) and all(v.outcome is Outcome.NOT_APPLICABLE for v in report.checks)
    shown = story.saw_solution is not None
    parts = diagnosed(scenario, story).parts
    verdicts = [_verdict(part, scenario, shown=shown, nowhere=nowhere) for part in parts]
    counted = [v for v in verdicts if v.outcome is not Outcome.NOT_APPLICABLE]
    earned = sum(v.points for v in counted if v.outcome is Outcome.PASSED)
    return report.model_copy(
        update={
            "checks": [*report.checks, *verdicts],
            "points": 0 if report.broken_guards else report.points + earned,
            "possible": report.possible + sum(v.points for v in counted),
            "passed": report.passed and all(v.outcome is Outcome.PASSED for v in counted),
            "time_to_detect": story.seconds_to_detect,
        }
    )


def _verdict(part: Part, scenario: Scenario, *, shown: bool, nowhere: bool) -> Verdict:
    outcome = Outcome.PASSED if part.right else Outcome.FAILED
    observed = part.answered or NOT_ANSWERED
    if part.id == "cause" and part.answered:
        observed = next((o.text for o in asked(scenario).options if o.id == part.answered), part.answered)
    return Verdict(
        id=f"diagnosis-{part.id}",
        kind="diagnosis",
        about=_ABOUT[part.id],
        points=part.possible,
        outcome=Outcome.NOT_APPLICABLE if nowhere else outcome,
        observed="\n".join(text for text in (observed, part.reason) if text),
        expected=_right(scenario, part.id) if part.right or shown else "",
        why=_WHY[part.id],
    )


def _right(scenario: Scenario, part: str) -> str:
    wanted = asked(scenario)
    if part == "component":
        return " or ".join(wanted.components)
    if part == "cause":
        return next(o.text for o in wanted.options if o.id == wanted.cause)
    return "a line with " + " or ".join(f"`{text}`" for text in wanted.evidences)
