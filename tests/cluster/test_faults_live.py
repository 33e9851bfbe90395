"""Faults of the library on the real cluster, all at once: each shows its symptom, a sound service shows none."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from grader.cluster import LogRequest
from grader.live import LiveCluster
from grader.model import Json
from labs.attempts.service import Tasks
from labs.course.load import load_course
from labs.course.models import Fault
from labs.inject import faults, manifests, remove, timeline
from labs.inject.api import Api, Refusal
from labs.inject.apply import apply, wait_created
from labs.inject.manifests import CLUSTER_SCOPED, WORKLOADS
from labs.inject.symptoms import wait_shown
from labs.providers.base import ClusterHandle
from tests.unit.course_sample import BASE, FILES, write_course

pytestmark = pytest.mark.cluster

SHOWN_WITHIN = 75.0
SERVER = """
import http.server, os, sys
model = sys.argv[sys.argv.index("--model") + 1]
if not os.path.exists(model):
    sys.exit(f"model not found: {model}")
kept = b"1" * (32 << 20)
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ready" else 404)
        self.end_headers()
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""
WEB = {"deployment": "web"}
BIG = 'device.capacity["gpu.lab"].memory.isGreaterThan(quantity("80Gi"))'
Use = tuple[str, dict[str, Any]]
CASES: list[list[Use]] = [
    [
        ("image_tag", {**WEB, "tag": "1.0.O"}),
        ("hpa_target", {"autoscaler": "web", "target": "wbe"}),
        ("storage_class", {"claim": "cache"}),
        ("role_verb", {"role": "reader", "resource": "configmaps", "verb": "list"}),
    ],
    [
        ("service_selector", {"service": "web", "value": "wbe"}),
        ("stuck_finalizer", {"kind": "ConfigMap", "name": "limits"}),  # must not keep its namespace
        ("pdb_blocks_drain", {**WEB, "name": "web"}),
        ("binding_subject", {"binding": "reader", "to_name": "wbe"}),
    ],
    [("named_target_port", {"service": "web"})],
    [("missing_config_map", {**WEB, "name": "limits"})],
    [("missing_config_key", {**WEB, "name": "settings", "key": "a.conf", "wrong": "b.conf"})],
    [("memory_request", WEB)],
    [("node_affinity", {**WEB, "values": ["eu-3"]})],
    [("topology_spread", WEB)],
    [("too_many_gpus", WEB)],
    [("scheduler_name", WEB)],
    [("scheduling_gate", WEB)],
    [("wrong_argument", {**WEB, "argument": "--model", "value": "/modles"})],
    [("memory_limit", {**WEB, "limit": "24Mi"})],
    [("missing_service_account", {**WEB, "name": "wbe"})],
    [("missing_priority_class", WEB)],
    [("runtime_class", WEB)],
    [("readiness_port", WEB)],
    [("init_waits", {**WEB, "host": "modles"})],
    [("non_root_image", WEB)],
    [("impatient_liveness", {**WEB, "path": "/healthzz"})],
    [("memory_leak", {**WEB, "mb_per_second": 60})],
    [("quota_too_small", {"namespace": "", "hard": {"pods": "0"}})],
    [("limit_range", {"namespace": "", "maximum": {"memory": "16Mi"}})],
    [("pod_security", {"namespace": ""})],
    [("dead_webhook", {"namespace": ""})],
    [("tag_policy", {"namespace": "", "tag": "1.0.0"})],  # the tag of our own images
    [("host_port", {**WEB, "replicas": 4})],  # more than there are nodes
    [("anti_affinity", {**WEB, "replicas": 4})],
    [("shared_rwo_volume", {"claim": "cache"})],
    [("cpu_limit", WEB)],
    [("bad_revision", {**WEB, "tag": "2.0.0"})],
    [("flapping_pod", {**WEB, "every": 8, "down": 4})],
    [("growing_traffic", {"namespace": "", "service": "web", "path": "/ready", "body": "", "last": 20, "seconds": 20})],
    [("log_to_file", WEB)],
    [("custom_metric", {"autoscaler": "web", "metric": "num_request_waiting"})],
    [("device_selector", {"claim": "gpu", "expression": BIG})],
]
SELECTOR: Use = ("service_selector", {"service": "web", "value": "wbe"})


