"""A node degrades, over time: its memory errors grow, then new pods are kept off it, and at last its pods are evicted.

What degrades and what follows from it are told apart in real clusters, too: an agent on the node sees the errors, and a
remedy marks the node and drains it. Here both are one bare pod of the task, on the node that the scheduler gives it.
Evicted are the pods of its own namespace, politely: a budget is respected, and nobody else's pods leave. The node's
taints before it are recorded and restored.
"""

from __future__ import annotations

import copy

from pydantic import Field

from grader.model import Json, Objects, Spec
from labs.inject.faults._target import RESTRICTED, add

NUMBER = 0
SYMPTOM = "memory errors in the log of the node's agent; then a taint that gets harder, then evictions"
TARGET = Objects(kind="Node")

_SCRIPT = """\
import json, os, ssl, sys, time, urllib.error, urllib.request

base = "/var/run/secrets/kubernetes.io/serviceaccount/"
server = "https://" + os.environ["KUBERNETES_SERVICE_HOST"] + ":" + os.environ["KUBERNETES_SERVICE_PORT"]
context = ssl.create_default_context(cafile=base + "ca.crt")
node, space, own = (os.environ[name] for name in ("NODE", "NAMESPACE", "POD"))
key, every = sys.argv[1], float(sys.argv[2])
pods = "/api/v1/namespaces/" + space + "/pods"

def ask(method, path, body=None):
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    headers = {"Authorization": "Bearer " + open(base + "token").read(), "Content-Type": kind}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=5, context=context) as answer:
        return json.load(answer)

def mark(effect):
    found = ask("GET", "/api/v1/nodes/" + node)
    taints = found["spec"].get("taints") or []
    wanted = [t for t in taints if t["key"] != key] + [{"key": key, "value": "rising", "effect": effect}]
    if wanted != taints:
        version = found["metadata"]["resourceVersion"]
        ask("PATCH", "/api/v1/nodes/" + node, {"metadata": {"resourceVersion": version}, "spec": {"taints": wanted}})
        print("node", node, "marked", key, effect, flush=True)

def evict():
    for pod in ask("GET", pods + "?fieldSelector=spec.nodeName=" + node)["items"]:
        name = pod["metadata"]["name"]
        if name == own or "deletionTimestamp" in pod["metadata"]:
            continue
        asked = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": space}}
        try:
            ask("POST", pods + "/" + name + "/eviction", asked)
            print("evicted", name, flush=True)
        except urllib.error.HTTPError as error:
            print("not evicted", name, json.load(error).get("message"), flush=True)

begin, errors, turn = time.monotonic(), 3, 0
while True:
    print("node", node, "correctable memory errors in the last minute:", errors, flush=True)
    turn, errors = turn + 1, min(errors * 9, 50000)
    time.sleep(max(0.0, begin + turn * every - time.monotonic()))
    try:
        mark("PreferNoSchedule" if turn == 1 else "NoSchedule")
        if turn > 2:
            evict()
    except (urllib.error.URLError, OSError) as error:
        print("the API server:", error, flush=True)
"""


class Params(Spec):
    """What a scenario says in `with`. It goes on for as long as the pod is there, and begins anew when it is made anew.

    Attributes:
        namespace: Where the agent runs, and whose pods it evicts.
        pool: Value of the label `pool` of the nodes one of which degrades; empty: any.
        every: Seconds from one step to the next: errors, `PreferNoSchedule`, `NoSchedule`, evictions.
        key: Key of the taint.
        name: Name of the pod and its ServiceAccount.
        image: Its image; it has to have Python.
    """

    namespace: str
    pool: str = ""
    every: float = Field(default=30, ge=5)
    key: str = "node.example.com/memory-errors"
    name: str = "node-health"
    image: str = "registry.lab/tools:1.0.0"


def transform(manifests: list[Json], params: Params) -> None:
    """Add the agent and what it may do, in place."""
    home = {"name": params.name, "namespace": params.namespace}
    add(manifests, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": dict(home)})
    pods = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
    ]
    nodes = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "patch"]}]
    _allow(manifests, "Role", dict(home), pods, params)
    _allow(manifests, "ClusterRole", {"name": f"{params.namespace}-{params.name}"}, nodes, params)
    add(manifests, _pod(params))


def _allow(manifests: list[Json], kind: str, meta: Json, rules: list[Json], params: Params) -> None:
    group = "rbac.authorization.k8s.io"
    account = {"kind": "ServiceAccount", "name": params.name, "namespace": params.namespace}
    role = {"apiGroup": group, "kind": kind, "name": meta["name"]}
    common: Json = {"apiVersion": f"{group}/v1", "metadata": meta}
    add(manifests, {**common, "kind": kind, "rules": rules})
    add(manifests, {**copy.deepcopy(common), "kind": f"{kind}Binding", "roleRef": role, "subjects": [account]})


def _pod(params: Params) -> Json:
    fields = {"NODE": "spec.nodeName", "NAMESPACE": "metadata.namespace", "POD": "metadata.name"}
    container = {
        "name": "agent",
        "image": params.image,
        "command": ["python3", "-c", _SCRIPT, params.key, f"{params.every:g}"],
        "env": [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()],
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": copy.deepcopy(RESTRICTED),
    }
    pod: Json = {
        "serviceAccountName": params.name,
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
    }
    if params.pool:
        pod["nodeSelector"] = {"pool": params.pool}
    meta = {"name": params.name, "namespace": params.namespace, "labels": {"app": params.name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod}
