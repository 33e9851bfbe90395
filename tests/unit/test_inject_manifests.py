"""Stages, normal forms and the plan of a reset: all of it pure, on plain objects."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from grader.model import Json
from labs.course.load import load_course
from labs.inject import manifests
from labs.inject.normal import is_derived, normal
from labs.inject.restore import difference
from labs.inject.snapshot import Snapshot, build, tracked
from tests.unit.course_sample import spoiled, write_course

S = "3-services/no-answer/scenario.yaml"


def deployment() -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "template": {
                "spec": {
                    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}, {"key": "other"}],
                    "containers": [
                        {
                            "name": "server",
                            "image": "registry.lab:5000/model-server:1.0.0",
                            "args": ["--host", "0.0.0.0", "--port=8000"],  # noqa: S104 - what a healthy server says
                            "env": [{"name": "MODEL_PATH", "value": "/models"}],
                            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8000}},
                            "resources": {"requests": {"memory": "128Mi"}, "limits": {"memory": "256Mi"}},
                        }
                    ],
                }
            }
        },
    }


def service() -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}, {"port": 90}]},
    }


# --- stages ----------------------------------------------------------------------------------------------------------


def test_everything_comes_in_one_stage_with_its_namespace(tmp_path: Path) -> None:
    (scenario,) = load_course(write_course(tmp_path)).scenarios
    (stage,) = manifests.stages(scenario)
    assert [(o["kind"], o["metadata"]["name"]) for o in stage.objects] == [
        ("Namespace", "shop"),
        ("Deployment", "web"),
        ("Service", "web"),
    ]
    assert stage.objects[0]["metadata"]["labels"] == {"labs.io/scenario": "no-answer"}
    assert stage.objects[2]["spec"]["selector"] == {"app": "wbe"}


def test_a_fault_for_later_comes_in_a_stage_of_its_own(tmp_path: Path) -> None:
    change = spoiled(S, "  with: {service: web, value: wbe}", "  with: {service: web, value: wbe}\n  when: made")
    (scenario,) = load_course(write_course(tmp_path, change)).scenarios
    first, second = (manifests.Stage.from_json(stage.to_json()) for stage in manifests.stages(scenario))
    assert (first.when, second.when) == ("together", "made")
    assert first.objects[2]["spec"]["selector"] == {"app": "web"}
    assert [o["spec"]["selector"] for o in second.objects] == [{"app": "wbe"}]


def test_broken_replaces_by_identity_adds_and_takes_away(tmp_path: Path) -> None:
    broken = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 0}\n---\n"
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, annotations: {labs.io/absent: 'true'}}\n---\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n"
    )
    change = spoiled(S, "- use: service_selector\n  with: {service: web, value: wbe}", "- apply: broken/")
    (scenario,) = load_course(
        write_course(tmp_path, {**change, "3-services/no-answer/broken/x.yaml": broken})
    ).scenarios
    (stage,) = manifests.stages(scenario)
    assert [o["kind"] for o in stage.objects] == ["Namespace", "Deployment", "ConfigMap"]
    assert stage.objects[1]["spec"] == {"replicas": 0}
    assert stage.objects[2]["metadata"]["namespace"] == "shop"


def test_a_scenario_is_about_the_foreign_objects_it_names(tmp_path: Path) -> None:
    guard = "guards:\n- unchanged: {of: {kind: Node, selector: pool=gpu}, fields: [spec.taints]}\n"
    (scenario,) = load_course(write_course(tmp_path, spoiled(S, "guards:\n", guard))).scenarios
    assert [(o.kind, o.selector) for o in tracked(scenario)] == [("Node", "pool=gpu")]


# --- normal forms ----------------------------------------------------------------------------------------------------


def live(obj: Json, **meta: Any) -> Json:
    """Return the object as a server shows it."""
    found = copy.deepcopy(obj)
    found["metadata"].update(
        {"uid": "u1", "resourceVersion": "7", "generation": 1, "creationTimestamp": "t", "managedFields": [{}]}, **meta
    )
    found["status"] = {"observedGeneration": 1}
    return found


def test_what_the_cluster_adds_is_not_in_the_normal_form() -> None:
    found = live(deployment(), annotations={"deployment.kubernetes.io/revision": "3"})
    assert normal(found) == deployment()


def test_what_a_person_decides_is() -> None:
    found = normal(live(deployment(), annotations={"note": "x"}, labels={"a": "b"}, finalizers=["example.com/hold"]))
    assert found["metadata"] == {
        **deployment()["metadata"],
        "annotations": {"note": "x"},
        "labels": {"a": "b"},
        "finalizers": ["example.com/hold"],
    }


def test_a_pod_is_normal_without_its_node_and_token() -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {
            "nodeName": "n",
            "volumes": [{"name": "kube-api-access-x1"}, {"name": "own"}],
            "containers": [{"name": "c", "volumeMounts": [{"name": "kube-api-access-x1"}, {"name": "own"}]}],
        },
    }
    assert normal(pod)["spec"] == {
        "volumes": [{"name": "own"}],
        "containers": [{"name": "c", "volumeMounts": [{"name": "own"}]}],
    }


def test_a_node_is_what_people_set_on_it() -> None:
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n", "labels": {"pool": "gpu"}, "annotations": {"volatile": "1"}},
        "spec": {"podCIDR": "x", "taints": [{"key": "node.kubernetes.io/not-ready"}, {"key": "nvidia.com/gpu"}]},
    }
    assert normal(node)["spec"] == {"taints": [{"key": "nvidia.com/gpu"}]}
    assert normal(node)["metadata"] == {"name": "n", "labels": {"pool": "gpu"}}


@pytest.mark.parametrize(
    ("kind", "meta", "derived"),
    [
        ("Pod", {"ownerReferences": [{"kind": "ReplicaSet", "controller": True, "uid": "x"}]}, True),
        ("Pod", {}, False),
        ("Pod", {"labels": {"labs.io/prober": "true"}}, True),
        (
            "EndpointSlice",
            {"labels": {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}},
            True,
        ),
        ("EndpointSlice", {"labels": {"endpointslice.kubernetes.io/managed-by": "me"}}, False),
        ("ConfigMap", {"name": "kube-root-ca.crt"}, True),
        ("ConfigMap", {"name": "mine"}, False),
        ("ServiceAccount", {"name": "default", "namespace": "shop"}, True),
        ("ServiceAccount", {"name": "default", "namespace": "shop", "labels": {"a": "b"}}, False),
        ("ServiceAccount", {"name": "mine"}, False),
        ("Lease", {}, True),
    ],
)
def test_what_nobody_decided_is_derived(kind: str, meta: Json, derived: bool) -> None:
    assert is_derived({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", **meta}}) is derived


# --- the plan of a reset ---------------------------------------------------------------------------------------------

WEB_KEY = "apps/Deployment/shop/web"
SERVICE_KEY = "/Service/shop/web"


def test_nothing_to_do_where_nothing_changed() -> None:
    taken = build([live(deployment()), live(service())])
    again = Snapshot.from_json(taken.to_json())
    assert not difference(taken, again)
    assert taken.text() == again.text()


def test_added_missing_and_changed_objects_are_told_apart() -> None:
    baseline = build([live(service()), live(deployment())])
    relabelled = live(service(), labels={"x": "y"})
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more", "namespace": "shop"}}
    plan = difference(baseline, build([relabelled, extra]))
    assert (plan.added, plan.missing, plan.changed, plan.again) == (
        ["/ConfigMap/shop/more"],
        [WEB_KEY],
        [SERVICE_KEY],
        [],
    )


@pytest.mark.parametrize("meta", [{"generation": 3}, {"uid": "u2"}])
def test_a_workload_with_another_history_is_made_again_even_if_it_looks_the_same(meta: Json) -> None:
    plan = difference(build([live(deployment())]), build([live(deployment(), **meta)]))
    assert (plan.again, plan.changed) == ([WEB_KEY], [])
    assert "made anew" in plan.words()


def test_what_an_autoscaler_decides_is_not_compared() -> None:
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}},
    }
    few, many = live(deployment()), live(deployment())
    few["spec"]["replicas"], many["spec"]["replicas"] = 1, 5
    assert build([few, scaler]).text() == build([many, scaler]).text()
    assert build([few]).text() != build([many]).text()


def test_the_images_of_a_task_are_those_of_all_its_containers() -> None:
    job = {"template": {"spec": {"containers": [{"name": "c", "image": "job:1"}]}}}
    objects = [
        deployment(),
        {"kind": "CronJob", "metadata": {"name": "c"}, "spec": {"jobTemplate": {"spec": job}}},
        {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"initContainers": [{"image": "init:1"}], "containers": []}},
        {"kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"image": "none:1"}},
    ]
    (own,) = (c["image"] for c in deployment()["spec"]["template"]["spec"]["containers"])
    assert manifests.images(objects) == {own, "job:1", "init:1"}
