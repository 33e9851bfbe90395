"""A manifest asks for a GPU in `requests` only (F69): the API server refuses it.

A fault over files of the learner's workspace, as no cluster would take such a workload.
"""

from __future__ import annotations

from grader.model import Spec
from labs.errors import DataError
from labs.inject.faults._gpu import GPU
from labs.inject.faults._text import put, text_of, workloads

NUMBER = 69
SYMPTOM = "apply is refused: limit must be set for non overcommitable resources"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        file: The manifest with the workload.
        resource: The resource.
    """

    file: str
    resource: str = GPU


def edit(files: dict[str, str], params: Params) -> None:
    """Move the resource from the limits to the requests, in place."""
    text = text_of(files, params.file)
    there = False
    for number, value in workloads(text):
        for index, container in enumerate(value["spec"]["template"]["spec"]["containers"]):
            resources = container.get("resources") or {}
            limits, requests = dict(resources.get("limits") or {}), dict(resources.get("requests") or {})
            there |= params.resource in {*limits, *requests}
            if params.resource not in limits:
                continue
            requests[params.resource] = limits.pop(params.resource)
            changed = {**resources, "requests": requests, "limits": limits}
            place = (number, "spec", "template", "spec", "containers", index, "resources")
            text = put(text, place, {k: v for k, v in changed.items() if v})
    if not there:
        raise DataError(f"no container in `{params.file}` asks for `{params.resource}`")
    files[params.file] = text
