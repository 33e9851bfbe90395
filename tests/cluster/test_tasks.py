"""Tasks on the real engine: exact starts, resets and stops, what a killed process leaves, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labs import tools
from labs.attempts.service import Tasks
from labs.course.load import load_course
from labs.course.models import Course
from labs.errors import ClusterError, NotOursError, UsageError
from labs.inject import snapshot
from labs.inject.api import Api
from labs.prove import prove
from labs.providers.base import ClusterHandle

pytestmark = pytest.mark.cluster

ID = "two-stages"
SPACE = "task-lab"
PAUSE = (
    "{name: main, image: IMAGE, command: [sleep, '3600'], "
    "readinessProbe: {exec: {command: ['true']}, periodSeconds: 1}}"
)

SCENARIO = """\
apiVersion: labs/v1
id: two-stages
title: Objects of every kind that a reset must put back
lesson: "3.1"
kind: fix
target_minutes: 4
weight: 2
namespaces: [task-lab]
situation: Something is off.
task: The ConfigMap `settings` in `task-lab` says `right`.
faults:
- apply: broken/
  when: ready
checks:
- id: says-right
  about: The settings say right
  observe: {maps: {kind: ConfigMap, namespace: task-lab, name: settings}}
  cel: maps.exists(m, m.data["value"] == "right")
  why: It is what the task says.
guards:
- exists: {of: {kind: Deployment, namespace: task-lab, name: web}, replicas: ">=1", same: true}
  why: It is needed.
- unchanged: {of: {kind: Node, selector: pool}, fields: [spec.taints]}
  why: Nodes are not yours.
wrong: [rename, nothing]
"""

BASE = """\
apiVersion: v1
kind: Namespace
metadata: {name: task-lab, labels: {team: red}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: task-lab}
data: {value: right}
---
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: task-lab}
stringData: {token: abc}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot, namespace: task-lab}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: task-lab}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: task-lab-nodes}
rules: [{apiGroups: [""], resources: [nodes], verbs: [get]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: task-lab}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8000}]}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: budget, namespace: task-lab}
spec: {hard: {pods: "8"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: task-lab}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 1, containers: [MAIN]}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: task-lab}
spec: {terminationGracePeriodSeconds: 1, containers: [MAIN]}
"""

BROKEN = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: task-lab}
data: {value: wrong}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: task-lab}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, revision: two}}
    spec: {terminationGracePeriodSeconds: 1, containers: [MAIN]}
"""

FIX = """\
about: One step.
steps:
- {say: Set it., kubectl: [-n, task-lab, patch, configmap, settings, -p, '{"data":{"value":"VALUE"}}']}
"""

KILLED = """
import os, signal, sys
from pathlib import Path
from labs.attempts.service import Tasks
from labs.course.load import load_course
from labs.events import Step
from labs.providers.engine.provider import EngineProvider

def die(event):
    if isinstance(event, Step) and event.id == sys.argv[5] and event.state == sys.argv[6]:
        os.kill(os.getpid(), signal.SIGKILL)

handle = EngineProvider().handle(sys.argv[1])
tasks = Tasks(handle, course=load_course(Path(sys.argv[2])), store=Path(sys.argv[3]))
getattr(tasks, sys.argv[4])("two-stages", emit=die)
"""


@pytest.fixture(scope="module")
def course_dir(tmp_path_factory: pytest.TempPathFactory, image: str) -> Path:
    root = tmp_path_factory.mktemp("course")
    main = PAUSE.replace("IMAGE", image)
    files = {
        "chapter.yaml": 'title: Services\nsummary: Test.\nweight: 10\nlessons: {"3.1": Test}\n',
        f"{ID}/scenario.yaml": SCENARIO,
        f"{ID}/base/all.yaml": BASE.replace("MAIN", main),
        f"{ID}/broken/all.yaml": BROKEN.replace("MAIN", main),
        f"{ID}/solution/fix.yaml": FIX.replace("VALUE", "right"),
        f"{ID}/wrong/rename/fix.yaml": FIX.replace("VALUE", "left"),
        f"{ID}/wrong/nothing/fix.yaml": FIX.replace("VALUE", "wrong"),
        f"{ID}/workspace/notes.txt": "as shipped\n",
        f"{ID}/hints.md": "## concept\nThink.\n## field\nLook.\n## live\nNow.\n",
        f"{ID}/debrief.md": "It said wrong.\n",
    }
    for name, text in files.items():
        path = root / "3-services" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def course(course_dir: Path) -> Course:
    return load_course(course_dir)


