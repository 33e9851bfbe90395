"""What the grader may ask a cluster, and nothing else: reads, reviews, requests from inside, a few acts.

`grader.live.LiveCluster` asks a real API server; `grader.fake_cluster.FakeCluster` is shipped for tests and authors.
Both are synchronous and safe to call from several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from grader.model import Access, Action, From, Json, Objects


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to be sent from inside the cluster.

    Attributes:
        url: Absolute URL.
        method: HTTP method.
        headers: Request headers.
        body: JSON value, or None for no body.
        timeout: Seconds.
        count: How often it is sent, one after the other.
        client: Where from; None is the prober in `lab-system`.
    """

    url: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    timeout: float = 3.0
    count: int = 1
    client: From | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer, or the reason why there is none.

    Attributes:
        status: HTTP status, 0 when there was no answer.
        body: Text, cut at 64 KiB.
        headers: Answer headers, lower-case keys.
        error: "" or one of dns, refused, timeout, reset, tls, other.
        message: The error's own words.
        ms: Milliseconds until the whole answer was read.
    """

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    error: str = ""
    message: str = ""
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """Requests at a steady rate, sent from inside the cluster.

    Attributes:
        url: Absolute URL.
        method: HTTP method.
        headers: Request headers.
        body: JSON value, or None for no body.
        timeout: Seconds after which one counts as failed.
        rate: Requests a second, whether or not earlier ones were answered.
        seconds: How long.
        client: As in `HttpRequest`.
    """

    url: str
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    timeout: float = 3.0
    rate: float = 10.0
    seconds: float = 5.0
    client: From | None = None


@dataclass(frozen=True, slots=True)
class LoadAnswer:
    """What became of a load.

    Attributes:
        sent: Number of requests.
        statuses: HTTP status → how many answers had it.
        errors: Error, as in `HttpAnswer`, → how many requests ended so.
        p50: Milliseconds in which half of the answers came.
        p95: The same for 95 of 100.
        p99: The same for 99 of 100.
        behind: Most milliseconds by which a request was sent late; a client that cannot keep up measures itself.
        sample: Words of the first answer that was an error.
    """

    sent: int
    statuses: dict[int, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    behind: float = 0.0
    sample: str = ""


@dataclass(frozen=True, slots=True)
class LogRequest:
    """A container's log.

    Attributes:
        namespace: The pod's namespace.
        pod: The pod.
        container: The container.
        previous: Whether its previous run is meant.
        since: Only lines of the last so many seconds; 0 for all.
        tail: Lines from the end.
    """

    namespace: str
    pod: str
    container: str
    previous: bool = False
    since: int = 0
    tail: int = 500


@dataclass(frozen=True, slots=True)
class ExecRequest:
    """A command in a container.

    Attributes:
        namespace: The pod's namespace.
        pod: The pod.
        container: The container.
        command: Program and arguments.
        timeout: Seconds.
    """

    namespace: str
    pod: str
    container: str
    command: tuple[str, ...]
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class ExecAnswer:
    """How a command ended.

    Attributes:
        code: Exit code; None when it could not be started.
        output: What it printed, both streams, cut at 64 KiB.
        error: Why it could not be started.
    """

    code: int | None
    output: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Repository:
    """A Git repository as it is.

    Attributes:
        branch: Branch that is checked out, empty for none.
        dirty: Paths that differ from the newest commit.
        message: Message of the newest commit, empty when there is none.
        text: The file that was asked for as it is in the newest commit; None when it is not there.
        found: Places in all history (and in files not committed) where the text that was searched for stands.
        left: Objects that hold it although nothing refers to them any more: they go with the next clean-up.
    """

    branch: str
    dirty: tuple[str, ...] = ()
    message: str = ""
    text: str | None = None
    found: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image as its registry tells of it.

    Attributes:
        digest: Digest of its manifest.
        user: User it runs as, empty for root.
        size: Bytes of its layers, compressed.
        labels: Its labels.
        packages: Names in its SBOM; None when it has none.
    """

    digest: str
    user: str = ""
    size: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Acted:
    """Something that was done.

    Attributes:
        words: What was done, to stand after "after".
        undo: Puts back what can be put back; nothing to do for most.
    """

    words: str
    undo: Callable[[], None] = lambda: None


class Machines(Protocol):
    """The machines under a cluster, for what no API server can do; filled by whoever runs them."""

    def kill(self, node: str) -> None:
        """Switch a node off at once, as a power cut does.

        Raises:
            grader.errors.Unanswered: It cannot be done here; the hint says where. Nothing has happened.
        """
        ...

    def start(self, node: str) -> None:
        """Switch a node on again; no error when it runs. It need not be Ready when this returns.

        Raises:
            grader.errors.Unanswered: It cannot be done; the hint says what mends it.
        """
        ...

    def lose_gpu(self, node: str) -> None:
        """Break one GPU of a node, which goes on working; raises as `kill` does."""
        ...

    def return_gpu(self, node: str) -> None:
        """Mend the GPUs of a node; raises as `start` does."""
        ...


class Cluster(Protocol):
    """A cluster that can be asked.

    Every method raises `grader.errors.Unanswered` when the API server cannot be reached, times out, refuses or answers
    5xx/429: the check is then `unknown`. "Not found" is an answer, never an error.
    """

    def read(self, what: Objects) -> list[Json]:
        """Return the raw objects, empty when there are none or the kind is not served."""
        ...

    def allowed(self, question: Access) -> tuple[bool, str]:
        """Return whether the access is allowed, and the authorizer's reason."""
        ...

    def http(self, request: HttpRequest) -> list[HttpAnswer]:
        """Send the request `count` times from inside the cluster and return every answer."""
        ...

    def load(self, request: LoadRequest) -> LoadAnswer:
        """Send requests at a steady rate from inside the cluster."""
        ...

    def logs(self, request: LogRequest) -> str | None:
        """Return the end of a container's log, or None when that run has none (not started, no previous one)."""
        ...

    def run(self, request: ExecRequest) -> ExecAnswer:
        """Run a command in a container."""
        ...

    def admit(self, manifest: Json) -> tuple[bool, str]:
        """Return whether the API server would create the object, and its words when it would not."""
        ...

    def image(self, reference: str) -> ImageFacts | None:
        """Return what the registry knows of an image, or None when it does not have it."""
        ...

    def act(self, action: Action, namespace: str) -> Acted:
        """Do something to the cluster; `namespace` where the action names none.

        Raises:
            grader.errors.Refused: There is nothing to do it to; the message is evidence.
        """
        ...

    def repository(self, folder: str, file: str, lacks: str) -> Repository:
        """Return the state of a Git repository in the learner's workspace.

        Args:
            folder: Where it lies, relative to the workspace.
            file: A file to read from the newest commit, or empty.
            lacks: A text to search all history for, or empty.

        Raises:
            grader.errors.Refused: There is no repository; the message is evidence.
        """
        ...

    def render(self, folder: str, marked: str = "") -> list[Json]:
        """Render a kustomization of the learner's workspace.

        Args:
            folder: Where it lies, relative to the workspace.
            marked: Folder whose objects are marked first, in a copy; as in `Rendered`.

        Raises:
            grader.errors.Refused: The rendering failed; the message is kustomize's. This is evidence (a failed
                check), not `unknown`.
        """
        ...

    def now(self) -> datetime:
        """Return the time by the API server's clock (UTC), as far as it is known; never raises."""
        ...

    def close(self) -> None:
        """Remove client pods made for `http` and close connections."""
        ...
