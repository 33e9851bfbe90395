"""GPU resources of containers, for the faults that break them; no fault of its own."""

from __future__ import annotations

from grader.model import Json
from labs.errors import DataError

GPU = "nvidia.com/gpu"


def rename(container: Json, resource: str, wrong: str) -> None:
    """Ask for `wrong` in place of `resource`, as many of it, in place.

    Raises:
        DataError: The container asks for neither.
    """
    resources = container.get("resources", {})
    parts = [resources[part] for part in ("requests", "limits") if part in resources]
    if not any({resource, wrong} & set(part) for part in parts):
        raise DataError(f"container `{container['name']}` asks for no `{resource}`")
    for part in parts:
        if resource in part:
            part[wrong] = part.pop(resource)
