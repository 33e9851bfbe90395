"""What the grader may ask a cluster, and nothing else: reads, access reviews and requests from inside.

`grader.live.LiveCluster` asks a real API server; `grader.fake_cluster.FakeCluster` is shipped for tests and authors.
Both are synchronous and safe to call from several threads at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from grader.model import Access, From, Json, Objects


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

    def render(self, folder: str) -> list[Json]:
        """Render a kustomization of the learner's workspace.

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
