"""The provider `kind`: a real kind cluster on Docker or Podman, with our images loaded, our mark and our prober.

For macOS and Windows, and for Linux without root. It touches no kind cluster that it did not make: ours are called
`labs-NAME` and have a record in the state folder. Programs are run through a `Runner`, so that a test scripts them all.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from grader.capabilities import Capabilities
from labs import paths, tools
from labs.errors import ClusterError, EngineError, LabsError, MachineError, TakenError, UsageError
from labs.events import Listener, Notice, Progress, State, Step, silent
from labs.providers.base import (
    DEFAULT_NAME,
    DEFAULT_PROFILE,
    OWNER_CONFIGMAP,
    OWNER_NAMESPACE,
    ClusterHandle,
    ClusterStatus,
    Finding,
    Phase,
)
from labs.providers.commands import Completed, Runner, System
from labs.providers.kind_files import Images, addons, config, on_demand, our_images
from labs.providers.profile import NamedProfile, load_profile

PREFIX = "labs-"
PROBE_SECONDS = 8.0
LONGEST_SECONDS = 600.0
CREATE_EXPECTED = 60.0
READY_SECONDS = 180
RUNTIMES = ("docker", "podman")
_NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")
INSTALL = "https://kind.sigs.k8s.io, or: go install sigs.k8s.io/kind@v0.33.0"


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of a cluster between commands.

    Attributes:
        name: Its name.
        id: Random id, also in the cluster's ConfigMap.
        profile: Topology.
        runtime: `docker` or `podman`.
        nodes: Number of nodes that take workloads.
        ready: Whether it came up once.
    """

    name: str
    id: str
    profile: str
    runtime: str
    nodes: int
    ready: bool = False