@pytest.fixture
def tasks(cluster: ClusterHandle, course: Course, tmp_path: Path) -> Iterator[Tasks]:
    found = Tasks(cluster, course=course, store=tmp_path / "attempts.db")
    yield found
    try:
        found.stop(ID)
    except UsageError:
        assert not space(cluster)


@pytest.fixture
def api(cluster: ClusterHandle) -> Iterator[Api]:
    found = Api(cluster.kubeconfig)
    yield found
    found.close()


def do(cluster: ClusterHandle, *words: str) -> str:
    env = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    done = subprocess.run([str(tools.kubectl()), *words], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def space(cluster: ClusterHandle) -> str:
    return do(cluster, "get", "namespace", SPACE, "--ignore-not-found", "-o", "name").strip()


def state(api: Api) -> str:
    return snapshot.build(snapshot.contents(api, [SPACE], ID)).text()


def revisions(cluster: ClusterHandle) -> list[tuple[str, str]]:
    """Return revision and labels of the ReplicaSets: the rollout history."""
    found = json.loads(do(cluster, "-n", SPACE, "get", "replicasets", "-o", "json"))["items"]
    return sorted(
        (
            rs["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
            rs["spec"]["template"]["metadata"]["labels"].get("revision", ""),
        )
        for rs in found
    )


def spoil(cluster: ClusterHandle) -> None:
    """Do to the task what learners do, and worse."""
    node = do(cluster, "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    for words in (
        ("patch", "configmap", "settings", "-p", '{"data":{"value":"right","more":"x"}}'),
        ("delete", "secret", "token"),
        ("patch", "serviceaccount", "default", "-p", '{"imagePullSecrets":[{"name":"token"}]}'),
        ("delete", "role", "reader"),
        ("delete", "service", "web"),
        ("create", "service", "clusterip", "web", "--tcp=80:9000"),
        ("patch", "resourcequota", "budget", "--type=merge", "-p", '{"spec":{"hard":{"pods":"99"}}}'),
        ("set", "env", "deployment/web", "A=b"),
        ("scale", "deployment/web", "--replicas=2"),
        ("annotate", "deployment/web", "note=mine"),
        ("label", "pod", "alone", "mine=yes"),
        ("create", "configmap", "extra"),
        ("create", "deployment", "extra", "--image=registry.lab/none:1"),
    ):
        do(cluster, "-n", SPACE, *words)
    do(cluster, "label", "namespace", SPACE, "team=blue", "--overwrite")
    do(
        cluster,
        "create",
        "clusterrolebinding",
        "task-lab-evil",
        "--clusterrole=view",
        f"--serviceaccount={SPACE}:robot",
    )
    do(cluster, "delete", "clusterrole", "task-lab-nodes")
    do(cluster, "taint", "nodes", node, "mine=yes:NoSchedule")
    do(cluster, "cordon", node)
    do(cluster, "label", "node", node, "pool=none", "mine=yes", "--overwrite")


def test_a_reset_puts_everything_back_byte_for_byte(tasks: Tasks, cluster: ClusterHandle, api: Api) -> None:
    nodes = snapshot.build(api.items(api.resource("v1", "Node"))).text()
    attempt = tasks.start(ID)
    before, history = state(api), revisions(cluster)
    assert history == [("1", ""), ("2", "two")]
    spoil(cluster)
    (attempt.workspace / "notes.txt").write_text("mine\n")
    (attempt.workspace / "more.txt").write_text("more\n")
    assert len(tasks.differences(ID)) > 10
    again = tasks.reset(ID)
    assert state(api) == before
    assert tasks.differences(ID) == []
    assert revisions(cluster) == history
    assert snapshot.build(api.items(api.resource("v1", "Node"))).text() == nodes
    assert (again.id, again.started) == (attempt.id, attempt.started)
    assert [p.name for p in attempt.workspace.iterdir()] == ["notes.txt"]
    assert (attempt.workspace / "notes.txt").read_text() == "as shipped\n"
    assert not tasks.check(ID).broken_guards  # what was made again is the guards' new baseline


def test_a_reset_mends_the_nodes_before_it_makes_pods_anew(cluster: ClusterHandle, tmp_path: Path) -> None:
    one, placed = "nobody-is-placed", ("-n", "night-scoring", "wait", "pod", "-l", "app=embedder", "--timeout=60s")
    tasks = Tasks(cluster, course=load_course(), store=tmp_path / "attempts.db")
    tasks.start(one)
    try:
        do(cluster, "label", "nodes", "--all", "--overwrite", "pool=batch-spot")
        do(cluster, *placed, "--for=condition=PodScheduled")
        tasks.reset(one)
        # Its old pod may still be on its way out, so not every pod of that label counts.
        do(cluster, *placed, "--for=delete", "--field-selector=spec.nodeName!=")
        do(cluster, *placed, "--for=condition=PodScheduled=false")
    finally:
        tasks.stop(one)


def test_a_stop_leaves_nothing_and_restores_what_is_not_the_tasks(
    tasks: Tasks, cluster: ClusterHandle, api: Api
) -> None:
    inventory = snapshot.inventory(api)
    nodes = snapshot.build(api.items(api.resource("v1", "Node"))).text()
    tasks.start(ID)
    spoil(cluster)
    tasks.stop(ID)
    assert not space(cluster)
    assert snapshot.inventory(api) == inventory
    assert snapshot.build(api.items(api.resource("v1", "Node"))).text() == nodes
    assert tasks.current(ID) is None


def test_a_running_task_is_resumed_and_a_lost_namespace_is_told(tasks: Tasks, cluster: ClusterHandle, api: Api) -> None:
    first = tasks.start(ID)
    before = state(api)
    assert tasks.start(ID) == first
    do(cluster, "delete", "namespace", SPACE, "--wait=false")
    with pytest.raises(ClusterError) as raised:
        tasks.start(ID)
    assert f"reset {ID}" in raised.value.hint
    tasks.reset(ID)
    # A Service that is made again may have another address only if it was asked for another.
    assert state(api) == before


@pytest.mark.parametrize(
    "killed",
    [
        ("start", "apply-0", "done"),
        ("start", "apply-1", "running"),
        ("reset", "restore", "running"),
        ("stop", "remove", "running"),
    ],
    ids="-".join,
)
def test_a_process_killed_in_the_middle_is_mended_by_the_next_command(
    killed: tuple[str, str, str], tasks: Tasks, api: Api, course_dir: Path, tmp_path: Path
) -> None:
    call, step, moment = killed
    cluster = tasks.handle
    begin = tasks.start(ID) if call != "start" else None
    before = state(api) if begin else ""
    if begin:
        do(cluster, "-n", SPACE, "delete", "deployment,configmap", "--all")
    store = tmp_path / "attempts.db"
    words = [sys.executable, "-c", KILLED, cluster.name, str(course_dir), str(store), call, step, moment]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    if call == "stop":
        tasks.stop(ID)
        assert not space(cluster)
        return
    attempt = tasks.start(ID)
    assert tasks.differences(ID) == []
    if begin:
        assert state(api) == before
        assert attempt.started == begin.started


def test_two_processes_do_not_work_on_one_task_at_once(
    tasks: Tasks, cluster: ClusterHandle, course_dir: Path, tmp_path: Path
) -> None:
    code = KILLED.replace("os.kill(os.getpid(), signal.SIGKILL)", "print('in', flush=True); sys.stdin.readline()")
    words = [
        sys.executable,
        "-c",
        code,
        cluster.name,
        str(course_dir),
        str(tmp_path / "attempts.db"),
        "start",
        "apply-0",
        "running",
    ]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with pytest.raises(UsageError, match="another `labs`"):
            tasks.start(ID)
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.wait() == 0
    assert tasks.current(ID) is not None


def test_what_is_not_ours_is_refused_and_not_touched(cluster: ClusterHandle, course: Course, tmp_path: Path) -> None:
    store = tmp_path / "attempts.db"
    with pytest.raises(NotOursError, match="another id"):
        Tasks(replace(cluster, id="somebody-else"), course=course, store=store).start(ID)
    assert not space(cluster)
    do(cluster, "create", "namespace", SPACE)
    try:
        with pytest.raises(NotOursError, match=SPACE):
            Tasks(cluster, course=course, store=store).start(ID)
        assert space(cluster)
    finally:
        do(cluster, "delete", "namespace", SPACE)


def test_a_refused_object_is_named_and_nothing_is_left(cluster: ClusterHandle, course: Course, tmp_path: Path) -> None:
    (scenario,) = course.scenarios
    folder = tmp_path / "bad"
    (folder / "base").mkdir(parents=True)
    text = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 99999}]}\n"
    (folder / "base" / "x.yaml").write_text(text)
    bad = scenario.model_copy(update={"folder": folder, "file": scenario.file.model_copy(update={"faults": ()})})
    chapter = course.chapters[0].model_copy(update={"scenarios": (bad,)})
    tasks = Tasks(cluster, course=Course(chapters=(chapter,)), store=tmp_path / "a.db")
    with pytest.raises(ClusterError) as raised:
        tasks.start(ID)
    assert raised.value.where == f"Service {SPACE}/web"
    assert "99999" in raised.value.message
    assert not space(cluster)


