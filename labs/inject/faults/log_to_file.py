"""The server writes its log into a file (F89): `kubectl logs` is empty."""

from __future__ import annotations

from pydantic import Field

from grader.model import Json
from labs.inject.faults._target import Workload

NUMBER = 89
SYMPTOM = "`kubectl logs` says nothing"


_SCRIPT = """\
import os, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
os.dup2(log, 1)
os.dup2(log, 2)
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        path: The file, in a folder that the server may write to.
        entrypoint: What the image runs, for a container that has no `command`.
    """

    path: str = "/tmp/server.log"  # noqa: S108 - a path inside the container
    entrypoint: tuple[str, ...] = Field(default=("python3", "-m", "model_server"), min_length=1)


def transform(manifests: list[Json], params: Params) -> None:
    """Put the redirection before the command, in place; the arguments stay."""
    container = params.container_of(manifests)
    command = container.get("command") or list(params.entrypoint)
    wrapper = ["python3", "-c", _SCRIPT]
    if command[: len(wrapper)] == wrapper:
        command = command[len(wrapper) + 1 :]
    container["command"] = [*wrapper, params.path, *command]
