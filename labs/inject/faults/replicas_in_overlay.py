"""The number of replicas is written down where an autoscaler decides it (F67): every delivery sets it back.

A fault over files of the learner's workspace.
"""

from __future__ import annotations

from grader.model import Spec
from labs.errors import DataError
from labs.inject.faults._text import documents, flow, insert, put, text_of, workloads

NUMBER = 67
SYMPTOM = "after each delivery the number of replicas jumps back"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        file: A kustomization, or a manifest with the workload.
        name: Name of the workload.
        count: Replicas.
    """

    file: str
    name: str
    count: int = 1


def edit(files: dict[str, str], params: Params) -> None:
    """Write the number down in place."""
    text = text_of(files, params.file)
    for number, value in workloads(text):
        if value["metadata"]["name"] == params.name:
            files[params.file] = (
                put(text, (number, "spec", "replicas"), params.count)
                if "replicas" in value["spec"]
                else insert(text, (number, "spec"), "replicas", params.count)
            )
            return
    value = documents(text)[0] or {}
    if not {"resources", "patches"} & set(value):
        raise DataError(f"`{params.file}` is no kustomization and has no workload `{params.name}`")
    entry = {"name": params.name, "count": params.count}
    listed = [entry for entry in value.get("replicas") or [] if entry["name"] != params.name]
    if "replicas" in value:
        files[params.file] = put(text, (0, "replicas"), [*listed, entry])
    else:
        files[params.file] = f"{text.rstrip()}\nreplicas: {flow([entry])}\n"