def test_a_dead_api_server_is_a_clear_error(cluster: ClusterHandle, course: Course, tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    text = cluster.kubeconfig.read_text()
    server = next(line for line in text.splitlines() if "server:" in line)
    config.write_text(text.replace(server.split("server:")[1].strip(), "https://127.0.0.1:1"))
    begin = time.monotonic()
    with pytest.raises(ClusterError, match="does not answer"):
        Tasks(replace(cluster, kubeconfig=config), course=course, store=tmp_path / "a.db").start(ID)
    assert time.monotonic() - begin < 30


def test_the_live_hint_looks_at_the_cluster(tasks: Tasks) -> None:
    tasks.start(ID)
    assert [tasks.hint(ID)[0] for _ in range(4)] == ["concept", "field", "live", "live"]
    level, text = tasks.hint(ID)
    assert (level, text.splitlines()[0]) == ("live", "Now.")
    assert "The settings say right" in text
    assert "observed" in text


def test_a_failing_step_of_a_fix_tells_what_kubectl_said(tasks: Tasks) -> None:
    tasks.start(ID)
    fix = tasks.scenario(ID).solution
    step = fix.file.steps[0].model_copy(update={"kubectl": ("-n", SPACE, "get", "configmap", "nothing")})
    broken = fix.model_copy(update={"file": fix.file.model_copy(update={"steps": (step,)})})
    with pytest.raises(ClusterError, match=r'configmaps "nothing" not found'):
        tasks.apply_fix(ID, broken)


def test_the_sample_is_proved_by_the_gate(tasks: Tasks) -> None:
    events: list[Any] = []
    report = prove(tasks, [ID], emit=events.append)
    failed = [(t.id, t.detail) for t in report.proofs[0].trials if not t.ok]
    assert failed == []
    assert report.proved
    assert {"start", "check", "reset", "stop"} <= set(report.proofs[0].seconds)
    assert len(events) > 20
