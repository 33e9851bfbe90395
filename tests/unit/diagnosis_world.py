"""A started `diagnose` task on the shipped fake cluster: what the tests of answers and of coaching share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from grader.capabilities import Capabilities
from grader.cluster import Cluster
from grader.fake_cluster import FakeCluster, Inside
from grader.model import Json
from labs.attempts.service import Tasks
from labs.attempts.store import Store
from labs.course.load import load_course
from labs.course.models import Scenario
from labs.inject.manifests import final, stages
from labs.providers.base import ClusterHandle
from tests.unit.course_sample import BASE, SCENARIO, SOLUTION, WRONG, write_course

ID = "no-answer"
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
REFUSED = '{"level": "info", "status":413, "path":"/v2/models/mlp/infer", "ms": 3}'
SCHEDULING = "0/2 nodes are available: 2 Insufficient cpu. preemption: not helpful."

HELD = """\
- id: held
  about: It stays so
  sustained: {seconds: 2, check: selects}
"""

DIAGNOSIS = """\
diagnosis:
  component: [Deployment/web, Service/front]
  cause: limit
  options:
  - {id: limit, text: "It refuses large bodies."}
  - {id: load, text: "It sheds load."}
  - {id: dns, text: "Its name does not resolve."}
  evidence: ['"status":413', 'Insufficient cpu', '127.0.0.1', 'CrashLoopBackOff', 'MAX_BYTES = 1024']
  points: {component: 2, cause: 3, evidence: 4}
"""

FILES = {
    "3-services/no-answer/scenario.yaml": SCENARIO.replace("kind: fix", "kind: diagnose").replace(HELD, "") + DIAGNOSIS,
    "3-services/no-answer/base/all.yaml": BASE.replace(
        "        args: [--host, 0.0.0.0]\n",
        "        args: [--host, 0.0.0.0]\n        env: [{name: HOST, value: 127.0.0.1}]\n",
    ),
    "3-services/no-answer/solution/fix.yaml": SOLUTION.replace(
        "steps:\n",
        "steps:\n- say: Name it.\n  answer: {component: deploy/web, cause: limit, evidence: '\"status\":413'}\n",
    ),
    "3-services/no-answer/wrong/relabel/fix.yaml": WRONG,
}


class World(Tasks):
    """Tasks whose looks go to the fake cluster; the clock is moved by hand.

    Args:
        folder: Where course, state and workspaces lie.
        changed: Files of the course to replace.
    """

    def __init__(self, folder: Path, changed: dict[str, str] | None = None) -> None:
        self.time = START
        handle = ClusterHandle("fake", "fake", "c", folder / "kubeconfig", Capabilities())
        course = load_course(write_course(folder / "course", {**FILES, **(changed or {})}))
        super().__init__(handle, course=course, store=folder / "a.db", clock=lambda: self.time)
        self.cluster = FakeCluster(self.objects(), inside=Inside(logs=self.logs()), now=START)
        store = Store(folder / "a.db", clock=lambda: self.time)
        store.append("c", ID, "a1", "begin")
        baseline = {"/".join(k): o for k, o in final(stages(self.scenario(ID))).items()}
        store.append("c", ID, "a1", "ready", {"objects": {"objects": baseline, "marks": {}}, "guards": {}})

    def _look(self, _scenario: Scenario) -> Cluster:
        return self.cluster

    def pass_time(self, seconds: float) -> None:
        """Move the clock."""
        self.time += timedelta(seconds=seconds)

    def objects(self) -> list[Json]:
        """Return what the cluster holds at the start: the scenario's objects, a pod of the Deployment, an event."""
        broken = [obj for key, obj in final(stages(self.scenario(ID))).items() if key[1] != "Namespace"]
        by = {"apiVersion": "apps/v1", "controller": True}
        pod: dict[str, Any] = {
            "kind": "Pod",
            "metadata": {
                "name": "web-5d9c7b6f4-abcde",
                "namespace": "shop",
                "labels": {"app": "web"},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d9c7b6f4", **by}],
            },
            "spec": {"containers": [{"name": "server", "image": "registry.lab/model-server:1.0.0"}]},
            "status": {
                "containerStatuses": [
                    {"name": "server", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
                ]
            },
        }
        replica_set = {
            "kind": "ReplicaSet",
            "metadata": {
                "name": "web-5d9c7b6f4",
                "namespace": "shop",
                "ownerReferences": [{"kind": "Deployment", "name": "web", **by}],
            },
        }
        event = {
            "kind": "Event",
            "metadata": {"name": "e1", "namespace": "shop"},
            "involvedObject": {"kind": "Pod", "name": "web-5d9c7b6f4-abcde"},
            "type": "Warning",
            "reason": "FailedScheduling",
            "message": SCHEDULING,
            "lastTimestamp": "2026-01-01T12:00:05Z",
        }
        foreign = {
            "kind": "Event",
            "metadata": {"name": "e2", "namespace": "default"},
            "involvedObject": {"kind": "Pod", "name": "stranger"},
            "message": "Insufficient cpu for a stranger",
        }
        config = yaml.safe_load(
            "{kind: ConfigMap, metadata: {name: settings, namespace: shop}, "
            'data: {app.py: "PORT = 8000\\nMAX_BYTES = 1024\\n"}}'
        )
        secret = {"kind": "Secret", "metadata": {"name": "key", "namespace": "shop"}, "data": {"k": "c2VjcmV0c2VjcmV0"}}
        return [*broken, pod, replica_set, event, foreign, config, secret]

    @staticmethod
    def logs() -> dict[str, str]:
        """Return what the pod has written."""
        return {"web-5d9c7b6f4-abcde": f'{{"level": "info", "status":200}}\n{REFUSED}\nlistening on port 8000\n'}
