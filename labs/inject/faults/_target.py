"""What the faults share: finding the object they break among the manifests. No fault of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import model_validator

from grader.model import Json, Spec
from labs.errors import DataError

RESTRICTED: Json = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""A container's securityContext that the `restricted` standard admits."""


class Workload(Spec):
    """Which workload a fault breaks; exactly one kind is given.

    Attributes:
        deployment: Name of a Deployment.
        statefulset: Name of a StatefulSet.
        job: Name of a Job.
        pod: Name of a Pod.
        namespace: Its namespace, where the name alone does not say.
        container: Name of the container; default: the first.
    """

    deployment: str = ""
    statefulset: str = ""
    job: str = ""
    pod: str = ""
    namespace: str = ""
    container: str = ""

    @model_validator(mode="after")
    def _one(self) -> Workload:
        if sum(map(bool, (self.deployment, self.statefulset, self.job, self.pod))) != 1:
            raise ValueError("give exactly one of deployment, statefulset, job, pod")
        return self

    def find(self, manifests: list[Json]) -> Json:
        """Return the workload's manifest."""
        kinds = {"Deployment": self.deployment, "StatefulSet": self.statefulset, "Job": self.job, "Pod": self.pod}
        kind, name = next((k, n) for k, n in kinds.items() if n)
        return find(manifests, kind, name, self.namespace)

    def pod_spec(self, manifests: list[Json]) -> Json:
        """Return the spec of the workload's pods."""
        found = self.find(manifests)
        spec: Json = found["spec"] if found["kind"] == "Pod" else found["spec"]["template"]["spec"]
        return spec

    def template(self, manifests: list[Json]) -> Json:
        """Return what carries the labels, annotations and spec of the workload's pods."""
        found = self.find(manifests)
        template: Json = found if found["kind"] == "Pod" else found["spec"]["template"]
        return template

    def space(self, manifests: list[Json]) -> str:
        """Return the workload's namespace."""
        return str(self.find(manifests)["metadata"].get("namespace", ""))

    def container_of(self, manifests: list[Json]) -> Json:
        """Return the container."""
        containers: list[Json] = self.pod_spec(manifests)["containers"]
        for container in containers:
            if self.container in {"", container["name"]}:
                return container
        raise DataError(f"no container `{self.container}` in the workload", hint=_known(containers, "name"))


class ServiceOf(Spec):
    """Which Service a fault breaks.

    Attributes:
        service: Name of the Service.
        namespace: Its namespace, where the name alone does not say.
    """

    service: str
    namespace: str = ""

    def find(self, manifests: list[Json]) -> Json:
        """Return the Service's manifest."""
        return find(manifests, "Service", self.service, self.namespace)


class ServicePort(ServiceOf):
    """Which port of a Service a fault breaks.

    Attributes:
        port: Service port that is broken; default: all of them.
    """

    port: int | None = None

    def send_to(self, manifests: list[Json], target: int | str) -> None:
        """Change the target port in place.

        Raises:
            DataError: The Service has no such port.
        """
        ports = [p for p in self.find(manifests)["spec"].get("ports", []) if self.port in {None, p["port"]}]
        if not ports:
            raise DataError(f"Service `{self.service}` has no port {self.port}")
        for port in ports:
            port["targetPort"] = target


def find(manifests: list[Json], kind: str, name: str, namespace: str = "") -> Json:
    """Return the manifest of that kind and name.

    Raises:
        DataError: There is none; the hint names what there is.
    """
    of_kind = [m for m in manifests if m["kind"] == kind]
    for manifest in of_kind:
        meta = manifest["metadata"]
        if meta["name"] == name and namespace in {"", meta.get("namespace", "")}:
            return manifest
    raise DataError(f"the fault finds no {kind} `{name}`", hint=_known([m["metadata"] for m in of_kind], "name"))


def existing(manifests: list[Json], kind: str, name: str, namespace: str | None) -> Json | None:
    """Return the manifest of exactly that kind, name and namespace, None where there is none."""
    for manifest in manifests:
        meta = manifest["metadata"]
        if (manifest["kind"], meta["name"], meta.get("namespace")) == (kind, name, namespace):
            return manifest
    return None


def add(manifests: list[Json], obj: Json) -> None:
    """Add an object.

    Raises:
        DataError: Another one is called that already.
    """
    meta = obj["metadata"]
    other = existing(manifests, obj["kind"], meta["name"], meta.get("namespace"))
    if other is None:
        manifests.append(obj)
    elif other != obj:
        raise DataError(f"there is a {obj['kind']} `{meta['name']}` already", hint="give the fault's a `name`")


def words(container: Json) -> Iterator[tuple[list[str], int]]:
    """Yield where the words of the container's command line stand: the list and the index."""
    for key in ("command", "args"):
        line: list[str] = container.get(key) or []
        for index in range(len(line)):
            yield line, index


def set_argument(container: Json, argument: str, value: str) -> bool:
    """Change the value of a command-line argument in place; return whether it was there."""
    for line, index in words(container):
        if line[index].startswith(f"{argument}="):
            line[index] = f"{argument}={value}"
            return True
        if line[index] == argument and index + 1 < len(line):
            line[index + 1] = value
            return True
    return False


def readiness(container: Json) -> Json:
    """Return the container's readiness probe.

    Raises:
        DataError: It has none.
    """
    probe: Json | None = container.get("readinessProbe")
    if probe is None:
        raise DataError(f"container `{container['name']}` has no readinessProbe")
    return probe


def set_env(container: Json, name: str, value: str) -> None:
    """Set an environment variable of a container in place, at its old position if it had one."""
    env: list[Json] = container.setdefault("env", [])
    for entry in env:
        if entry["name"] == name:
            entry.pop("valueFrom", None)
            entry["value"] = value
            return
    env.append({"name": name, "value": value})


def _known(items: list[Any], key: str) -> str:
    names = sorted(str(item.get(key)) for item in items)
    return f"there is {', '.join(names)}" if names else "there is none of that kind"
