"""Helpers of the tests on a real cluster: the learner's own `kubectl`, patience, and pods."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from labs.providers.base import DEFAULT_PROFILE, ClusterHandle
from labs.providers.engine import components
from labs.providers.engine.provider import EngineProvider

T = TypeVar("T")


@contextmanager
def lent(provider: EngineProvider, variable: str, name: str, profile: str = DEFAULT_PROFILE) -> Iterator[ClusterHandle]:
    """Yield the cluster that an environment variable names, or one that lasts as long as it is needed."""
    running = os.environ.get(variable)
    if running:
        yield provider.handle(running)
        return
    try:
        yield provider.up(name, profile=profile)
    finally:
        provider.down(name)


class Kubectl:
    """The learner's own tool, against one namespace."""

    def __init__(self, handle: ClusterHandle, namespace: str = "default") -> None:
        self.handle = handle
        self.namespace = namespace
        self.binary = str(components.ensure(names=["kubectl"])["kubectl"])

    def argv(self, *args: str) -> list[str]:
        return [self.binary, f"--kubeconfig={self.handle.kubeconfig}", f"--namespace={self.namespace}", *args]

    def run(self, *args: str, stdin: str | None = None, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*args), input=stdin, capture_output=True, text=True, timeout=seconds, check=False
        )

    def __call__(self, *args: str, stdin: str | None = None, seconds: float = 60) -> str:
        done = self.run(*args, stdin=stdin, seconds=seconds)
        assert done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done.stdout

    def get(self, *args: str) -> Any:
        return json.loads(self("get", *args, "-o", "json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        self("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def wait(self, what: str, condition: str, seconds: int = 60) -> None:
        self("wait", what, f"--for={condition}", f"--timeout={seconds}s", seconds=seconds + 10)


def eventually(look: Callable[[], T], seconds: float = 30) -> T:
    """Return the first true thing that `look` returns."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s; last seen: {found!r}"
        time.sleep(0.2)


def pod(name: str, image: str, command: list[str], **container: Any) -> dict[str, Any]:
    """A pod of one container; `spec` of the pod itself goes in as `pod_spec`."""
    spec = container.pop("pod_spec", {})
    labels = container.pop("labels", {"app": name})
    one = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": command, **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [one], "terminationGracePeriodSeconds": 1, **spec},
    }
