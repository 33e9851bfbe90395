"""Faults that come while the learner works: what the pod that brings them is told and allowed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from grader.model import Json
from labs.course.load import load_course
from labs.course.models import Fault
from labs.errors import DataError
from labs.inject import manifests, timeline
from tests.unit.course_sample import spoiled, write_course

S = "3-services/no-answer/scenario.yaml"
USE = "- use: service_selector\n  with: {service: web, value: wbe}"


def stages(tmp_path: Path, faults: str) -> list[manifests.Stage]:
    (scenario,) = load_course(write_course(tmp_path, spoiled(S, USE, faults))).scenarios
    return manifests.stages(scenario)


def told(stage: manifests.Stage) -> list[Json]:
    (pod,) = (o for o in stage.objects if o["kind"] == "Pod")
    program: list[Json] = json.loads(pod["spec"]["containers"][0]["command"][-1])
    return program


def test_a_timed_fault_is_a_pod_that_may_do_just_that(tmp_path: Path) -> None:
    (stage,) = stages(tmp_path, f"{USE}\n  at: 2m\n- use: readiness_path\n  with: {{deployment: web}}\n  at: 20s")
    assert next(o for o in stage.objects if o["kind"] == "Service")["spec"]["selector"] == {"app": "web"}
    first, second = told(stage)
    assert (first["at"], second["at"]) == (20, 120)
    (change,) = first["changes"]
    assert (change["method"], change["path"]) == ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web")
    assert second["changes"] == [
        {
            "method": "PATCH",
            "path": "/api/v1/namespaces/shop/services/web",
            "body": {"spec": {"selector": {"app": "wbe"}}},
        }
    ]
    (role,) = (o for o in stage.objects if o["kind"] == "Role")
    assert role["rules"] == [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"], "resourceNames": ["web"]},
        {"apiGroups": [""], "resources": ["services"], "verbs": ["patch"], "resourceNames": ["web"]},
    ]


def test_objects_come_and_go_in_time(tmp_path: Path) -> None:
    added = "- use: default_deny\n  with: {namespace: shop}\n  at: 5s\n- apply: broken/\n  at: 9s"
    gone = "apiVersion: v1\nkind: Service\nmetadata: {name: web, annotations: {labs.io/absent: 'true'}}\n"
    change = spoiled(S, USE, added)
    root = write_course(tmp_path, {**change, "3-services/no-answer/broken/x.yaml": gone})
    (scenario,) = load_course(root).scenarios
    (stage,) = manifests.stages(scenario)
    (came,), (went,) = (step["changes"] for step in told(stage))
    assert (came["method"], came["body"]["kind"]) == ("POST", "NetworkPolicy")
    assert came["path"].startswith("/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies?")
    assert went == {"method": "DELETE", "path": "/api/v1/namespaces/shop/services/web", "body": None}
    assert timeline.due(scenario) == 9


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ("- use: cordoned_nodes\n  at: 5s", r"scenario.yaml:14: .* cannot come later"),
        ("- use: cordoned_nodes\n  when: ready", r"scenario.yaml:14: .* cannot come later"),
        ("- use: default_deny\n  with: {namespace: shop}\n  at: 4s", "cannot come at 4s"),
        ("- use: cluster_admin\n  with: {namespace: shop}\n  at: 5s", "which is in no namespace"),
    ],
)
def test_what_no_pod_of_the_task_could_do_is_refused(tmp_path: Path, faults: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        stages(tmp_path, faults)


def test_a_fault_comes_at_a_time_or_at_a_stage() -> None:
    with pytest.raises(ValueError, match="either `at` or `when`"):
        Fault(use="no_token", at="5s", when="ready")
    with pytest.raises(ValueError, match="pattern"):
        Fault(use="no_token", at="5 minutes")


def test_a_difference_leads_from_one_object_to_the_other() -> None:
    chance = random.Random(4)  # noqa: S311 - the same draws each time
    for _ in range(300):
        before, after = _value(chance, 3), _value(chance, 3)
        assert _merged(before, timeline.difference(before, after)) == after


def _value(chance: random.Random, depth: int) -> Json:
    kinds: list[Any] = [1, "x", [1, {"a": 2}], [], {}]
    return {
        key: _value(chance, depth - 1) if depth and chance.random() < 0.5 else chance.choice(kinds)
        for key in chance.sample("abcd", chance.randint(0, 4))
    }


def _merged(target: Any, patch: Any) -> Any:
    """What an API server makes of a merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged
