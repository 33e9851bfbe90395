"""The readiness probe asks for a path the server does not have (F53): pods run and never become ready."""

from __future__ import annotations

from grader.model import Json
from labs.errors import DataError
from labs.inject.faults._seen import unready
from labs.inject.faults._target import Workload

NUMBER = 53
SYMPTOM = "0/1 Ready: HTTP probe failed with statuscode 404"
SEEN = unready()


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        path: The wrong path.
    """

    path: str = "/healthzz"


def transform(manifests: list[Json], params: Params) -> None:
    """Change the probe in place."""
    container = params.container_of(manifests)
    probe = container.get("readinessProbe", {}).get("httpGet")
    if probe is None:
        raise DataError(f"container `{container['name']}` has no readinessProbe.httpGet to break")
    probe["path"] = params.path
