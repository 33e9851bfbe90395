"""Clients ask more and more, over time, until the service is past what it can do."""

from __future__ import annotations

import copy
import json

from pydantic import Field

from grader.model import Json, Spec
from labs.inject.faults._target import RESTRICTED, add

NUMBER = 0
SYMPTOM = "the request rate grows; latency and the queue follow"


_SCRIPT = """\
import http.client, os, sys, threading, time
host, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
first, last, seconds = (float(x) for x in sys.argv[4:7])
body = sys.argv[7].encode()
room = threading.Semaphore(200)

def ask():
    try:
        client = http.client.HTTPConnection(host, port, timeout=10)
        client.request("POST" if body else "GET", path, body, {"Content-Type": "application/json"})
        client.getresponse().read()
        client.close()
    except OSError:
        pass
    finally:
        room.release()

begin = due = time.monotonic()
while True:
    share = min(1.0, (time.monotonic() - begin) / seconds)
    due += 1 / (first + (last - first) * share)
    time.sleep(max(0.0, due - time.monotonic()))
    if room.acquire(blocking=False):
        threading.Thread(target=ask, daemon=True).start()
"""
_ROW = [0.5] * 20
_BODY = {"inputs": [{"name": "input", "shape": [1, 20], "datatype": "FP32", "data": _ROW}]}


class Params(Spec):
    """What a scenario says in `with`. The clients are a Deployment of one pod; they begin anew when it is made anew.

    Attributes:
        namespace: Where the clients run.
        service: Host they ask.
        port: Its port.
        path: Path they ask.
        body: JSON they send; empty: they send GET.
        first: Requests per second at the beginning.
        last: Requests per second in the end.
        seconds: How long it takes to get there.
        name: Name of the Deployment.
        image: Its image; it has to have Python.
    """

    namespace: str
    service: str
    port: int = 80
    path: str = "/v2/models/mlp/infer"
    body: str = json.dumps(_BODY, separators=(",", ":"))
    first: float = Field(default=2, gt=0)
    last: float = Field(default=50, gt=0, le=500)
    seconds: float = Field(default=120, gt=0)
    name: str = "clients"
    image: str = "registry.lab/tools:1.0.0"


def transform(manifests: list[Json], params: Params) -> None:
    """Add the Deployment in place."""
    numbers = [f"{x:g}" for x in (params.first, params.last, params.seconds)]
    words = [params.service, str(params.port), params.path, *numbers, params.body]
    container = {
        "name": "client",
        "image": params.image,
        "command": ["python3", "-c", _SCRIPT, *words],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": copy.deepcopy(RESTRICTED),
    }
    pod = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 1, "containers": [container]}
    labels = {"app": params.name}
    add(
        manifests,
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": params.name, "namespace": params.namespace, "labels": labels},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
    )
