"""Typed models of the course. `labs.course.load` fills them; `lint`, `inject`, `attempts`, `cli` and `tui` read them.

No I/O here.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from grader.capabilities import Requires
from grader.model import Check, Guard, Spec
from labs.course.repository import Repository

When = Literal["together", "made", "ready"]
ID = r"^[a-z0-9]+(-[a-z0-9]+)*$"


class Kind(StrEnum):
    """What a scenario asks of the learner."""

    BUILD = "build"
    FIX = "fix"
    DIAGNOSE = "diagnose"
    OPERATE = "operate"


class Fault(Spec):
    """Something that breaks the healthy state of `setup`.

    Attributes:
        use: Name of a library fault in `labs/inject/faults/`, or empty.
        with_: Its parameters (`with` in YAML).
        apply: Folder of manifests applied over the healthy ones (`broken/`), or empty.
        when: `together`: applied in one go with the setup; `made`: once the setup's workloads have made their pods, so
            that a first revision is in the history; `ready`: only once these are ready, which costs the start seconds.
        at: It comes while the learner works, so long after the start (`20s`, `2m`); a pod of the task brings it.
        unseen: Why its symptom does not show in this task: another fault hides it, or here it looks otherwise. Nothing
            waits for it then.
    """

    use: str = ""
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    apply: str = ""
    when: When = "together"
    at: str = Field(default="", pattern=r"^([0-9]+[sm])?$")
    unseen: str = Field(default="", max_length=200)

    @model_validator(mode="after")
    def _one(self) -> Fault:
        if bool(self.use) == bool(self.apply):
            raise ValueError("a fault needs either `use` (library) or `apply` (folder of manifests)")
        if self.at and self.when != "together":
            raise ValueError("a fault has either `at` or `when`")
        return self


class Doc(Spec):
    """A link a learner may follow."""

    label: str
    url: str


class Option(Spec):
    """One possible answer of a diagnosis."""

    id: str
    text: str


class DiagnosisPoints(Spec):
    """What each part of a diagnosis is worth."""

    component: int = Field(default=1, ge=1, le=20)
    cause: int = Field(default=1, ge=1, le=20)
    evidence: int = Field(default=1, ge=1, le=20)


class Diagnosis(Spec):
    """What the learner has to find out in a `diagnose` scenario. Where several answers are right, give a list.

    Attributes:
        component: The right component, an object in the form `Kind/name`.
        cause: Id of the right option.
        options: Causes to choose from, the right one among them.
        evidence: Text in the line (event, log or field) that proves it; blanks, quotes and case do not matter.
        points: Points of the three parts.
    """

    component: str | tuple[str, ...]
    cause: str
    options: tuple[Option, ...]
    evidence: str | tuple[str, ...] = ""
    points: DiagnosisPoints = DiagnosisPoints()

    @property
    def components(self) -> tuple[str, ...]:
        """Every right component; the first is the one to tell."""
        return (self.component,) if isinstance(self.component, str) else self.component

    @property
    def evidences(self) -> tuple[str, ...]:
        """Every text that proves it."""
        found = (self.evidence,) if isinstance(self.evidence, str) else self.evidence
        return tuple(text for text in found if text.strip())


class ScenarioFile(Spec):
    """`scenario.yaml`, as written by its author; see design §4."""

    api_version: Literal["labs/v1"] = Field(alias="apiVersion")
    id: str = Field(pattern=ID)
    title: str
    lesson: str = Field(pattern=r"^[1-6]\.[1-5]$")
    kind: Kind
    target_minutes: int = Field(ge=1, le=120)
    weight: Literal[1, 2, 4, 8]
    requires: Requires = Requires()
    namespaces: tuple[str, ...] = Field(min_length=1)
    situation: str
    task: str
    setup: tuple[str, ...] = ("base/",)
    faults: tuple[Fault, ...] = ()
    checks: tuple[Check, ...] = Field(min_length=1)
    guards: tuple[Guard, ...] = ()
    diagnosis: Diagnosis | None = None
    hints: tuple[Literal["concept", "field", "live"], ...] = ("concept", "field", "live")
    wrong: tuple[str, ...] = ()
    docs: tuple[Doc, ...] = ()
    settle_seconds: float = Field(default=30.0, gt=0, le=120)


class StepAnswer(Spec):
    """The diagnosis that a fix gives.

    Attributes:
        component: As a learner would name it.
        cause: Id of an option.
        evidence: A part of the line: the first line of the cluster that contains it is the answer.
    """

    component: str
    cause: str
    evidence: str


class FixStep(Spec):
    """One step of a solution or of a wrong fix: something a learner would type or save. Exactly one action.

    Attributes:
        say: What the step does and why, one sentence.
        kubectl: Arguments of kubectl, as a list; run in the fix's folder, so that `-f file.yaml` finds its files.
            `{digest of registry.lab/NAME:TAG}` in an argument becomes that image's digest.
        helm: Arguments of helm; run in the learner's workspace, where charts lie.
        git: Arguments of git; run in the learner's workspace (`-C FOLDER` first where the repository lies deeper).
        copy: Folder (relative to the fix's folder) whose files are saved over the learner's workspace.
        answer: For `diagnose` scenarios: the diagnosis; it comes before the steps that remove the evidence.
        expect: `ok`: the command must succeed; `any`: its exit code does not matter.
        optional: Of a step of the solution, why it may be left out and the task still passes. Without it the prove gate
            leaves the step out once, and the task must then fail.
    """

    say: str
    kubectl: tuple[str, ...] = ()
    helm: tuple[str, ...] = ()
    git: tuple[str, ...] = ()
    copy_: str = Field(default="", alias="copy")
    answer: StepAnswer | None = None
    expect: Literal["ok", "any"] = "ok"
    optional: str = ""

    @model_validator(mode="after")
    def _one(self) -> FixStep:
        if sum(map(bool, (self.kubectl, self.helm, self.git, self.copy_, self.answer))) != 1:
            raise ValueError("a step needs exactly one of `kubectl`, `helm`, `git`, `copy` and `answer`")
        return self

    @property
    def command(self) -> tuple[str, ...]:
        """Program and arguments; empty for a step that types nothing."""
        programs = {"kubectl": self.kubectl, "helm": self.helm, "git": self.git}
        return next(((name, *words) for name, words in programs.items() if words), ())


class FixFile(Spec):
    """`solution/fix.yaml` and `wrong/<id>/fix.yaml`.

    Attributes:
        about: What this fix is, one sentence; for wrong ones: why it tempts.
        steps: In order.
    """

    about: str
    steps: tuple[FixStep, ...] = Field(min_length=1)


class Fix(Spec):
    """A fix with the folder it lies in.

    Attributes:
        id: `solution`, or the wrong fix's folder name.
        folder: Where its files lie.
        file: Its content.
    """

    id: str
    folder: Path
    file: FixFile

    def with_steps(self, steps: Iterable[FixStep]) -> Fix:
        """Return the same fix with other steps."""
        return self.model_copy(update={"file": self.file.model_copy(update={"steps": tuple(steps)})})


class Scenario(Spec):
    """A scenario with everything that lies in its folder.

    Attributes:
        file: The content of `scenario.yaml`.
        folder: Where it lies.
        chapter: Number of its chapter, 1–6.
        hints: Level (`concept`, `field`, `live`) → text (Markdown), from `hints.md`.
        debrief: Text of `debrief.md`.
        solution: The proved fix.
        wrong: Tempting fixes that must fail, in the order of the file.
        repository: The Git repository in the learner's workspace, from `repository.yaml`, or None.
        digest: SHA-256 over every file of the folder, hex.
    """

    file: ScenarioFile
    folder: Path
    chapter: int
    hints: dict[str, str]
    debrief: str
    solution: Fix
    wrong: tuple[Fix, ...]
    repository: Repository | None = None
    digest: str

    @property
    def id(self) -> str:
        """The scenario's id."""
        return self.file.id


class ChapterFile(Spec):
    """`chapter.yaml`, as written by its author.

    Attributes:
        number: 1–6, the same as in the folder's name, which is the default.
        title: Title.
        summary: One or two sentences.
        weight: Share of the mock exam in percent.
        lessons: Lesson number (`"1.4"`) → title.
        showcase: Id of the scenario that the demo plays for this chapter.
    """

    number: int | None = Field(default=None, ge=1, le=6)
    title: str
    summary: str
    weight: int = Field(ge=1, le=100)
    lessons: dict[str, str]
    showcase: str = ""


class Chapter(Spec):
    """A chapter: `chapter.yaml` and its scenarios.

    Attributes:
        number: 1–6.
        slug: Folder name without the number.
        title: Title.
        summary: One or two sentences.
        weight: Share of the mock exam in percent.
        lessons: Lesson number (`1.4`) → title.
        showcase: Id of the scenario that the demo plays, or empty.
        scenarios: Sorted by lesson, then by id.
    """

    number: int
    slug: str
    title: str
    summary: str
    weight: int
    lessons: dict[str, str]
    showcase: str = ""
    scenarios: tuple[Scenario, ...]


class Course(Spec):
    """All chapters, in order."""

    chapters: tuple[Chapter, ...]

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """Every scenario, in the order of the course."""
        return tuple(s for chapter in self.chapters for s in chapter.scenarios)
