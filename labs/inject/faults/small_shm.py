"""The shared memory is too small for workers that pass tensors through it (F42)."""

from __future__ import annotations

from grader.model import Json
from labs.errors import DataError
from labs.inject.faults._target import Workload

NUMBER = 42
SYMPTOM = "bus error, or `No space left on device` below /dev/shm"


_PATH = "/dev/shm"  # noqa: S108 - a path inside the container


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        size: Limit of the volume; empty: there is no volume, and the runtime's 64 MiB count.
        volume: Name of the volume that is made where nothing is mounted there.
    """

    size: str = "1Mi"
    volume: str = "shm"


def transform(manifests: list[Json], params: Params) -> None:
    """Shrink the volume in place, add it, or take its mount away."""
    container, spec = params.container_of(manifests), params.pod_spec(manifests)
    mounts = container.get("volumeMounts", [])
    mounted = next((m["name"] for m in mounts if m["mountPath"] == _PATH), "")
    if not params.size:
        if mounted:
            container["volumeMounts"] = [m for m in mounts if m["mountPath"] != _PATH]
        return
    volumes = spec.setdefault("volumes", [])
    volume = next((v for v in volumes if v["name"] == (mounted or params.volume)), None)
    if volume is None:
        volume = {"name": params.volume}
        volumes.append(volume)
    if "emptyDir" not in volume and len(volume) > 1:
        raise DataError(f"volume `{volume['name']}` at {_PATH} is no emptyDir")
    volume["emptyDir"] = {"medium": "Memory", "sizeLimit": params.size}
    if not mounted:
        container.setdefault("volumeMounts", []).append({"name": params.volume, "mountPath": _PATH})
