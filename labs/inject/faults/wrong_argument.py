"""A command-line argument has a wrong value (F31): the server ends with an error."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import crashing
from labs.inject.faults._target import Workload, set_argument

NUMBER = 31
SYMPTOM = "CrashLoopBackOff; the log says what is not found"
SEEN = crashing()


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        argument: The argument, as `--model-path`; it is added to `args` where the command line does not have it.
        value: The wrong value.
    """

    argument: str
    value: str


def transform(manifests: list[Json], params: Params) -> None:
    """Change the argument in place, as `--a value` or `--a=value`, or add it."""
    container = params.container_of(manifests)
    if not set_argument(container, params.argument, params.value):
        container.setdefault("args", []).append(f"{params.argument}={params.value}")
