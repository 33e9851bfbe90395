"""The check kinds as authors write them, one model each; `grader.checks` has the operation of the same name.

Used by `grader.model`, which puts them together to `Check` and hands their names on. No I/O here.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from grader.spec import Json, Objects, Spec, Target


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


class Http(Target):
    """A request sent from inside the cluster; where it goes stands in `Target`.

    Attributes:
        method: HTTP method.
        body: Body, sent as JSON.
        expect: Wanted status, or `refused` | `timeout` | `unreachable` (any of refused, timed out, no such host).
        body_contains: Text that the answer must contain.
        body_match: Partial JSON that the answer must contain.
        attempts: Number of requests; all must meet the expectation.
        timeout: Seconds per request.
    """

    method: Literal["GET", "POST", "PUT", "DELETE", "HEAD"] = "GET"
    body: Any = None
    expect: int | Literal["refused", "timeout", "unreachable"] = 200
    body_contains: str = ""
    body_match: Json | None = None
    attempts: int = Field(default=1, ge=1, le=200)
    timeout: float = Field(default=3.0, gt=0, le=30)


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


class _Patterns(Spec):
    """Base of kinds with regular expressions: a wrong one is told when the scenario is read."""

    @field_validator("matches", "message_matches", "output_matches", "lacks", check_fields=False)
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"`{pattern}` is not a regular expression: {error}") from None
        return pattern


class EventCheck(_Patterns):
    """An event that must have happened, or must not happen any more.

    Attributes:
        namespace: Namespace of the events; default: the scenario's first.
        about: Kind of the object it is about, such as `Pod`; empty for any.
        name: Name of that object, or its beginning with a star (`ranker-*`); empty for any.
        reason: Reason, such as `FailedScheduling`; empty for any.
        type: `Normal`, `Warning`, or empty for both.
        message_matches: Regular expression found in the message.
        within: Only events seen in the last so many seconds; 0 for all.
        present: Whether there must be one.
    """

    namespace: str = ""
    about: str = ""
    name: str = ""
    reason: str = ""
    type: Literal["", "Normal", "Warning"] = ""
    message_matches: str = ""
    within: float = Field(default=0.0, ge=0, le=86400)
    present: bool = True


class LogCheck(_Patterns):
    """A line that the containers of pods have written, or have not.

    Attributes:
        of: Which pods (`kind: Pod`).
        container: Container; default: the pod's first.
        matches: Regular expression found in one line.
        present: Whether the line must be there.
        each: Whether every pod must meet this; otherwise one pod is enough for `present`.
        previous: Whether the log of the container's previous run is read.
        since: Only lines of the last so many seconds; 0 for all.
        tail: Lines read from the end.
    """

    of: Objects
    container: str = ""
    matches: str
    present: bool = True
    each: bool = False
    previous: bool = False
    since: int = Field(default=0, ge=0, le=86400)
    tail: int = Field(default=500, ge=1, le=5000)


class DryRun(Spec):
    """A create that the API server must admit or refuse; nothing is stored.

    Attributes:
        manifest: The object; its namespace defaults to the scenario's first.
        admitted: The wanted answer.
        message_contains: For a refusal: text that its reason must contain, so that it is refused for the right one.
    """

    manifest: Json
    admitted: bool = True
    message_contains: str = ""

    @model_validator(mode="after")
    def _whole(self) -> DryRun:
        meta = self.manifest.get("metadata") or {}
        if not (self.manifest.get("apiVersion") and self.manifest.get("kind") and meta.get("name")):
            raise ValueError("`manifest` needs apiVersion, kind and metadata.name")
        return self


class Exec(_Patterns):
    """A command run in a container of pods.

    Attributes:
        of: Which pods (`kind: Pod`).
        container: Container; default: the pod's first.
        command: Program and arguments, no shell.
        exit_code: Wanted exit code; None for any.
        output_matches: Regular expression found in what it printed (both streams).
        each: Whether it runs in every pod; otherwise in the first that runs.
        timeout: Seconds.
    """

    of: Objects
    container: str = ""
    command: tuple[str, ...] = Field(min_length=1)
    exit_code: int | None = 0
    output_matches: str = ""
    each: bool = False
    timeout: float = Field(default=5.0, gt=0, le=30)


class Infer(Target):
    """Requests at a steady rate, sent whether or not earlier ones were answered (open loop), and what became of them.

    Attributes:
        method: HTTP method.
        body: Body, sent as JSON.
        expect: Status that counts as a good answer.
        rate: Requests a second.
        seconds: How long.
        timeout: Seconds after which a request counts as failed.
        p50_ms: Most milliseconds in which half of the requests are answered; None for no bound.
        p95_ms: The same for 95 of 100.
        p99_ms: The same for 99 of 100.
        error_rate: Largest share of requests that may fail, 0 to 1.
    """

    method: Literal["GET", "POST", "PUT", "DELETE", "HEAD"] = "POST"
    body: Any = None
    expect: int = 200
    rate: float = Field(default=10.0, gt=0, le=500)
    seconds: float = Field(default=5.0, gt=0, le=120)
    timeout: float = Field(default=3.0, gt=0, le=30)
    p50_ms: float | None = Field(default=None, gt=0)
    p95_ms: float | None = Field(default=None, gt=0)
    p99_ms: float | None = Field(default=None, gt=0)
    error_rate: float = Field(default=0.0, ge=0, le=1)


class Metric(Spec):
    """A PromQL query asked of a Prometheus in the cluster; every series of the answer must meet the bound.

    Attributes:
        query: PromQL that yields an instant vector or a scalar.
        is_: Bound, such as `>= 0.5` (`is` in YAML); one of >=, <=, >, <, ==, != and a number.
        plot: PromQL whose course over the last two minutes is shown as evidence; default: the query's own.
        service: Prometheus' Service.
        namespace: Its namespace.
        port: Its port.
    """

    query: str
    plot: str = ""
    is_: str = Field(alias="is", pattern=r"^(>=|<=|==|!=|>|<)\s*-?\d+(\.\d+)?([eE][+-]?\d+)?$")
    service: str = "prometheus"
    namespace: str = "monitoring"
    port: int = 9090


class Helm(Spec):
    """A Helm release, as Helm's own Secrets in the namespace tell of it.

    Attributes:
        release: Release name.
        namespace: Its namespace; default: the scenario's first.
        status: Wanted status of the newest revision.
        chart: Chart name, or `name-version`; empty for any.
        revision: Least number of the newest revision.
        values: Partial values that the release was given.
        manifest_contains: Text that the rendered manifest must contain.
        secret_free: Text that must appear in the values of no kept revision, such as a password.
    """

    release: str
    namespace: str = ""
    status: str = "deployed"
    chart: str = ""
    revision: int = Field(default=1, ge=1)
    values: Json | None = None
    manifest_contains: str = ""
    secret_free: str = ""


class Kustomize(Spec):
    """What a folder of the learner's workspace renders to.

    Attributes:
        folder: Folder with the kustomization, relative to the workspace.
        object: Partial object that must be among the rendered ones; `kind` and `metadata.name` say which. A name that
            ends in a star (`settings-*`) stands for a generated one.
        count: Wanted number of rendered objects of that kind; None for any.
    """

    folder: str
    object: Json
    count: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _named(self) -> Kustomize:
        if not (self.object.get("kind") and (self.object.get("metadata") or {}).get("name")):
            raise ValueError("`object` needs kind and metadata.name")
        return self


class Git(_Patterns):
    """The Git repository in the learner's workspace.

    Attributes:
        folder: Folder of the repository, relative to the workspace.
        branch: Branch that must be checked out; empty for any.
        clean: Whether nothing may be left uncommitted.
        file: Path of a file in the newest commit; `BRANCH:PATH` for the newest of another branch.
        matches: Regular expression found in that file (or, without `file`, in the newest commit's message).
        lacks: Text that no version of any file and no message may contain, whatever branch, tag or stash keeps it, such
            as a leaked key.
        purged: Whether `lacks` also means what nothing refers to any more: old commits that only a reflog knows.
    """

    folder: str = "."
    branch: str = ""
    clean: bool = False
    file: str = ""
    matches: str = ""
    lacks: str = ""
    purged: bool = False


class Image(Spec):
    """An image in the lab's registry: one that is named here, or those that objects name.

    Attributes:
        ref: Reference, such as `registry.lab/scorer:1.2.0`; or
        of: Pods, or workloads with a pod template: the images of all their containers, init containers too.
        pinned: Whether each must be named by its digest.
        same_as: Reference that each must be the same image as, whatever it is called; empty for any.
        digest: Wanted digest; empty for any.
        non_root: Whether its user must be another than root.
        most_mb: Most megabytes (decimal, compressed); None for no bound.
        labels: Labels it must have.
        packages: Package names that its SBOM must list.
        no_packages: Package names that its SBOM must not list.
    """

    ref: str = ""
    of: Objects | None = None
    pinned: bool = False
    same_as: str = ""
    digest: str = ""
    non_root: bool = False
    most_mb: float | None = Field(default=None, gt=0)
    labels: dict[str, str] = Field(default_factory=dict)
    packages: tuple[str, ...] = ()
    no_packages: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one(self) -> Image:
        if bool(self.ref) == (self.of is not None):
            raise ValueError("`image` needs exactly one of `ref` and `of`")
        return self


ACTS = ("delete", "restart", "scale", "drain", "kill_node", "lose_gpu")


class Action(Spec):
    """Something done to the cluster so that its answer can be judged. Exactly one of `ACTS` is given.

    Attributes:
        delete: Pods (or other objects) that are deleted.
        restart: A Deployment, StatefulSet or DaemonSet that is rolled, as `kubectl rollout restart` does.
        scale: A Deployment or StatefulSet that is scaled to `replicas`, and back again afterwards.
        drain: Nodes that are cordoned and whose pods are evicted; uncordoned again afterwards. Or Pods with their
            namespace: then the node of the first one, and only pods of that namespace.
        kill_node: A node that is switched off, as a power cut does, and on again afterwards; or Pods: then the node of
            one of them. The check begins when the cluster has noticed. It needs `requires: {node_power: true}`.
        lose_gpu: A node, or Pods as above, that loses one of its simulated GPUs and has it again afterwards.
        replicas: For `scale`.
    """

    delete: Objects | None = None
    restart: Objects | None = None
    scale: Objects | None = None
    drain: Objects | None = None
    kill_node: Objects | None = None
    lose_gpu: Objects | None = None
    replicas: int = Field(default=1, ge=0, le=50)

    @property
    def kind(self) -> str:
        """Which of `ACTS` is given."""
        return next(kind for kind in ACTS if getattr(self, kind) is not None)

    @property
    def of(self) -> Objects:
        """What it is done to."""
        found: Objects = getattr(self, self.kind)
        return found

    @model_validator(mode="after")
    def _one(self) -> Action:
        given = [kind for kind in ACTS if getattr(self, kind) is not None]
        if len(given) != 1:
            said = " and ".join(given) or "none"
            raise ValueError(f"an action needs exactly one of {', '.join(ACTS)}; it has {said}")
        return self


class Triggered(Spec):
    """Something is done to the cluster, then other checks must pass.

    Attributes:
        do: What is done; nothing for load alone.
        under: Load that runs meanwhile and must meet its bounds: what a rollout may cost.
        lead: Seconds of load before the act. What the act may cost is in hand by then, and not by chance.
        then: Id of the check in the same scenario that must pass afterwards.
        within: Seconds in which it must.
    """

    do: Action | None = None
    under: Infer | None = None
    lead: float = Field(default=0.5, ge=0, le=30)
    then: str
    within: float = Field(default=30.0, gt=0, le=300)

    @model_validator(mode="after")
    def _something(self) -> Triggered:
        if self.do is None and self.under is None:
            raise ValueError("`triggered` needs `do`, `under` or both")
        return self
