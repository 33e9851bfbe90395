"""The server listens on 127.0.0.1 inside its pod: it runs, and nobody outside reaches it."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import unready
from labs.inject.faults._target import Workload, set_env

NUMBER = 0
SYMPTOM = "connection refused from outside the pod; port-forward works"
SEEN = unready()


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        env: Environment variable that holds the address; not used where the container has the argument.
        argument: Command-line argument that holds the address, as `--host 0.0.0.0` or `--host=0.0.0.0`.
        address: The address the server binds.
    """

    env: str = "HOST"
    argument: str = "--host"
    address: str = "127.0.0.1"


def transform(manifests: list[Json], params: Params) -> None:
    """Change the argument if it is there, else the environment, in place."""
    container = params.container_of(manifests)
    for key in ("command", "args"):
        words: list[str] = container.get(key, [])
        for index, word in enumerate(words):
            if word.startswith(f"{params.argument}="):
                words[index] = f"{params.argument}={params.address}"
                return
            if word == params.argument and index + 1 < len(words):
                words[index + 1] = params.address
                return
    set_env(container, params.env, params.address)
