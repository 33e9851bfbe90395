"""Faults that come while the learner works (`at: 20s`): what changes when, and the pod that changes it. Pure.

`manifests.stages` asks for `actor`; who grades an untouched task asks `due` how long to wait. There is no daemon: the
changes are made by a bare pod in the task's own namespace, so that a reset makes it, and its time, anew, and a stop
takes it away with everything else. It may do exactly what its steps say. Its name is one that a learner meets in real
clusters, and the audit trail names it: somebody's automation.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from grader.model import Json
from labs.course.models import Scenario
from labs.errors import DataError
from labs.inject.faults._target import RESTRICTED
from labs.inject.normal import plural

ACTOR = "deploy-bot"
IMAGE = "registry.lab/tools:1.0.0"
EARLIEST = 5.0
_UNITS = {"s": 1, "m": 60}
_SCRIPT = """\
import json, os, ssl, sys, time, urllib.error, urllib.request

base = "/var/run/secrets/kubernetes.io/serviceaccount/"
server = "https://" + os.environ["KUBERNETES_SERVICE_HOST"] + ":" + os.environ["KUBERNETES_SERVICE_PORT"]
context = ssl.create_default_context(cafile=base + "ca.crt")
begin = time.monotonic()

def send(method, path, body):
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    headers = {"Authorization": "Bearer " + open(base + "token").read(), "Content-Type": kind}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=5, context=context) as answer:
        print(method, path, answer.status, flush=True)

for step in json.loads(sys.argv[1]):
    time.sleep(max(0.0, begin + step["at"] - time.monotonic()))
    for change in step["changes"]:
        for pause in (0.5, 1, 2, 4, 8, 0):
            try:
                send(**change)
                break
            except (urllib.error.URLError, OSError) as error:
                print(change["method"], change["path"], error, flush=True)
                if getattr(error, "code", 500) < 500:
                    break
                time.sleep(pause)
"""


@dataclass(frozen=True, slots=True)
class Step:
    """What changes at one time.

    Attributes:
        at: Seconds after the pod has started.
        before: The objects as they are until then, by identity.
        after: The objects as they are from then on; one that is marked absent goes.
    """

    at: float
    before: Mapping[Any, Json]
    after: Mapping[Any, Json]


def seconds(at: str) -> float:
    """Return the seconds of a time such as `20s` or `2m`.

    Raises:
        DataError: It is none, or so early that the baseline might hold it already.
    """
    match = re.fullmatch(r"([0-9]+)([sm])", at)
    if match is None:
        raise DataError(f"`{at}` is no time", hint="say it in seconds or minutes: `20s`, `2m`")
    found = float(match[1]) * _UNITS[match[2]]
    if found < EARLIEST:
        raise DataError(f"a fault cannot come at {at}", hint=f"a start or reset may last {EARLIEST:.0f} s")
    return found


def due(scenario: Scenario) -> float:
    """Return how many seconds after a start the last timed fault of a task comes; 0 where there is none."""
    return max((seconds(f.at) for f in scenario.file.faults if f.at), default=0.0)


def actor(namespace: str, steps: Iterable[Step], absent: str) -> list[Json]:
    """Return the pod that makes the changes, with the rights it needs and no others.

    Args:
        namespace: Where it runs.
        steps: What it does, in the order of time.
        absent: Annotation that marks an object as not there.

    Raises:
        DataError: A change is not one inside namespaces.
    """
    program: list[Json] = []
    rules: dict[str, list[Json]] = {}
    for step in steps:
        changes = []
        for key, obj in step.after.items():
            change = _change(step.before.get(key), obj, absent)
            if change is not None:
                changes.append(change)
                rules.setdefault(obj["metadata"]["namespace"], []).append(_rule(change["method"], obj))
        program.append({"at": step.at, "changes": changes})
    return [*_rights(namespace, rules), _pod(namespace, program)]


def _change(before: Json | None, after: Json, absent: str) -> Json | None:
    if before == after:
        return None
    if not after["metadata"].get("namespace"):
        named = f"{after['kind']} `{after['metadata']['name']}`"
        raise DataError(f"a timed fault changes {named}, which is in no namespace", hint="use it without `at`")
    if (after["metadata"].get("annotations") or {}).get(absent) == "true":
        return {"method": "DELETE", "path": _path(after, named=True), "body": None}
    if before is None:
        return {"method": "POST", "path": _path(after, named=False), "body": after}
    return {"method": "PATCH", "path": _path(after, named=True), "body": difference(before, after)}


def difference(before: Json, after: Json) -> Json:
    """Return the JSON merge patch from one mapping to another; lists are replaced whole."""
    patch: Json = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            inner = difference(old, value)
            if inner:
                patch[key] = inner
        elif key not in before or old != value:
            patch[key] = value
    return patch


def _path(obj: Json, *, named: bool) -> str:
    api, meta = obj["apiVersion"], obj["metadata"]
    root = f"/apis/{api}" if "/" in api else f"/api/{api}"
    path = f"{root}/namespaces/{meta['namespace']}/{plural(obj['kind'])}"
    return f"{path}/{meta['name']}" if named else f"{path}?fieldManager={ACTOR}"


def _rule(method: str, obj: Json) -> Json:
    rule = {
        "apiGroups": [obj["apiVersion"].rpartition("/")[0]],
        "resources": [plural(obj["kind"])],
        "verbs": [{"POST": "create"}.get(method, method.lower())],
    }
    return rule if method == "POST" else {**rule, "resourceNames": [obj["metadata"]["name"]]}


def _rights(home: str, rules: Mapping[str, list[Json]]) -> list[Json]:
    account = {"kind": "ServiceAccount", "name": ACTOR, "namespace": home}
    rbac = "rbac.authorization.k8s.io"
    role = {"apiGroup": rbac, "kind": "Role", "name": ACTOR}
    made: list[Json] = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACTOR, "namespace": home}}]
    for space, allowed in rules.items():
        common: Json = {"apiVersion": f"{rbac}/v1", "metadata": {"name": ACTOR, "namespace": space}}
        made.append({**common, "kind": "Role", "rules": allowed})
        made.append({**copy.deepcopy(common), "kind": "RoleBinding", "roleRef": role, "subjects": [account]})
    return made


def _pod(namespace: str, program: list[Json]) -> Json:
    container = {
        "name": "bot",
        "image": IMAGE,
        "command": ["python3", "-c", _SCRIPT, json.dumps(program, separators=(",", ":"))],
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": copy.deepcopy(RESTRICTED),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": ACTOR, "namespace": namespace, "labels": {"app": ACTOR}},
        "spec": {
            "serviceAccountName": ACTOR,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
        },
    }
