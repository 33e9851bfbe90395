"""An init container waits for a Service that is not there (F43): the pod stays in Init:0/1."""

from __future__ import annotations

import copy

from grader.model import Json
from labs.inject.faults._seen import initialising
from labs.inject.faults._target import RESTRICTED, Workload

NUMBER = 43
SYMPTOM = "Init:0/1; the init container's log says what it waits for"
SEEN = initialising()


_SCRIPT = """\
import socket, sys, time
host, port = sys.argv[1], int(sys.argv[2])
while True:
    try:
        socket.create_connection((host, port), timeout=2).close()
        break
    except OSError as error:
        print(f"waiting for {host}:{port}: {error}", flush=True)
        time.sleep(2)
"""


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        host: Name that does not exist.
        port: Its port.
        name: Name of the init container.
        image: Its image; it has to have Python.
    """

    host: str
    port: int = 80
    name: str = "wait-for-models"
    image: str = "registry.lab/tools:1.0.0"


def transform(manifests: list[Json], params: Params) -> None:
    """Add the init container in place; one of that name is replaced."""
    waiting = {
        "name": params.name,
        "image": params.image,
        "command": ["python3", "-c", _SCRIPT, params.host, str(params.port)],
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": copy.deepcopy(RESTRICTED),
    }
    spec = params.pod_spec(manifests)
    others = [c for c in spec.get("initContainers", []) if c["name"] != params.name]
    spec["initContainers"] = [waiting, *others]
