"""An environment variable has a wrong value, or the right value under a wrong name (F7, F30)."""

from __future__ import annotations

from pydantic import model_validator

from grader.model import Json
from labs.errors import DataError
from labs.inject.faults._target import Workload, set_env

NUMBER = 30
SYMPTOM = "exit code 1, CrashLoopBackOff"


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        env: The variable.
        value: The wrong value; or
        rename: the wrong name.
    """

    env: str
    value: str | None = None
    rename: str = ""

    @model_validator(mode="after")
    def _either(self) -> Params:
        if (self.value is None) == (not self.rename):
            raise ValueError("give either `value` or `rename`")
        return self


def transform(manifests: list[Json], params: Params) -> None:
    """Change the variable in place."""
    container = params.container_of(manifests)
    if params.value is not None:
        set_env(container, params.env, params.value)
        return
    for entry in container.get("env", []):
        if entry["name"] == params.env:
            entry["name"] = params.rename
            return
    if any(entry["name"] == params.rename for entry in container.get("env", [])):
        return
    raise DataError(f"the container has no variable `{params.env}` to rename")
