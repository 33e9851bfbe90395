"""An empty volume is mounted over files the image brings (F34): the model is gone from where the server looks."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import crashing
from labs.inject.faults._target import Workload

NUMBER = 34
SYMPTOM = "the model is not found, CrashLoopBackOff"
SEEN = crashing()


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        path: Where the volume is mounted.
        volume: Its name.
    """

    path: str
    volume: str = "cache"


def transform(manifests: list[Json], params: Params) -> None:
    """Add the volume and its mount in place."""
    volumes = params.pod_spec(manifests).setdefault("volumes", [])
    if all(v["name"] != params.volume for v in volumes):
        volumes.append({"name": params.volume, "emptyDir": {}})
    mounts = params.container_of(manifests).setdefault("volumeMounts", [])
    if all(m["mountPath"] != params.path for m in mounts):
        mounts.append({"name": params.volume, "mountPath": params.path})
