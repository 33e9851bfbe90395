"""What a check is and what its verdict looks like. Scenarios are written in these types; reports are made of them.

Used by `labs.course` (a scenario embeds checks and guards), `grader.runner` and everything that shows a report. No I/O
here. The single kinds are in `grader.kinds`, their parts in `grader.spec`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field, model_validator

from grader.kinds import (
    Access,
    Action,
    Condition,
    DryRun,
    EventCheck,
    Exec,
    Git,
    Helm,
    Http,
    Image,
    Infer,
    Kustomize,
    LogCheck,
    Match,
    Metric,
    Sustained,
    Triggered,
)
from grader.spec import From, Json, Objects, Rendered, Spec, Target

__all__ = [
    "CHECK_KINDS",
    "TIMED_KINDS",
    "Access",
    "Action",
    "Change",
    "Check",
    "Condition",
    "DryRun",
    "EventCheck",
    "Exec",
    "Exists",
    "From",
    "Git",
    "Guard",
    "GuardVerdict",
    "Helm",
    "Http",
    "Image",
    "Infer",
    "Json",
    "Kustomize",
    "LogCheck",
    "Match",
    "Metric",
    "Objects",
    "Outcome",
    "Rendered",
    "Report",
    "Spec",
    "Sustained",
    "Target",
    "Triggered",
    "Unchanged",
    "Verdict",
]


class Outcome(StrEnum):
    """The four outcomes. `unknown` never costs points and can be graded again."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"


# --- what an author writes -------------------------------------------------------------------------------------------


CHECK_KINDS = (
    *("match", "cel", "condition", "event", "log", "http", "infer", "access", "dry_run", "exec", "metric"),
    *("helm", "kustomize", "git", "image", "sustained", "triggered"),
)
TIMED_KINDS = frozenset({"sustained", "triggered"})
"""Kinds that take their time and refer to another check: they come after all the others."""