class KindProvider:
    """Clusters made by kind.

    Args:
        runner: Runs kind, docker and kubectl.
        images: Gives the lab's images; default: those of `labs.images`.
        kubectl: The program; default: the engine's, else the one on PATH.
    """

    name = "kind"

    def __init__(
        self,
        *,
        runner: Runner | None = None,
        images: Callable[[Listener], Images] | None = None,
        kubectl: str = "",
    ) -> None:
        self._run = runner or System()
        self._images = images or our_images
        self._kubectl_program = kubectl

    def probe(self) -> list[Finding]:
        """Look for kind and for a container runtime that answers."""
        return [self._probe_kind(), self._probe_runtime()]

    def _probe_kind(self) -> Finding:
        try:
            said = self._run(["kind", "version"], seconds=PROBE_SECONDS)
        except MachineError as error:
            return Finding("kind", "The program kind", ok=False, observed=error.message, hint=f"install it: {INSTALL}")
        fine = said.code == 0
        return Finding("kind", "The program kind", ok=fine, observed=said.out.strip() or said.last_words)

    def _probe_runtime(self) -> Finding:
        reasons = []
        for runtime in RUNTIMES:
            try:
                said = self._ask_runtime(runtime)
            except MachineError as error:
                reasons.append(error.message)
                continue
            if said.code == 0:
                return Finding("runtime", "A container runtime", ok=True, observed=f"{runtime} {said.out.strip()}")
            reasons.append(f"{runtime}: {said.last_words}")
        hint = "start Docker or Podman, or install one of them"
        return Finding("runtime", "A container runtime", ok=False, observed="; ".join(reasons), hint=hint)

    def _ask_runtime(self, runtime: str) -> Completed:
        field = "{{.ServerVersion}}" if runtime == "docker" else "{{.Version.Version}}"
        return self._run([runtime, "info", "--format", field], seconds=PROBE_SECONDS)

    def up(self, name: str = DEFAULT_NAME, *, profile: str = DEFAULT_PROFILE, emit: Listener = silent) -> ClusterHandle:
        """Bring the cluster up, repair it, or find that it runs already."""
        if not _NAME.match(name):
            raise UsageError(
                f"`{name}` cannot be a cluster's name", hint="lower-case letters, digits and dashes, at most 32"
            )
        topology = load_profile(profile)
        if any(node.gpus for node in topology.nodes):
            hint = f"labs up --provider engine --profile {profile}"
            raise UsageError(f"profile {profile!r} has simulated GPUs, which kind's nodes do not have yet", hint=hint)
        runtime = self._runtime(emit)
        existing = PREFIX + name in self._kind_clusters(runtime)
        record = _load(name)
        if existing and record is None:
            raise TakenError(
                f"there is a kind cluster {PREFIX}{name} that this lab did not make",
                hint=f"take another name: labs up --cluster {name}-2",
            )
        if existing and record is not None and record.ready:
            self._start_nodes(record, emit)
        else:
            if existing:
                emit(Notice(f"an earlier start of {name} was interrupted; it begins again"))
                self._delete(name, runtime)
            record = self._create(name, topology, runtime, emit)
        self._await_ready(record, emit)
        return _handle(record)

    def _runtime(self, emit: Listener) -> str:
        wrong = [finding for finding in self.probe() if finding.ok is False]
        if wrong:
            raise MachineError(f"{wrong[0].title}: {wrong[0].observed}", hint=wrong[0].hint)
        for runtime in RUNTIMES:
            try:
                if self._ask_runtime(runtime).code == 0:
                    emit(Step("runtime", "Container runtime", State.DONE, runtime))
                    return runtime
            except MachineError:
                continue
        raise MachineError("neither Docker nor Podman answers", hint="start one of them")

    def _kind(self, runtime: str, *argv: str, seconds: float = 60.0) -> Completed:
        return self._run(["kind", *argv], env=_env(runtime), seconds=seconds)

    def _kind_clusters(self, runtime: str) -> list[str]:
        return self._kind(runtime, "get", "clusters").out.split()

    def _create(self, name: str, topology: NamedProfile, runtime: str, emit: Listener) -> Record:
        images = self._images(emit)
        record = Record(name, secrets.token_hex(8), topology.name, runtime, len(topology.nodes))
        _save(record)
        file = _folder(name) / "kind.yaml"
        file.write_text(config(PREFIX + name, topology, os.environ.get("LABS_KIND_NODE_IMAGE", "")), encoding="utf-8")
        argv = ["kind", "create", "cluster", "--name", PREFIX + name, "--config", str(file)]
        argv += ["--kubeconfig", str(_kubeconfig(name)), "--wait", "0s"]
        self._step(emit, f"Creating {len(topology.nodes) + 1} kind nodes", argv, env=_env(runtime))
        _kubeconfig(name).chmod(0o600)
        self._load(record, images, emit)
        self._mark(record, images, emit)
        ready = replace(record, ready=True)
        _save(ready)
        return ready

    def _load(self, record: Record, images: Images, emit: Listener) -> None:
        for archive in images.archives:
            argv = ["kind", "load", "image-archive", str(archive), "--name", PREFIX + record.name]
            self._step(emit, f"Loading {archive.stem} into the nodes", argv, env=_env(record.runtime))

    def _mark(self, record: Record, images: Images, emit: Listener) -> None:
        text = yaml.safe_dump_all(addons(record.id, record.name, images.names), sort_keys=False)
        argv = self._kubectl(record.name, "apply", "--server-side", "--force-conflicts", "-f", "-")
        self._step(emit, "Our mark, metrics and the prober", argv, text=text)

    def _await_ready(self, record: Record, emit: Listener) -> None:
        limit = f"--timeout={READY_SECONDS}s"
        waits = {
            "Nodes are Ready": ("wait", "--for=condition=Ready", "node", "--all", limit),
            "CoreDNS serves": ("-n", "kube-system", "rollout", "status", "deployment/coredns", limit),
            "The prober runs": ("-n", OWNER_NAMESPACE, "rollout", "status", "daemonset/lab-prober", limit),
        }
        for title, argv in waits.items():
            self._step(emit, title, self._kubectl(record.name, *argv), detail=f"waiting ≤ {READY_SECONDS} s")

    def _start_nodes(self, record: Record, emit: Listener) -> None:
        """Start the containers of a cluster that was stopped with its machine."""
        nodes = self._kind(record.runtime, "get", "nodes", "--name", PREFIX + record.name).out.split()
        if nodes:
            self._step(emit, f"Starting {len(nodes)} kind nodes", [record.runtime, "start", *nodes])

    def _step(
        self,
        emit: Listener,
        title: str,
        argv: list[str],
        *,
        text: str = "",
        env: dict[str, str] | None = None,
        detail: str = "",
    ) -> None:
        """Run one program as one step; its last words are the reason when it fails."""
        began = time.monotonic()
        emit(Step(title, title, State.RUNNING, detail))

        def progress(elapsed: float) -> None:
            emit(Progress(title, elapsed, None, "seconds", elapsed, CREATE_EXPECTED))

        said = self._run(argv, text=text, env=env, seconds=LONGEST_SECONDS, progress=progress)
        seconds = time.monotonic() - began
        if said.code != 0:
            emit(Step(title, title, State.FAILED, said.last_words, seconds))
            raise EngineError(f"{title}: {said.last_words}", hint="labs down, then labs up, begins from nothing")
        emit(Step(title, title, State.DONE, "", seconds))

    def _kubectl(self, name: str, *argv: str) -> list[str]:
        program = self._kubectl_program or str(tools.kubectl())
        return [program, "--kubeconfig", str(_kubeconfig(name)), *argv]

    def _delete(self, name: str, runtime: str) -> None:
        argv = ("delete", "cluster", "--name", PREFIX + name, "--kubeconfig", str(_kubeconfig(name)))
        said = self._kind(runtime, *argv, seconds=LONGEST_SECONDS)
        if said.code != 0:
            raise EngineError(f"kind could not delete {PREFIX}{name}: {said.last_words}", hint="is the runtime up?")

    def down(self, name: str = DEFAULT_NAME, *, emit: Listener = silent) -> None:
        """Delete the cluster, if it is ours, and what we kept of it."""
        record = _load(name)
        if record is None:
            emit(Step("delete", f"Cluster {name}", State.SKIPPED, "there is none"))
            return
        emit(Step("delete", f"Deleting cluster {name}", State.RUNNING))
        if PREFIX + name in self._kind_clusters(record.runtime):
            self._delete(name, record.runtime)
        shutil.rmtree(_folder(name), ignore_errors=True)
        emit(Step("delete", f"Deleting cluster {name}", State.DONE))

    def reset(self, name: str = DEFAULT_NAME, *, emit: Listener = silent) -> ClusterHandle:
        """Delete the cluster and make it again from the same profile."""
        record = _load(name)
        if record is None:
            raise _none(name)
        self.down(name, emit=emit)
        return self.up(name, profile=record.profile, emit=emit)

    def status(self, name: str = DEFAULT_NAME) -> ClusterStatus:
        """Ask the cluster for its nodes, and the runtime where it does not answer."""
        record = _load(name)
        if record is None:
            return ClusterStatus(name, self.name, Phase.ABSENT)
        if not record.ready:
            return ClusterStatus(
                name, self.name, Phase.STARTING, record.profile, detail="it never came up; run labs up"
            )
        nodes = self._nodes(name)
        if nodes is None:
            return ClusterStatus(
                name, self.name, Phase.STOPPED, record.profile, detail="its API server does not answer"
            )
        fine = all(state == "Ready" for state in nodes.values())
        return ClusterStatus(name, self.name, Phase.READY if fine else Phase.DEGRADED, record.profile, nodes)

    def _nodes(self, name: str) -> dict[str, str] | None:
        argv = self._kubectl(name, "get", "nodes", "-o", "json", "--request-timeout=5s")
        try:
            said = self._run(argv, seconds=PROBE_SECONDS)
            items = json.loads(said.out)["items"] if said.code == 0 else None
        except (LabsError, ValueError, KeyError):
            return None
        if items is None:
            return None
        return {item["metadata"]["name"]: _readiness(item) for item in items}

    def handle(self, name: str = DEFAULT_NAME) -> ClusterHandle:
        """Return the handle of a cluster that carries our id."""
        record = _load(name)
        if record is None or not record.ready:
            raise _none(name)
        path = "jsonpath={.data.id}"
        argv = self._kubectl(name, "-n", OWNER_NAMESPACE, "get", "configmap", OWNER_CONFIGMAP, "-o", path)
        said = self._run(argv, seconds=PROBE_SECONDS)
        if said.code != 0:
            raise ClusterError(f"cluster {name} does not answer: {said.last_words}", hint="labs up starts it again")
        if said.out.strip() != record.id:
            raise TakenError(f"cluster {PREFIX}{name} carries another lab's mark", hint="labs down forgets it")
        return _handle(record)

    def names(self) -> list[str]:
        """Return the clusters that have a record."""
        folder = _root()
        return sorted(path.name for path in folder.iterdir() if _load(path.name)) if folder.is_dir() else []

    def refresh_images(self, name: str = DEFAULT_NAME, *, emit: Listener = silent) -> None:
        """Load today's images into the nodes."""
        record = _load(name)
        if record is None:
            raise _none(name)
        self._load(record, self._images(emit), emit)

    def kill_node(self, name: str, node: str) -> None:
        """Refuse: a node of kind cannot be switched off by us yet."""
        hint = "use a cluster of the embedded engine: labs up --provider engine"
        raise MachineError(f"node {node} of cluster {name} cannot be switched off: it is kind's", hint=hint)

    def start_node(self, name: str, node: str) -> None:
        """Do nothing: no node was ever switched off."""

    def lose_gpu(self, name: str, node: str) -> None:
        """Refuse: nodes of kind have no GPUs of ours yet."""
        hint = "use a cluster of the embedded engine: labs up --provider engine --profile two-cpu-one-gpu"
        raise MachineError(f"node {node} of cluster {name} has no simulated GPUs: it is kind's", hint=hint)

    def return_gpu(self, name: str, node: str) -> None:
        """Do nothing: no GPU was ever lost."""

    def provide_images(self, name: str, references: Collection[str], *, emit: Listener = silent) -> None:
        """Load those of the images that are made on demand into the nodes, once for each content."""
        record = _load(name)
        if record is None:
            raise _none(name)
        for archive in on_demand(references, emit):
            mark = _folder(name) / f"loaded-{archive.stem}"
            if not mark.exists():
                self._load(record, Images({}, (archive,)), emit)
                mark.touch()


