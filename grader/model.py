"""What a check is and what its verdict looks like. Scenarios are written in these types; reports are made of them.

Used by `labs.course` (a scenario embeds checks and guards), `grader.runner` and everything that shows a report. No I/O
here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Json = dict[str, Any]


class Spec(BaseModel):
    """Base of all data written by scenario authors: unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Outcome(StrEnum):
    """The four outcomes. `unknown` never costs points and can be graded again."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"


# --- what an author writes -------------------------------------------------------------------------------------------


class Objects(Spec):
    """A list of objects to read: all of a kind, or those that a selector or a name picks.

    Attributes:
        kind: Kind as `kubectl explain` spells it (`Pod`, `EndpointSlice`).
        api_version: Needed only where two groups serve the kind; default: the preferred group.
        namespace: Namespace, or none for cluster-scoped kinds and for all namespaces.
        name: A single object; the observed list then has at most one element.
        selector: Label selector in kubectl's syntax.
    """

    kind: str
    api_version: str = Field(default="", alias="apiVersion")
    namespace: str | None = None
    name: str = ""
    selector: str = ""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Rendered(Spec):
    """Objects that `kubectl kustomize` renders from a folder of the learner's workspace, not of the cluster.

    Attributes:
        kustomize: Folder relative to the workspace.
    """

    kustomize: str


class Match(Spec):
    """A partial object: every field given must be there with that value; lists of named things match by `name`.

    Attributes:
        object: Partial object; `kind`, `metadata.name` (and `metadata.namespace`) say which.
    """

    object: Json


class Condition(Spec):
    """A status condition of one object, or of every object that a selector picks (at least one).

    Attributes:
        of: Which objects.
        type: Condition type, such as `Available`.
        status: Wanted status.
        reason: Wanted reason, when it matters.
    """

    of: Objects
    type: str
    status: Literal["True", "False", "Unknown"] = "True"
    reason: str = ""


class From(Spec):
    """Where a request is sent from: a short-lived pod of the lab's prober in that namespace with those labels.

    Attributes:
        namespace: Namespace of the client pod.
        labels: Labels of the client pod (NetworkPolicies see them).
    """

    namespace: str
    labels: dict[str, str] = Field(default_factory=dict)


class Http(Spec):
    """A request sent from inside the cluster.

    Attributes:
        service: Service name; the host is `service.namespace.svc`. Or give `url`.
        namespace: The Service's namespace; default: the scenario's first.
        port: Service port number or name.
        path: Path and query.
        url: Whole URL instead of service, port and path (an Ingress, an address outside).
        method: HTTP method.
        headers: Request headers.
        body: Body, sent as JSON.
        expect: Wanted status, or `refused` | `timeout` | `unreachable` (any of refused, timed out, no such host).
        body_contains: Text that the answer must contain.
        body_match: Partial JSON that the answer must contain.
        attempts: Number of requests; all must meet the expectation.
        client: Where it is sent from; default: the prober in `lab-system`.
        timeout: Seconds per request.
    """

    service: str = ""
    namespace: str = ""
    port: int | str = 80
    path: str = "/"
    url: str = ""
    method: Literal["GET", "POST", "PUT", "DELETE", "HEAD"] = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    expect: int | Literal["refused", "timeout", "unreachable"] = 200
    body_contains: str = ""
    body_match: Json | None = None
    attempts: int = Field(default=1, ge=1, le=200)
    client: From | None = None
    timeout: float = Field(default=3.0, gt=0, le=30)

    @model_validator(mode="after")
    def _one_target(self) -> Http:
        if bool(self.service) == bool(self.url):
            raise ValueError("give either `service` or `url`")
        return self


class Access(Spec):
    """A SubjectAccessReview.

    Attributes:
        user: User name, or `system:serviceaccount:NAMESPACE:NAME`, or `serviceaccount: NAMESPACE/NAME` in short.
        groups: Groups of the user.
        verb: Verb (`get`, `patch`, …).
        resource: Plural, with an optional subresource: `pods/log`.
        group: API group, empty for core.
        namespace: Namespace, empty for cluster-wide.
        name: One object, or all.
        allowed: The wanted answer.
    """

    user: str = ""
    serviceaccount: str = ""
    groups: tuple[str, ...] = ()
    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""
    allowed: bool = True


class Sustained(Spec):
    """Another check that must hold without a break.

    Attributes:
        seconds: How long.
        check: Id of the check in the same scenario.
        every: Seconds between looks.
    """

    seconds: float = Field(gt=0, le=300)
    check: str
    every: float = Field(default=1.0, gt=0)


CHECK_KINDS = ("match", "cel", "condition", "http", "access", "sustained")


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
    http: Http | None = None
    access: Access | None = None
    sustained: Sustained | None = None

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