class Check(Spec):
    """One assertion. Exactly one of the kinds is given.

    Attributes:
        id: Key within the scenario, lower-case words with dashes.
        points: Weight of the check within its scenario.
        about: What must be true, in words a learner reads.
        why: Why it matters; shown with the verdict.
        observe: For `cel`: name → list of objects the expression sees. Lists shared between checks are read once.
        cel: Expression that yields a bool.
        expected: For `cel`: what should be there, in words (default: `about`).
        show: For `cel`: expression that yields what was observed, for the report (a string, list or map).
        untouched: What the check says before the learner did anything; `passes` marks a check that guards something
            that works.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    points: int = Field(default=1, ge=1, le=20)
    about: str
    why: str = ""
    untouched: Literal["fails", "passes"] = "fails"
    observe: dict[str, Objects | Rendered] = Field(default_factory=dict)
    cel: str | None = None
    expected: str = ""
    show: str = ""
    match: Match | None = None
    condition: Condition | None = None
    event: EventCheck | None = None
    log: LogCheck | None = None
    http: Http | None = None
    infer: Infer | None = None
    access: Access | None = None
    dry_run: DryRun | None = None
    exec: Exec | None = None
    metric: Metric | None = None
    helm: Helm | None = None
    kustomize: Kustomize | None = None
    git: Git | None = None
    image: Image | None = None
    sustained: Sustained | None = None
    triggered: Triggered | None = None

    @property
    def kind(self) -> str:
        """The check kind that is given."""
        return next(kind for kind in CHECK_KINDS if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _one_kind(self) -> Check:
        given = [kind for kind in CHECK_KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            said = " and ".join(given) or "none"
            raise ValueError(f"check `{self.id}` needs exactly one of {', '.join(CHECK_KINDS)}; it has {said}")
        if self.observe and self.cel is None:
            raise ValueError(f"check `{self.id}`: `observe` goes with `cel` only")
        return self


class Unchanged(Spec):
    """Fields that must be what they were when the task began.

    Attributes:
        of: Which objects; all of them must still be there.
        fields: Dotted paths, `spec.taints`, `data["config.yaml"]`, or `spec` for all of it.
    """

    of: Objects
    fields: tuple[str, ...]


class Exists(Spec):
    """An object that must still be there, of the same uid when `same` is set.

    Attributes:
        of: Which object (kind, namespace, name).
        replicas: Bound on `spec.replicas`, such as `>=2`; empty for none.
        same: Whether it must be the object that was there at the start (not deleted and made again).
    """

    of: Objects
    replicas: str = Field(default="", pattern=r"^((>=|<=|==|>|<)\d+)?$")
    same: bool = False


class Guard(Spec):
    """A shortcut that is closed: a broken guard makes the task worth zero, with the reason. Exactly one kind is given.

    Attributes:
        why: The reason told when it is broken.
        unchanged: Fields of objects that must not be touched.
        exists: An object that must not be removed or scaled down.
        cel: Expression over `observe`, which must stay true.
        observe: As in `Check`.
    """

    why: str = ""
    unchanged: Unchanged | None = None
    exists: Exists | None = None
    cel: str | None = None
    observe: dict[str, Objects | Rendered] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_kind(self) -> Guard:
        given = [k for k in ("unchanged", "exists", "cel") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a guard needs exactly one of unchanged, exists, cel; it has {' and '.join(given) or 'none'}"
            )
        return self


# --- what comes out --------------------------------------------------------------------------------------------------


class Verdict(BaseModel):
    """The outcome of one check, with its evidence.

    Attributes:
        id: The check's id.
        kind: The check's kind.
        about: What must be true.
        points: Weight.
        outcome: One of four.
        observed: What was there, for a person; plain text, never markup.
        expected: What should be there.
        why: Why it matters.
        mismatches: The last differences, one line each (`spec.ports[0].targetPort: observed 8080, expected 8000`).
        looks: How often it was looked at.
        seconds: How long it took.
    """

    id: str
    kind: str
    about: str
    points: int
    outcome: Outcome
    observed: str = ""
    expected: str = ""
    why: str = ""
    mismatches: list[str] = Field(default_factory=list)
    looks: int = 1
    seconds: float = 0.0


class GuardVerdict(BaseModel):
    """Whether a guard held. `unknown` counts as held and is said.

    Attributes:
        about: What the guard protects, in words.
        outcome: passed, failed or unknown.
        observed: What was found.
        why: The reason told when it is broken.
    """

    about: str
    outcome: Outcome
    observed: str = ""
    why: str = ""


class Change(BaseModel):
    """Something the learner did to the cluster, as the API server tells it.

    Attributes:
        at: When (ISO 8601, UTC).
        verb: `create`, `update`, `patch` or `delete`.
        object: `Kind/name`.
        namespace: Its namespace, empty for cluster-scoped kinds.
        fields: What of it was changed, as paths; empty where that is not known.
        by: What did it, such as `kubectl-edit`; empty where that is not known.
    """

    at: str
    verb: str
    object: str
    namespace: str = ""
    fields: list[str] = Field(default_factory=list)
    by: str = ""


class Report(BaseModel):
    """The verdict on a task.

    Attributes:
        scenario: Scenario id.
        checks: In the order of the scenario.
        guards: In the order of the scenario.
        points: Points earned; 0 when a guard is broken.
        possible: Points of the checks that could be judged (passed or failed).
        passed: All checks passed or are not applicable, at least one passed, no guard is broken, none is unknown.
        seconds: Duration of the grading.
        gpu: Kind of GPU pool, printed by every report.
        notes: Remarks: "waited 4 s for the rollout".
        time_to_detect: Seconds until component and cause were right, of a task that asks for a diagnosis.
        time_to_first_change: Seconds until the learner changed something, where the provider can tell.
        changes: What the learner changed, oldest first; never part of the verdict.
        coaching: Near misses in words, such as an edited Pod whose Deployment is as it was; never part of the verdict.
    """

    scenario: str
    checks: list[Verdict]
    guards: list[GuardVerdict] = Field(default_factory=list)
    points: int = 0
    possible: int = 0
    passed: bool = False
    seconds: float = 0.0
    gpu: str = "none"
    notes: list[str] = Field(default_factory=list)
    time_to_detect: float | None = None
    time_to_first_change: float | None = None
    changes: list[Change] = Field(default_factory=list)
    coaching: list[str] = Field(default_factory=list)

    @property
    def unknown(self) -> bool:
        """Whether the cluster could not be asked about something."""
        return any(v.outcome is Outcome.UNKNOWN for v in self.checks) or any(
            g.outcome is Outcome.UNKNOWN for g in self.guards
        )

    @property
    def broken_guards(self) -> list[GuardVerdict]:
        """The guards that were broken."""
        return [g for g in self.guards if g.outcome is Outcome.FAILED]
