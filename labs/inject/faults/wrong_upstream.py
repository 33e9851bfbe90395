"""A URL in the environment names a Service in the wrong namespace (F7): calls of the upstream fail."""

from __future__ import annotations

import re

from grader.model import Json
from labs.errors import DataError
from labs.inject.faults._target import Workload

NUMBER = 7
SYMPTOM = "calls of the upstream fail: its name does not resolve"


_URL = re.compile(r"^(?P<scheme>[a-z+]+://)?(?P<host>[^/:]+)(?P<rest>.*)$", re.DOTALL)


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        env: Environment variable that holds the URL or the host.
        to: The wrong namespace.
    """

    env: str
    to: str


def transform(manifests: list[Json], params: Params) -> None:
    """Change the namespace in the host's name in place."""
    container = params.container_of(manifests)
    for entry in container.get("env", []):
        if entry["name"] == params.env and "value" in entry:
            entry["value"] = _moved(str(entry["value"]), params.to)
            return
    raise DataError(f"the container has no variable `{params.env}` with a value")


def _moved(url: str, namespace: str) -> str:
    match = _URL.match(url)
    if match is None:
        raise DataError(f"`{url}` names no host")
    service, *rest = match["host"].split(".")
    return f"{match['scheme'] or ''}{'.'.join([service, namespace, *rest[1:]])}{match['rest']}"