def sound(namespace: str, image: str) -> list[Json]:
    """Return a small service with all that faults need to find."""

    def made(api: str, kind: str, name: str, **parts: Any) -> Json:
        return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **parts}

    container = {
        "name": "server",
        "image": image,
        "command": ["python3", "-c", SERVER],
        "args": ["--model", "/etc/settings/a.conf"],
        "ports": [{"name": "http", "containerPort": 8000}],
        "env": [{"name": "LIMIT", "valueFrom": {"configMapKeyRef": {"name": "limits", "key": "limit"}}}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8000}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "160Mi"}},
        "volumeMounts": [{"name": "settings", "mountPath": "/etc/settings"}],
    }
    volume = {"name": "settings", "configMap": {"name": "settings", "items": [{"key": "a.conf", "path": "a.conf"}]}}
    pod = {"terminationGracePeriodSeconds": 0, "containers": [container], "volumes": [volume]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {**pod, "automountServiceAccountToken": False}}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    select = {"matchLabels": {"app": "web"}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        made("v1", "ConfigMap", "settings", data={"a.conf": "a"}),
        made("v1", "ConfigMap", "limits", data={"limit": "1"}),
        made("v1", "Service", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}]}),
        made("rbac.authorization.k8s.io/v1", "Role", "reader", rules=rules),
        made(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            "reader",
            roleRef=role,
            subjects=[{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
        ),
        made("policy/v1", "PodDisruptionBudget", "web", spec={"maxUnavailable": 1, "selector": select}),
        # More than any case has: an autoscaler brings a Deployment down to its bound within 15 s, measured or not.
        made("autoscaling/v2", "HorizontalPodAutoscaler", "web", spec={"scaleTargetRef": target, "maxReplicas": 9}),
        made(
            "v1",
            "PersistentVolumeClaim",
            "cache",
            spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
        ),
        made("apps/v1", "Deployment", "web", spec={"replicas": 1, "selector": select, "template": template}),
    ]


class Bench:
    """A namespace for each case, and one for the sound service.

    Args:
        api: The cluster.
        image: An image with Python.
        kubeconfig: The same cluster, for the grader's client.
    """

    def __init__(self, api: Api, image: str, kubeconfig: Path) -> None:
        self.api = api
        self.kubeconfig = kubeconfig
        run = uuid.uuid4().hex[:6]
        spaces = [f"faults-{run}-{number}" for number in range(len(CASES))]
        self.cases = [(s, [_placed(use, s) for use in case]) for s, case in zip(spaces, CASES, strict=True)]
        self.sound = f"faults-{run}-sound"
        self.objects = sound(self.sound, image)
        self.before: list[Json] = []  # revisions that were good
        for space, uses in self.cases:
            broken = sound(space, image)
            prepare = PREPARE.get(uses[0][0])
            if prepare:
                prepare(broken)
            if uses[0][0] == "bad_revision":
                self.before += [o for o in broken if o["kind"] in WORKLOADS]
            for name, with_ in uses:
                broken = faults.transform(broken, name, with_)
            self.objects += broken

    def build(self) -> None:
        apply(self.api, [o for o in self.objects if o["kind"] not in WORKLOADS])
        assert self.api.wait(self._policy_counts, seconds=20, every=0.3)
        apply(self.api, self.before)
        assert wait_created(self.api, self.before, seconds=30) == []
        apply(self.api, [o for o in self.objects if o["kind"] in WORKLOADS])

    def _policy_counts(self) -> bool:
        """A new policy is enforced a moment after it was made; a dry run tells when."""
        space = self.space("tag_policy")
        containers = [{"name": "x", "image": "registry.lab/x:1.0.0"}]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": containers}}
        try:
            self.api.request("POST", f"/api/v1/namespaces/{space}/pods?dryRun=All", pod)
        except Refusal as refusal:
            return "denied request" in refusal.message
        return False

    def remove(self) -> None:
        """Wait for the namespace only that a finalizer would keep."""
        remove.remove_namespaces(self.api, [self.space("stuck_finalizer")], seconds=60)
        remove.remove_objects(self.api, [o for o in self.objects if o["kind"] == "Namespace"])
        remove.remove_objects(self.api, [o for o in self.objects if o["kind"] in CLUSTER_SCOPED - {"Namespace"}])

    def may(self, space: str, verb: str) -> bool:
        attributes = {"namespace": space, "verb": verb, "resource": "configmaps"}
        spec = {"user": f"system:serviceaccount:{space}:default", "resourceAttributes": attributes}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        answer = self.api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool((answer or {})["status"]["allowed"])

    def leak_was_ended(self) -> bool:
        """A leak has no declared symptom, as it takes its time; here it is made quick."""
        pods = self.api.items(self.api.resource("v1", "Pod"), self.space("memory_leak"))
        states = [s for p in pods for s in p["status"].get("containerStatuses") or []]
        return any("OOMKilled" in json.dumps([s.get("state"), s.get("lastState")]) for s in states)

    def logs(self, space: str, since: int) -> list[str]:
        """Return what the containers of a namespace's server have logged in the last seconds."""
        pods = [pod for pod in self.pods(space) if pod["metadata"]["labels"]["app"] == "web"]
        with closing(LiveCluster(self.kubeconfig)) as live:
            asked = [LogRequest(space, pod["metadata"]["name"], "server", since=since, tail=5000) for pod in pods]
            return [line for request in asked for line in (live.logs(request) or "").splitlines()]

    def pods(self, space: str) -> list[Json]:
        return self.api.items(self.api.resource("v1", "Pod"), space)

    def states(self, space: str, seconds: float) -> set[str]:
        """Return which states of readiness the pods of a namespace had; it ends when both were seen."""
        seen: set[str] = set()

        def both() -> bool:
            conditions = [c for pod in self.pods(space) for c in pod["status"].get("conditions") or []]
            seen.update(c["status"] for c in conditions if c["type"] == "Ready")
            return len(seen) > 1

        self.api.wait(both, seconds=seconds, every=0.5)
        return seen

    def readers(self) -> list[str]:
        """Return namespaces whose default account reads ConfigMaps: as it should, one verb short, not at all."""
        return [self.sound, self.space("role_verb"), self.space("binding_subject")]

    def actor(self) -> list[Json]:
        """Return what breaks the sound service in a second from now."""
        before = {manifests.key(o): o for o in self.objects if o["metadata"].get("namespace") == self.sound}
        broken = faults.transform(list(before.values()), *SELECTOR)
        return timeline.actor(
            self.sound, [timeline.Step(1.0, before, {manifests.key(o): o for o in broken})], manifests.ABSENT
        )

    def space(self, fault: str) -> str:
        return next(space for space, uses in self.cases if any(name == fault for name, _ in uses))


def _share_claim(objects: list[Json]) -> None:
    """Let two pods use the claim."""
    spec = objects[-1]["spec"]
    spec["replicas"] = 2
    spec["template"]["spec"]["volumes"].append({"name": "cache", "persistentVolumeClaim": {"claimName": "cache"}})
    spec["template"]["spec"]["containers"][0]["volumeMounts"].append({"name": "cache", "mountPath": "/cache"})


def _ask_for_requests(objects: list[Json]) -> None:
    """Let the autoscaler scale by a metric of the pods."""
    metric = {"metric": {"name": "num_requests_waiting"}, "target": {"type": "AverageValue", "averageValue": "1"}}
    objects[7]["spec"]["metrics"] = [{"type": "Pods", "pods": metric}]


def _claim_device(objects: list[Json]) -> None:
    """Let the pods claim one of two devices that a driver offers."""
    space = objects[0]["metadata"]["name"]
    devices = [{"name": f"gpu-{n}", "capacity": {"memory": {"value": "24Gi"}}} for n in range(2)]
    pool = {"name": space, "generation": 1, "resourceSliceCount": 1}
    request = {"name": "gpu", "exactly": {"deviceClassName": space}}
    made = {"apiVersion": "resource.k8s.io/v1", "metadata": {"name": space}}
    pod = objects[-1]["spec"]["template"]["spec"]
    pod["resourceClaims"] = [{"name": "gpu", "resourceClaimTemplateName": "gpu"}]
    pod["containers"][0]["resources"]["claims"] = [{"name": "gpu"}]
    objects[1:1] = [
        {**made, "kind": "DeviceClass", "spec": {"selectors": [{"cel": {"expression": 'device.driver == "gpu.lab"'}}]}},
        {
            **made,
            "kind": "ResourceSlice",
            "spec": {"driver": "gpu.lab", "pool": pool, "allNodes": True, "devices": devices},
        },
        {
            **made,
            "kind": "ResourceClaimTemplate",
            "metadata": {"name": "gpu", "namespace": space},
            "spec": {"spec": {"devices": {"requests": [request]}}},
        },
    ]


def _placed(use: Use, space: str) -> Use:
    name, with_ = use
    return name, {**with_, "namespace": space} if "namespace" in with_ else with_


def _serve_model(objects: list[Json]) -> None:
    """Make the sound service our inference server, whose switches some faults turn."""
    container = objects[-1]["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "registry.lab/model-server:1.0.0"
    container["readinessProbe"]["httpGet"]["path"] = "/v2/health/ready"
    del container["command"], container["args"]


PREPARE: dict[str, Callable[[list[Json]], None]] = {
    "memory_leak": _serve_model,
    "shared_rwo_volume": _share_claim,
    "custom_metric": _ask_for_requests,
    "device_selector": _claim_device,
}


@pytest.fixture
def bench(cluster: ClusterHandle, image: str) -> Iterator[Bench]:
    api = Api(cluster.kubeconfig)
    one = Bench(api, image, cluster.kubeconfig)
    try:
        one.build()
        yield one
    finally:
        one.remove()
        api.close()


def test_every_fault_shows_its_symptom_and_a_sound_service_shows_none(bench: Bench) -> None:
    deadline = time.monotonic() + SHOWN_WITHIN
    used = [fault for _, uses in bench.cases for fault in map(_fault, uses)]
    late = []
    for space, uses in bench.cases:
        seconds = max(0.0, deadline - time.monotonic())
        late += [f"{said} ({space})" for said in wait_shown(bench.api, map(_fault, uses), [space], seconds=seconds)]
    assert late == []
    assert bench.api.wait(bench.leak_was_ended, seconds=max(1.0, deadline - time.monotonic()), every=1.0)
    assert bench.states(bench.space("flapping_pod"), 30) == {"True", "False"}
    assert bench.api.wait(lambda: len(bench.logs(bench.space("growing_traffic"), 5)) > 60, seconds=60, every=1.0)
    assert len(bench.logs(bench.sound, 5)) < 30  # its probes, one a second
    written = bench.space("log_to_file")
    assert bench.api.wait(lambda: "True" in bench.states(written, 0), seconds=30)
    assert (bench.logs(written, 600), bench.logs(bench.sound, 600) != []) == ([], True)
    missing = wait_shown(bench.api, used, [bench.sound], seconds=0)
    assert len(missing) == len([fault for fault in used if faults.sight(fault.use) is not None]), missing
    may = [[bench.may(space, verb) for verb in ("get", "list")] for space in bench.readers()]
    assert may == [[True, True], [True, False], [False, False]]
    apply(bench.api, bench.actor())
    assert wait_shown(bench.api, [_fault(SELECTOR)], [bench.sound], seconds=30) == []


def _fault(use: Use) -> Fault:
    return Fault.model_validate({"use": use[0], "with": use[1]})


SPACE = "faults-task"
FAULTS = """\
- use: stuck_finalizer
  with: {kind: ConfigMap, name: settings}
- use: missing_config_map
  with: {deployment: web, name: settings}
- use: patch_target
  with: {file: kustomization.yaml, name: wbe}
- use: service_selector
  with: {service: web, value: wbe}
  at: 6s"""
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\ndata: {a: b}\n"
OVERLAY = "patches:\n- target: {kind: Deployment, name: web}\n  path: scale.yaml\n"


def test_a_task_of_all_forms_of_faults_comes_back_exactly(cluster: ClusterHandle, tmp_path: Path) -> None:
    """Files, a timed fault and a held object: started, spoiled by a learner, reset, stopped."""
    api = Api(cluster.kubeconfig)
    tasks = Tasks(cluster, course=load_course(_course(tmp_path)), store=tmp_path / "attempts.db")
    mine = tasks.start("no-answer").workspace / "kustomization.yaml"
    try:
        for _ in range(2):
            assert mine.read_text() == OVERLAY.replace("name: web", "name: wbe")
            assert api.wait(lambda: _selector(api) == {"app": "wbe"}, seconds=25)
            mine.write_text("")
            held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": SPACE}}
            api.delete(held)
            assert (api.get(held) or {})["metadata"]["deletionTimestamp"]
            tasks.reset("no-answer")
            assert "deletionTimestamp" not in (api.get(held) or {})["metadata"]
            assert _selector(api) == {"app": "web"}
    finally:
        tasks.stop("no-answer")
    assert api.get({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}) is None
    api.close()


def _course(root: Path) -> Path:
    name = "3-services/no-answer/scenario.yaml"
    base = BASE.replace("        args:", "        envFrom: [{configMapRef: {name: settings}}]\n        args:")
    files = {
        **FILES,
        name: FILES[name].replace("- use: service_selector\n  with: {service: web, value: wbe}", FAULTS),
        "3-services/no-answer/base/all.yaml": f"{base}---\n{SETTINGS}",
        "3-services/no-answer/workspace/kustomization.yaml": OVERLAY,
    }
    return write_course(root, {path: text.replace("shop", SPACE) for path, text in files.items()})


def _selector(api: Api) -> Any:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": SPACE}}
    return (api.get(service) or {})["spec"]["selector"]


TOGETHER = [
    """\
- use: host_port
  with: {deployment: web, replicas: 3}
- use: cpu_limit
  with: {deployment: web, limit: 50m}
- use: flapping_pod
  with: {deployment: web}
- use: log_to_file
  with: {deployment: web}
- use: growing_traffic
  with: {namespace: shop, service: web}""",
    """\
- use: anti_affinity
  with: {deployment: web, replicas: 3}
- use: shared_rwo_volume
  with: {claim: cache}
- use: bad_revision
  with: {deployment: web, tag: 2.0.0}
  when: made
- use: cordoned_nodes""",
]
CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: cache, namespace: shop}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
"""


@pytest.mark.parametrize("faults_", TOGETHER, ids=["server", "nodes"])
def test_what_was_never_tried_alone_comes_back_exactly(cluster: ClusterHandle, tmp_path: Path, faults_: str) -> None:
    """Started, spoiled by a learner, reset, stopped: the same objects each time, and nodes as they were."""
    name, files = "3-services/no-answer/scenario.yaml", dict(FILES)
    files[name] = files[name].replace("- use: service_selector\n  with: {service: web, value: wbe}", faults_)
    ported = BASE.replace("        args:", "        ports: [{containerPort: 8000}]\n        args:")
    files["3-services/no-answer/base/all.yaml"] = f"{ported}---\n{CLAIM}"
    root = write_course(tmp_path, {path: text.replace("shop", SPACE) for path, text in files.items()})
    tasks = Tasks(cluster, course=load_course(root), store=tmp_path / "attempts.db")
    api = Api(cluster.kubeconfig)
    before = _cordons(api)
    cordoned = dict.fromkeys(before, True) if "cordoned_nodes" in faults_ else before
    tasks.start("no-answer")
    try:
        assert tasks.differences("no-answer") == []
        assert _cordons(api) == cordoned
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": SPACE}}
        api.delete(deployment)
        for node in api.items(api.resource("v1", "Node")) if cordoned != before else []:
            api.merge(node, {"spec": {"unschedulable": None}})
        assert tasks.differences("no-answer") != []
        tasks.reset("no-answer")
        assert tasks.differences("no-answer") == []
        assert _cordons(api) == cordoned
    finally:
        tasks.stop("no-answer")
    assert _cordons(api) == before
    assert api.get({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}) is None
    api.close()


def _cordons(api: Api) -> dict[str, bool]:
    nodes = api.items(api.resource("v1", "Node"))
    return {node["metadata"]["name"]: bool(node["spec"].get("unschedulable")) for node in nodes}
