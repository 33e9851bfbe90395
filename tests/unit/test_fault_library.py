"""The whole fault library: each fault breaks what it says and nothing else, once, and gets along with the others."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from grader.model import Json
from labs.errors import DataError
from labs.inject import faults
from tests.unit.fault_world import NS, healthy, one

WEB = {"deployment": "web"}


class Row(NamedTuple):
    """A use of a fault, and what must then be true of the objects."""

    use: str
    with_: dict[str, Any]
    broken: Callable[[list[Json]], bool]


def deployment(objects: list[Json]) -> Json:
    found: Json = one(objects, "Deployment", "web")["spec"]
    return found


def pod(objects: list[Json]) -> Json:
    found: Json = deployment(objects)["template"]["spec"]
    return found


def server(objects: list[Json]) -> Json:
    return next(c for c in pod(objects)["containers"] if c["name"] == "server")


def service(objects: list[Json]) -> Json:
    found: Json = one(objects, "Service", "web")["spec"]
    return found


def variable(objects: list[Json], name: str) -> Any:
    return next((e.get("value") for e in server(objects)["env"] if e["name"] == name), None)


NETWORK = [
    Row("service_selector", {"service": "web", "value": "wbe"}, lambda o: service(o)["selector"] == {"app": "wbe"}),
    Row(
        "target_port",
        {"service": "web", "target_port": 8080, "port": 80},
        lambda o: service(o)["ports"][0]["targetPort"] == 8080,
    ),
    Row(
        "named_target_port",
        {"service": "web", "port": 90},
        lambda o: service(o)["ports"][1]["targetPort"] == "htpp",
    ),
    Row(
        "default_deny",
        {"namespace": NS, "pods": {"app": "web"}},
        lambda o: (
            one(o, "NetworkPolicy", "default-deny")["spec"]
            == {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}
        ),
    ),
    Row(
        "egress_without_dns",
        {"namespace": NS, "name": "outgoing"},
        lambda o: (
            one(o, "NetworkPolicy", "outgoing")["spec"]["egress"] == [{"ports": [{"protocol": "TCP", "port": 443}]}]
        ),
    ),
    Row(
        "egress_without_dns",
        {"namespace": NS, "ports": [53, 443]},
        lambda o: (
            one(o, "NetworkPolicy", "egress")["spec"]["egress"] == [{"ports": [{"protocol": "TCP", "port": 443}]}]
        ),
    ),
    Row("dns_policy", WEB, lambda o: pod(o)["dnsPolicy"] == "Default"),
    Row(
        "dns_policy",
        {**WEB, "policy": "None", "nameservers": ["192.0.2.1"]},
        lambda o: (pod(o)["dnsPolicy"], pod(o)["dnsConfig"]) == ("None", {"nameservers": ["192.0.2.1"]}),
    ),
    Row(
        "wrong_upstream",
        {**WEB, "env": "FEATURES_URL", "to": "dta"},
        lambda o: variable(o, "FEATURES_URL") == "http://features.dta:8080/v1",
    ),
    Row("internal_traffic_local", {"service": "web"}, lambda o: service(o)["internalTrafficPolicy"] == "Local"),
    Row("publish_not_ready", {"service": "web"}, lambda o: service(o)["publishNotReadyAddresses"] is True),
    Row("bind_loopback", WEB, lambda o: server(o)["args"][:2] == ["--host", "127.0.0.1"]),
    Row("bind_loopback", {**WEB, "argument": "--bind"}, lambda o: variable(o, "HOST") == "127.0.0.1"),
]
SCHEDULING = [
    Row(
        "memory_request",
        WEB,
        lambda o: [server(o)["resources"][k]["memory"] for k in ("requests", "limits")] == ["512Gi", "512Gi"],
    ),
    Row("node_selector", {**WEB, "value": "gpuu"}, lambda o: pod(o)["nodeSelector"] == {"pool": "gpuu"}),
    Row("missing_toleration", WEB, lambda o: [t["key"] for t in pod(o)["tolerations"]] == ["other"]),
    Row(
        "anti_affinity",
        {**WEB, "replicas": 9},
        lambda o: (
            deployment(o)["replicas"] == 9
            and pod(o)["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            == [{"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}]
        ),
    ),
    Row(
        "topology_spread",
        WEB,
        lambda o: (
            [(c["topologyKey"], c["whenUnsatisfiable"]) for c in pod(o)["topologySpreadConstraints"]]
            == [("topology.labs.io/rack", "DoNotSchedule")]
        ),
    ),
    Row(
        "quota_too_small",
        {"namespace": NS, "hard": {"pods": "1"}},
        lambda o: one(o, "ResourceQuota", "team-quota")["spec"]["hard"]["pods"] == "1",
    ),
    Row(
        "limit_range",
        {"namespace": NS, "maximum": {"memory": "64Mi"}},
        lambda o: (
            one(o, "LimitRange", "container-limits")["spec"]["limits"]
            == [{"type": "Container", "max": {"memory": "64Mi"}}]
        ),
    ),
]
CONTAINER = [
    Row(
        "missing_config_map",
        {**WEB, "name": "settings"},
        lambda o: (
            pod(o)["volumes"][0]["configMap"]["name"] == "settings-v2"
            and server(o)["env"][2]["valueFrom"]["configMapKeyRef"]["name"] == "settings-v2"
        ),
    ),
    Row(
        "missing_config_key",
        {**WEB, "name": "settings", "key": "config.yaml", "wrong": "config.yml"},
        lambda o: pod(o)["volumes"][0]["configMap"]["items"] == [{"key": "config.yml", "path": "c.yaml"}],
    ),
    Row(
        "missing_config_key",
        {**WEB, "name": "settings", "key": "limit", "wrong": "limits"},
        lambda o: server(o)["env"][2]["valueFrom"]["configMapKeyRef"]["key"] == "limits",
    ),
    Row(
        "trailing_newline",
        {"secret": "token", "key": "token"},
        lambda o: base64.b64decode(one(o, "Secret", "token")["data"]["token"]) == b"abc\n",
    ),
    Row(
        "wrong_env",
        {**WEB, "env": "MODEL_PATH", "value": "/modles"},
        lambda o: variable(o, "MODEL_PATH") == "/modles",
    ),
    Row(
        "wrong_env",
        {**WEB, "env": "MODEL_PATH", "rename": "MODEL_PTH"},
        lambda o: (variable(o, "MODEL_PATH"), variable(o, "MODEL_PTH")) == (None, "/models"),
    ),
    Row(
        "wrong_argument",
        {**WEB, "argument": "--port", "value": "80"},
        lambda o: server(o)["args"][2] == "--port=80",
    ),
    Row(
        "wrong_argument",
        {**WEB, "argument": "--model-path", "value": "/mnt/modles"},
        lambda o: server(o)["args"][-1] == "--model-path=/mnt/modles",
    ),
    Row(
        "image_tag",
        {**WEB, "tag": "1.0.O"},
        lambda o: server(o)["image"] == "registry.lab/model-server:1.0.O",
    ),
    Row("pull_secret", WEB, lambda o: "imagePullSecrets" not in pod(o)),
    Row("pull_secret", {**WEB, "secret": "regcred"}, lambda o: pod(o)["imagePullSecrets"] == [{"name": "regcred"}]),
    Row(
        "shadowed_volume",
        {**WEB, "path": "/models"},
        lambda o: {"name": "cache", "mountPath": "/models"} in server(o)["volumeMounts"],
    ),
    Row(
        "read_only_root",
        WEB,
        lambda o: (
            server(o)["securityContext"]["readOnlyRootFilesystem"]
            and "/tmp" not in {m["mountPath"] for m in server(o)["volumeMounts"]}  # noqa: S108 - in the container
        ),
    ),
    Row(
        "non_root_image",
        WEB,
        lambda o: [server(o)["securityContext"][k] for k in ("runAsNonRoot", "runAsUser")] == [True, 0],
    ),
    Row(
        "non_root_image",
        {**WEB, "user": None},
        lambda o: server(o)["securityContext"]["runAsNonRoot"] and "runAsUser" not in server(o)["securityContext"],
    ),
    Row(
        "pod_security",
        {"namespace": NS},
        lambda o: one(o, "Namespace", NS)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted",
    ),
    Row(
        "memory_limit",
        {**WEB, "limit": "16Mi"},
        lambda o: [server(o)["resources"][k]["memory"] for k in ("requests", "limits")] == ["16Mi", "16Mi"],
    ),
    Row(
        "cpu_limit",
        WEB,
        lambda o: [server(o)["resources"][k]["cpu"] for k in ("requests", "limits")] == ["10m", "10m"],
    ),
    Row(
        "init_waits",
        {**WEB, "host": "modles"},
        lambda o: (
            [(c["name"], c["image"], c["command"][3:]) for c in pod(o)["initContainers"]]
            == [("wait-for-models", "registry.lab/tools:1.0.0", ["modles", "80"])]
        ),
    ),
    Row(
        "stale_config",
        {"config_map": "settings", "key": "config.yaml", "find": "64", "replace": "8"},
        lambda o: one(o, "ConfigMap", "settings")["data"]["config.yaml"] == "queue_size: 8\n",
    ),
    Row(
        "stale_config",
        {"config_map": "settings", "key": "limit", "value": "5"},
        lambda o: one(o, "ConfigMap", "settings")["data"]["limit"] == "5",
    ),
    Row(
        "log_to_file",
        WEB,
        lambda o: server(o)["command"][3:] == ["/tmp/server.log", "python3", "-m", "model_server"],  # noqa: S108
    ),
    Row(
        "scrape_annotation",
        WEB,
        lambda o: deployment(o)["template"]["metadata"]["annotations"]["prometheus.io/port"] == "9090",
    ),
    Row(
        "scrape_annotation",
        {**WEB, "value": ""},
        lambda o: "prometheus.io/port" not in deployment(o)["template"]["metadata"].get("annotations", {}),
    ),
]
RIGHTS = [
    Row("missing_service_account", {**WEB, "name": "wbe"}, lambda o: pod(o)["serviceAccountName"] == "wbe"),
    Row(
        "role_verb",
        {"role": "reader", "resource": "configmaps", "verb": "watch"},
        lambda o: (
            [(r["resources"], r["verbs"]) for r in one(o, "Role", "reader")["rules"]]
            == [(["secrets"], ["get", "watch"]), (["configmaps"], ["get"])]
        ),
    ),
    Row(
        "binding_subject",
        {"binding": "reader", "to_namespace": "shop-dev"},
        lambda o: [s["namespace"] for s in one(o, "RoleBinding", "reader")["subjects"]] == ["shop-dev"],
    ),
    Row("no_token", WEB, lambda o: pod(o)["automountServiceAccountToken"] is False),
]
RELIABILITY = [
    Row("readiness_path", WEB, lambda o: server(o)["readinessProbe"]["httpGet"]["path"] == "/healthzz"),
    Row("readiness_port", WEB, lambda o: server(o)["readinessProbe"]["httpGet"]["port"] == 8081),
    Row(
        "impatient_liveness",
        {**WEB, "path": "/v2/health/ready"},
        lambda o: (
            "startupProbe" not in server(o)
            and server(o)["livenessProbe"]["httpGet"]["path"] == "/v2/health/ready"
            and server(o)["livenessProbe"]["failureThreshold"] == 1
        ),
    ),
    Row(
        "liveness_dependency",
        {**WEB, "url": "http://features:8080/healthz"},
        lambda o: server(o)["livenessProbe"]["exec"]["command"][-1] == "http://features:8080/healthz",
    ),
    Row(
        "no_surge_room",
        {**WEB, "hard": {"pods": "2"}},
        lambda o: (
            deployment(o)["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
            and one(o, "ResourceQuota", "team-quota")["spec"]["hard"]["pods"] == "2"
            and deployment(o)["template"]["metadata"]["annotations"]["labs.io/release"] == "2"
        ),
    ),
    Row(
        "bad_revision",
        {**WEB, "tag": "2.0.0"},
        lambda o: (
            server(o)["image"] == "registry.lab/model-server:2.0.0" and deployment(o)["progressDeadlineSeconds"] == 10
        ),
    ),
    Row("paused_rollout", WEB, lambda o: deployment(o)["paused"] is True),
    Row(
        "pdb_blocks_drain",
        {**WEB, "name": "web"},
        lambda o: (
            one(o, "PodDisruptionBudget", "web")["spec"]
            == {"minAvailable": "100%", "selector": {"matchLabels": {"app": "web"}}}
        ),
    ),
    Row(
        "no_grace",
        WEB,
        lambda o: pod(o)["terminationGracePeriodSeconds"] == 1 and "lifecycle" not in server(o),
    ),
    Row(
        "hpa_target",
        {"autoscaler": "web", "target": "wbe"},
        lambda o: one(o, "HorizontalPodAutoscaler", "web")["spec"]["scaleTargetRef"]["name"] == "wbe",
    ),
    Row(
        "hpa_without_requests",
        WEB,
        lambda o: all("cpu" not in part for part in server(o)["resources"].values()),
    ),
    Row(
        "hpa_fixed",
        {"autoscaler": "web"},
        lambda o: one(o, "HorizontalPodAutoscaler", "web")["spec"]["maxReplicas"] == 2,
    ),
    Row(
        "hpa_fixed",
        {"autoscaler": "web", "by": "behavior"},
        lambda o: (
            one(o, "HorizontalPodAutoscaler", "web")["spec"]["behavior"] == {"scaleUp": {"selectPolicy": "Disabled"}}
        ),
    ),
]
ROWS = [*NETWORK, *SCHEDULING, *CONTAINER, *RIGHTS, *RELIABILITY]
EXCLUSIVE = [{"missing_config_map", "missing_config_key"}]
"""Pairs whose second one finds what it breaks gone, and says so."""
IDS = [f"{row.use}-{number}" for number, row in enumerate(ROWS)]


def leaves(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every place that holds something, and what; items with a name are known by it, not by their number."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from leaves(child, (*at, key))
    elif isinstance(value, list):
        for number, child in enumerate(value):
            name = child.get("name") or child.get("mountPath") if isinstance(child, dict) else None
            yield from leaves(child, (*at, str(name or number)))
    if not isinstance(value, dict | list) or not value:
        yield at, json.dumps(value)


def places(objects: list[Json]) -> dict[tuple[str, ...], str]:
    """Return the whole world as place → value, whatever the order of its objects."""
    return {
        place: value
        for o in objects
        for place, value in leaves(o, (o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]))
    }


def changed(row: Row) -> set[tuple[str, ...]]:
    before, after = places(healthy()), places(faults.transform(healthy(), row.use, row.with_))
    return {place for place in {*before, *after} if before.get(place) != after.get(place)}


def test_every_fault_has_a_row_and_says_what_it_is() -> None:
    assert {name for name in faults.library() if not faults.is_live(name)} == {row.use for row in ROWS}
    for name, module in faults.library().items():
        assert 0 <= module.NUMBER <= 90, name
        assert module.SYMPTOM, name
        assert module.Params.__doc__, name


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_fault_breaks_a_copy_once(row: Row) -> None:
    sound = healthy()
    assert not _holds(row, sound)
    broken = faults.transform(sound, row.use, row.with_)
    assert row.broken(broken), broken
    assert sound == healthy()
    with pytest.raises(DataError, match="changes nothing"):
        faults.transform(broken, row.use, row.with_)


def _holds(row: Row, objects: list[Json]) -> bool:
    try:
        return row.broken(objects)
    except (KeyError, ValueError, IndexError, StopIteration):
        return False


def test_three_to_five_faults_in_any_order_are_the_same_breakage() -> None:
    """What two faults would both write is left out: they exclude each other, whatever the order."""
    chance = random.Random(20)  # noqa: S311 - the same draws each time
    touched = {index: changed(row) for index, row in enumerate(ROWS)}
    for _ in range(100):
        chosen: list[int] = []
        size = chance.choice((3, 4, 5))
        for index in chance.sample(range(len(ROWS)), len(ROWS)):
            if len(chosen) == size:
                break
            if not any(_exclude(index, other, touched) for other in chosen):
                chosen.append(index)
        results = []
        for _ in range(3):
            order = chance.sample(chosen, len(chosen))
            objects = healthy()
            for index in order:
                objects = faults.transform(objects, ROWS[index].use, ROWS[index].with_)
            assert all(ROWS[i].broken(objects) for i in chosen), [ROWS[i].use for i in order]
            results.append(places(objects))
        assert results[0] == results[1] == results[2], [ROWS[i].use for i in chosen]


def _exclude(this: int, that: int, touched: dict[int, set[tuple[str, ...]]]) -> bool:
    if {ROWS[this].use, ROWS[that].use} in EXCLUSIVE:
        return True
    return any(a == b[: len(a)] or b == a[: len(b)] for a in touched[this] for b in touched[that])


@pytest.mark.parametrize(
    ("use", "with_", "said"),
    [
        ("service_selector", {"service": "wbe", "value": "x"}, "finds no Service `wbe`"),
        ("readiness_path", {"deployment": "web", "container": "sidecar"}, "no container `sidecar`"),
        ("wrong_env", {"deployment": "web", "env": "NO", "rename": "X"}, "no variable `NO`"),
        ("readiness_path", {"deployment": "web", "path": "/v2/health/ready"}, "changes nothing"),
        ("readiness_path", {}, "exactly one of"),
        ("named_target_port", {"service": "web", "port": 81}, "has no port 81"),
        ("missing_config_map", {**WEB, "name": "none"}, "refers to no ConfigMap `none`"),
        ("missing_config_key", {**WEB, "name": "settings", "key": "no", "wrong": "x"}, "for no key `no`"),
        ("trailing_newline", {"secret": "token", "key": "no"}, "has no key `no`"),
        ("stale_config", {"config_map": "settings", "key": "limit", "find": "7", "replace": "8"}, "does not say `7`"),
        ("default_deny", {"namespace": NS, "name": "outgoing"}, "there is a NetworkPolicy `outgoing` already"),
        ("binding_subject", {"binding": "reader"}, "give `to_namespace` or `to_name`"),
        ("wrong_upstream", {**WEB, "env": "LIMIT", "to": "x"}, "no variable `LIMIT` with a value"),
        ("dns_policy", {**WEB, "policy": "None"}, "go together"),
    ],
)
def test_a_fault_that_does_not_fit_says_why(use: str, with_: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as raised:
        faults.transform(healthy(), use, with_)
    assert said in str(raised.value)


def test_a_live_fault_changes_only_the_chosen_nodes() -> None:
    nodes = [
        {"kind": "Node", "metadata": {"name": n, "labels": {"pool": p}}, "spec": {}}
        for n, p in (("a", "gpu"), ("b", "cpu"))
    ]
    (changed_node,) = faults.patch(nodes, "cordoned_nodes", {"pool": "gpu"})
    assert (changed_node["metadata"]["name"], changed_node["spec"]) == ("a", {"unschedulable": True})
    assert nodes[0]["spec"] == {}
