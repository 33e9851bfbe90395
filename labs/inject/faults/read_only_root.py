"""The root file system is read-only and nothing is mounted where the server writes (F37): it ends with an error."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._target import Workload

NUMBER = 37
SYMPTOM = "the server ends with `Read-only file system`"


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        unmount: Path whose mount is taken away, if there is one.
    """

    unmount: str = "/tmp"  # noqa: S108 - a path inside the container


def transform(manifests: list[Json], params: Params) -> None:
    """Set the field and take the mount away, in place."""
    container = params.container_of(manifests)
    container.setdefault("securityContext", {})["readOnlyRootFilesystem"] = True
    kept = [m for m in container.get("volumeMounts", []) if m["mountPath"] != params.unmount]
    if kept:
        container["volumeMounts"] = kept
    else:
        container.pop("volumeMounts", None)
