"""What every part of a check is made of: lists to read, and where requests go. Written by authors, never changed.

Used by `grader.kinds` and `grader.model`, which also hands these names on. No I/O here.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Json = dict[str, Any]
LAST_PORT = 65535
_PORT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # a DNS label (RFC 1123)


class Spec(BaseModel):
    """Base of all data written by scenario authors: unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
        marked: Another folder, such as `base`: in a copy, everything it renders is given the annotation
            `labs.io/marked: "true"` first, and the first container of its Deployments the image `labs.io/marked:1`.
            What comes out without the annotation does not come from there: it is a copy. What comes out with another
            image is a copy laid over the base as a patch (or an overlay that rightly names an image of its own).
    """

    kustomize: str
    marked: str = ""


class From(Spec):
    """Where a request is sent from: a short-lived pod of the lab's prober in that namespace with those labels.

    Attributes:
        namespace: Namespace of the client pod.
        labels: Labels of the client pod (NetworkPolicies see them).
    """

    namespace: str
    labels: dict[str, str] = Field(default_factory=dict)


class Target(Spec):
    """Where a request goes, and from where.

    Attributes:
        service: Service name; the host is `service.namespace.svc`. Or give `url`.
        namespace: The Service's namespace; default: the scenario's first.
        port: Service port number or name.
        path: Path and query.
        url: Whole URL instead of service, port and path (an Ingress, an address outside).
        headers: Request headers.
        client: Where it is sent from; default: the prober in `lab-system`.
    """

    service: str = ""
    namespace: str = ""
    port: int | str = 80
    path: str = "/"
    url: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    client: From | None = None

    @field_validator("port")
    @classmethod
    def _is_port(cls, value: int | str) -> int | str:
        named = isinstance(value, str) and _PORT_NAME.fullmatch(value) is not None
        if not named and not (isinstance(value, int) and 1 <= value <= LAST_PORT):
            raise ValueError(f"a port is a number up to {LAST_PORT}, or the name that a Service gives to one")
        return value

    @model_validator(mode="after")
    def _one_target(self) -> Target:
        if bool(self.service) == bool(self.url):
            raise ValueError("give either `service` or `url`")
        return self