def _readiness(node: dict[str, Any]) -> str:
    for condition in node.get("status", {}).get("conditions", []):
        if condition.get("type") == "Ready":
            ready = condition.get("status") == "True"
            return "Ready" if ready else str(condition.get("reason") or condition.get("message") or "NotReady")
    return "unknown"


def _none(name: str) -> ClusterError:
    return ClusterError(f"there is no running cluster {name}", hint="labs up --provider kind")


def _env(runtime: str) -> dict[str, str]:
    return {"KIND_EXPERIMENTAL_PROVIDER": runtime}


def _root() -> Path:
    return paths.state_dir() / "kind"


def _folder(name: str) -> Path:
    return _root() / name


def _kubeconfig(name: str) -> Path:
    return _folder(name) / "kubeconfig"


def _save(record: Record) -> None:
    folder = _folder(record.name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = folder / ".cluster.json"
    partial.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")
    partial.replace(folder / "cluster.json")


def _load(name: str) -> Record | None:
    try:
        return Record(**json.loads((_folder(name) / "cluster.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _handle(record: Record) -> ClusterHandle:
    able = Capabilities(nodes=record.nodes, real_kubelet=True, network_policy=True, metrics=True, storage=True)
    return ClusterHandle(record.name, "kind", record.id, _kubeconfig(record.name), able)
