"""What a reset and a stop take back outside the task's namespaces; all else of them is tested on a real cluster."""

from __future__ import annotations

from grader.acts import MARK
from grader.model import Json
from labs.inject.restore import free_nodes


class Nodes:
    """An API server with three nodes; remembers what was patched."""

    def __init__(self) -> None:
        self.patched: list[tuple[str, Json]] = []

    def resource(self, *_: str) -> str:
        return "nodes"

    def items(self, *_: str) -> list[Json]:
        marks = {"ours": {MARK: "shop"}, "anothers": {MARK: "forecast"}, "of-people": {}}
        return [{"metadata": {"name": name, "annotations": mark}} for name, mark in marks.items()]

    def merge(self, obj: Json, change: Json) -> None:
        self.patched.append((obj["metadata"]["name"], change))


def test_only_cordons_of_this_tasks_drains_are_taken_back() -> None:
    api = Nodes()
    free_nodes(api, ["shop"])  # type: ignore[arg-type]
    assert api.patched == [("ours", {"metadata": {"annotations": {MARK: None}}, "spec": {"unschedulable": None}})]
