"""What a scenario has left is found, and what others do on the same cluster meanwhile is not taken for it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from grader.fake_cluster import FakeCluster
from grader.model import Json
from labs.course.load import load_course
from labs.course.models import Fix, Scenario
from labs.prove import words
from labs.prove.outside import Outside
from tests.unit.course_sample import FILES, write_course

DRAIN = """\
about: It tempts.
steps:
- say: Empty the pool.
  kubectl: [drain, -l, pool=gpu, --ignore-daemonsets]
- say: Allow everything.
  kubectl: [create, clusterrolebinding, everything, --clusterrole=cluster-admin, '--serviceaccount=shop:web']
- say: Make it the default.
  kubectl: [annotate, storageclass, fast, storageclass.kubernetes.io/is-default-class=true]
"""


def obj(kind: str, name: str, api: str = "v1", *, owner: str = "", **parts: Any) -> Json:
    labels = {"labs.io/scenario": owner} if owner else {}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": labels}, **parts}


def binding(name: str, space: str, *, owner: str = "") -> Json:
    subject = {"kind": "ServiceAccount", "name": "x", "namespace": space}
    return obj("ClusterRoleBinding", name, "rbac.authorization.k8s.io/v1", owner=owner, subjects=[subject])


@pytest.fixture
def cluster() -> FakeCluster:
    nodes = [obj("Node", name, spec={}, status={}) for name in ("cpu-1", "gpu-1")]
    return FakeCluster([*nodes, obj("Namespace", "default"), obj("StorageClass", "fast", "storage.k8s.io/v1")])


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    name = "3-services/no-answer/wrong/relabel/fix.yaml"
    assert name in FILES
    return load_course(write_course(tmp_path, {name: DRAIN})).scenarios[0]


@pytest.fixture
def outside(cluster: FakeCluster, scenario: Scenario) -> Outside:
    found = Outside(scenario, lambda: cluster.objects)
    found.begin()
    return found


@pytest.fixture
def drain(scenario: Scenario) -> Fix:
    return scenario.wrong[0]


def test_what_others_do_at_the_same_time_is_not_ours(cluster: FakeCluster, outside: Outside) -> None:
    cluster.objects += [
        obj("Namespace", "anothers", owner="another-task"),
        obj("Namespace", "going-away"),  # without any label of ours
        binding("another", "anothers", owner="another-task"),
        binding("of-its-fix", "anothers"),
        obj("ClusterRole", "made-by-hand", "rbac.authorization.k8s.io/v1"),
    ]
    cluster.objects.remove(cluster.find("Namespace", "default"))
    cluster.find("Node", "cpu-1")["spec"]["unschedulable"] = True
    assert outside.left() == []


@pytest.mark.parametrize(
    "left",
    [
        obj("Namespace", "shop", owner="no-answer"),
        obj("Namespace", "shop"),
        binding("x", "shop"),
        obj("PriorityClass", "x", "scheduling.k8s.io/v1", owner="no-answer"),
        obj("ClusterRoleBinding", "everything", "rbac.authorization.k8s.io/v1"),  # a fix types the name
        obj("PersistentVolume", "pv-1", spec={"claimRef": {"namespace": "shop", "name": "data"}}),
    ],
    ids=lambda left: f"{left['kind']}-{left['metadata']['name']}",
)
def test_what_the_scenario_left_is_found(cluster: FakeCluster, outside: Outside, left: Json) -> None:
    cluster.objects.append(left)
    assert [key.split("/")[-1] for key in outside.left()] == [left["metadata"]["name"]]


def test_a_shared_object_that_a_fix_names_must_be_as_before(cluster: FakeCluster, outside: Outside) -> None:
    fast = cluster.find("StorageClass", "fast")
    fast["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    assert outside.left() == ["storage.k8s.io/StorageClass//fast"]
    cluster.objects.remove(fast)
    assert outside.left() == ["storage.k8s.io/StorageClass//fast"]


def test_what_an_earlier_run_had_left_may_go_away(cluster: FakeCluster, scenario: Scenario) -> None:
    cluster.objects.append(obj("Namespace", "shop", owner="no-answer"))
    outside = Outside(scenario, lambda: cluster.objects)
    outside.begin()
    cluster.objects.remove(cluster.find("Namespace", "shop"))
    assert outside.left() == []


def test_a_cordon_of_a_fix_is_found_and_anothers_is_not(cluster: FakeCluster, outside: Outside, drain: Fix) -> None:
    cluster.find("Node", "cpu-1")["spec"]["unschedulable"] = True  # another task, before
    with outside.acting(words.nodes_of_fix(drain)):
        cluster.find("Node", "gpu-1")["spec"]["unschedulable"] = True
        cluster.find("Node", "cpu-1")["spec"]["taints"] = [{"key": "x", "effect": "NoSchedule"}]  # another task
    assert outside.left() == ["Node gpu-1: cordon"]
    assert not outside.is_anothers("/Node//gpu-1")
    assert outside.is_anothers("/Node//cpu-1")
    assert not outside.is_anothers("/Service/shop/web")
    del cluster.find("Node", "gpu-1")["spec"]["unschedulable"]
    assert outside.left() == []


def test_a_cordon_is_found_even_when_the_fix_fails_half_way(cluster: FakeCluster, outside: Outside, drain: Fix) -> None:
    with suppress(RuntimeError), outside.acting(words.nodes_of_fix(drain)):
        cluster.find("Node", "gpu-1")["spec"]["unschedulable"] = True
        raise RuntimeError
    assert outside.left() == ["Node gpu-1: cordon"]


@pytest.mark.parametrize(
    ("typed", "kinds"),
    [
        ("[cordon, x]", {"cordon"}),
        ("[taint, nodes, -l, pool=gpu, a=b:NoSchedule]", {"taint"}),
        ("[label, node, --all, pool-]", {"label"}),
        ("[patch, node/x, -p, '{}']", set(words.EVERYTHING)),
        ("[-n, shop, label, pods, --all, a=b]", set()),
        ("[get, nodes]", set()),
    ],
)
def test_which_settings_of_nodes_a_fix_changes(tmp_path: Path, typed: str, kinds: set[str]) -> None:
    text = f"about: It tempts.\nsteps:\n- say: Try.\n  kubectl: {typed}\n"
    course = load_course(write_course(tmp_path, {"3-services/no-answer/wrong/relabel/fix.yaml": text}))
    assert words.nodes_of_fix(course.scenarios[0].wrong[0]) == kinds
    assert words.nodes_of(course.scenarios[0]) == kinds


def test_what_runs_beside_others(tmp_path: Path, scenario: Scenario) -> None:
    assert words.acts_on_cluster(scenario)  # a fix makes a ClusterRoleBinding
    assert not words.acts_on_cluster(load_course(write_course(tmp_path / "plain")).scenarios[0])
