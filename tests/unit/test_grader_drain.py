"""How a drain goes from pod to pod: whose pods, what a budget holds back for a moment, and what it holds for good."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from grader import acts
from grader.api import Reply
from grader.errors import Refused
from grader.model import Action, Objects

Json = dict[str, Any]
PODS = Objects(kind="Pod", namespace="serving", selector="app=a")
TOO_MANY = 429


class Api:
    """Answers evictions as told; remembers what was asked."""

    def __init__(self, evict: Callable[[str, int], int]) -> None:
        self.evict = evict
        self.asked: list[str] = []
        self.cordons: list[Any] = []

    def request(self, method: str, path: str, *, body: Json | None = None, **_: Any) -> Reply:
        found = re.search(r"/pods/([^/]+)/eviction", path)
        if found:
            tries = self.asked.count(found[1])
            self.asked.append(found[1])
            status = self.evict(found[1], tries)
            return Reply(status, {"message": "Cannot evict pod"} if status == TOO_MANY else {})
        if method == "PATCH":
            self.cordons.append((body or {})["spec"]["unschedulable"])
        return Reply(200, {"metadata": {"name": path.rpartition("/")[2]}, "spec": {}})


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "_path", lambda _api, of, obj: f"/api/v1/{of.kind}/{obj['metadata']['name']}")
    monkeypatch.setattr(acts, "AGAIN", 0.01)
    monkeypatch.setattr(acts, "PATIENCE", 0.2)


def pod(name: str, node: str, namespace: str = "serving") -> Json:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"nodeName": node}}


def drain(api: Api, of: Objects, objects: list[Json], pods: list[Json]) -> Any:
    return acts.act(api, Action.model_validate({"drain": of.model_dump()}), of, objects, lambda: pods)  # type: ignore[arg-type]


def test_pods_name_their_node_and_only_their_namespace_moves() -> None:
    api = Api(lambda *_: 201)
    mine = [pod("a-1", "one"), pod("a-2", "two")]
    acted = drain(api, PODS, mine, [*mine, pod("b-1", "one"), pod("foreign", "one", "other")])
    assert acted.words == "draining Node one"
    assert api.asked == ["a-1", "b-1"]
    acted.undo()
    assert api.cordons == [True, None]


def test_what_a_budget_holds_back_is_tried_again_while_others_move() -> None:
    api = Api(lambda name, tries: TOO_MANY if name == "a-2" and tries < 2 else 201)
    mine = [pod("a-1", "one"), pod("a-2", "one")]
    drain(api, PODS, mine, mine)
    assert api.asked == ["a-1", "a-2", "a-2", "a-2"]


@pytest.mark.parametrize(("stuck", "least", "most"), [({"a-1", "a-2"}, 2, 2), ({"a-2"}, 4, 60)])
def test_a_budget_without_room_refuses_at_once_or_after_the_deadline(stuck: set[str], least: int, most: int) -> None:
    api = Api(lambda name, _: TOO_MANY if name in stuck else 201)
    mine = [pod("a-1", "one"), pod("a-2", "one")]
    with pytest.raises(Refused, match=r"Node one cannot be drained: .*a-\d: Cannot evict pod"):
        drain(api, PODS, mine, mine)
    assert least <= len(api.asked) <= most
    assert api.cordons == [True, None]


def test_a_cordon_of_a_killed_grader_is_taken_back_and_one_of_people_is_not() -> None:
    api = Api(lambda *_: 201)
    left: Json = {"metadata": {"name": "one", "annotations": {acts.MARK: "serving"}}, "spec": {"unschedulable": True}}
    theirs: Json = {"metadata": {"name": "two"}, "spec": {"unschedulable": True}}
    nodes = Objects(kind="Node")
    drain(api, nodes, [left, theirs], []).undo()
    assert api.cordons == [True, None]


def test_pods_without_a_node_drain_nothing() -> None:
    with pytest.raises(Refused, match="is on no node"):
        drain(Api(lambda *_: 201), PODS, [{"metadata": {"name": "a"}, "spec": {}}], [])
