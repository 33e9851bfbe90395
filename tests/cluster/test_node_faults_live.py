"""A node that degrades on the real engine: errors, a taint that gets harder, evictions; and all of it taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from engine_kubectl import Kubectl, eventually

from grader.taints import of_people
from labs.attempts.service import Tasks
from labs.course.load import load_course
from labs.inject.api import Api
from labs.providers.base import ClusterHandle
from tests.unit.course_sample import BASE, FILES, write_course

pytestmark = pytest.mark.cluster

SPACE = "node-faults"
KEY = "node.example.com/memory-errors"
FAULT = """\
- use: degrading_node
  with: {namespace: shop, every: 8}"""
BUDGET = """\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec: {maxUnavailable: 0, selector: {matchLabels: {app: web}}}
"""


@pytest.fixture
def api(cluster: ClusterHandle) -> Iterator[Api]:
    with closing(Api(cluster.kubeconfig)) as one:
        yield one


def taints(api: Api) -> dict[str, str]:
    """Node → effect of the taint of whoever watches its memory."""
    nodes = api.items(api.resource("v1", "Node"))
    return {n["metadata"]["name"]: t["effect"] for n in nodes for t in of_people(n) if t["key"] == KEY}


def test_a_node_degrades_step_by_step_and_is_whole_again(cluster: ClusterHandle, tmp_path: Path, api: Api) -> None:
    name, files = "3-services/no-answer/scenario.yaml", dict(FILES)
    files[name] = files[name].replace("- use: service_selector\n  with: {service: web, value: wbe}", FAULT)
    spread = BASE.replace("replicas: 1", "replicas: 4")  # so that some are on the node
    files["3-services/no-answer/base/all.yaml"] = f"{spread}---\n{BUDGET}"
    root = write_course(tmp_path, {path: text.replace("shop", SPACE) for path, text in files.items()})
    tasks, kubectl = Tasks(cluster, course=load_course(root), store=tmp_path / "attempts.db"), Kubectl(cluster, SPACE)

    def said(words: str) -> bool:
        return words in kubectl.run("logs", "node-health").stdout

    assert taints(api) == {}
    tasks.start("no-answer")
    try:
        assert (taints(api), tasks.differences("no-answer")) == ({}, [])
        (node,) = eventually(lambda: taints(api), 60)
        eventually(lambda: taints(api) == {node: "NoSchedule"}, 60)
        assert any("Node" in key and key.endswith(node) for key in tasks.differences("no-answer"))
        eventually(lambda: said("correctable memory errors in the last minute: 243"), 60)
        eventually(lambda: said("not evicted web-"), 60)  # the budget is respected
        kubectl("delete", "pdb", "web")
        eventually(lambda: said("\nevicted web-"), 60)
        tasks.reset("no-answer")
        assert (taints(api), tasks.differences("no-answer")) == ({}, [])
        assert eventually(lambda: taints(api), 60)  # it begins anew
    finally:
        tasks.stop("no-answer")
    assert taints(api) == {}
    roles: list[Any] = api.items(api.resource("rbac.authorization.k8s.io/v1", "ClusterRole"))
    assert [r for r in roles if SPACE in r["metadata"]["name"]] == []
