"""The whole fault library: each fault breaks what it says and nothing else, once, and gets along with the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.model import Json
from labs.attempts import workspace
from labs.course.load import load_course
from labs.errors import DataError
from labs.inject import faults, files, manifests
from tests.unit.course_sample import spoiled, write_course
from tests.unit.fault_row import WEB, Row
from tests.unit.fault_rows import ROWS
from tests.unit.fault_world import NS, healthy

S = "3-services/no-answer/scenario.yaml"
EDIT = "- use: patch_target\n  with: {file: prod/kustomization.yaml, name: wbe}"
EXCLUSIVE = [{"missing_config_map", "missing_config_key"}]
"""Pairs whose second one finds what it breaks gone, and says so."""
IDS = [f"{row.use}-{number}" for number, row in enumerate(ROWS)]


def leaves(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every place that holds something, and what; items with a name are known by it, not by their number."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from leaves(child, (*at, key))
    elif isinstance(value, list):
        for number, child in enumerate(value):
            name = child.get("name") or child.get("mountPath") if isinstance(child, dict) else None
            yield from leaves(child, (*at, str(name or number)))
    if not isinstance(value, dict | list) or not value:
        yield at, json.dumps(value)


def places(objects: list[Json]) -> dict[tuple[str, ...], str]:
    """Return the whole world as place → value, whatever the order of its objects."""
    return {
        place: value
        for o in objects
        for place, value in leaves(o, (o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]))
    }


@cache
def changed(index: int) -> dict[tuple[str, ...], str | None]:
    """Return what a row changes: place → what is there afterwards."""
    row = ROWS[index]
    before, after = places(healthy()), places(faults.transform(healthy(), row.use, row.with_))
    return {place: after.get(place) for place in {*before, *after} if before.get(place) != after.get(place)}


def test_every_fault_has_a_row_and_says_what_it_is() -> None:
    tried = {row.use for row in ROWS} | {use for use, *_ in EDITS} | {use for use, *_ in LIVE}
    assert set(faults.library()) == tried
    for name, module in faults.library().items():
        assert 0 <= module.NUMBER <= 90, name
        assert module.SYMPTOM, name
        assert module.Params.__doc__, name


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_fault_breaks_a_copy_once(row: Row) -> None:
    sound = healthy()
    assert not _holds(row, sound)
    broken = faults.transform(sound, row.use, row.with_)
    assert row.broken(broken), broken
    assert sound == healthy()
    with pytest.raises(DataError, match="changes nothing"):
        faults.transform(broken, row.use, row.with_)


def _holds(row: Row, objects: list[Json]) -> bool:
    try:
        return row.broken(objects)
    except (KeyError, ValueError, IndexError, StopIteration):
        return False


def _go_together(chosen: list[int]) -> bool:
    """Whether no two faults want a place to hold different things; those exclude each other, whatever the order."""
    return not any(_exclude(a, b) for n, a in enumerate(chosen) for b in chosen[:n])


def _exclude(this: int, that: int) -> bool:
    uses = {ROWS[this].use, ROWS[that].use}
    if len(uses) == 1 or uses in EXCLUSIVE:
        return True
    mine, other = changed(this), changed(that)
    return any(_meet(a, b) and (a != b or mine[a] != other[b]) for a in mine for b in other)


def _meet(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    return a == b[: len(a)] or b == a[: len(b)]


TOGETHER = st.lists(st.sampled_from(range(len(ROWS))), min_size=3, max_size=5, unique=True).filter(_go_together)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_three_to_five_faults_in_any_order_are_the_same_breakage(data: st.DataObject) -> None:
    chosen = data.draw(TOGETHER)
    results = []
    for order in (chosen, data.draw(st.permutations(chosen))):
        objects = healthy()
        for index in order:
            objects = faults.transform(objects, ROWS[index].use, ROWS[index].with_)
        assert [ROWS[i].use for i in chosen if not ROWS[i].broken(objects)] == []
        results.append(places(objects))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("use", "with_", "said"),
    [
        ("service_selector", {"service": "wbe", "value": "x"}, "finds no Service `wbe`"),
        ("readiness_path", {"deployment": "web", "container": "sidecar"}, "no container `sidecar`"),
        ("wrong_env", {"deployment": "web", "env": "NO", "rename": "X"}, "no variable `NO`"),
        ("readiness_path", {"deployment": "web", "path": "/v2/health/ready"}, "changes nothing"),
        ("readiness_path", {}, "exactly one of"),
        ("named_target_port", {"service": "web", "port": 81}, "has no port 81"),
        ("missing_config_map", {**WEB, "name": "none"}, "refers to no ConfigMap `none`"),
        ("missing_config_key", {**WEB, "name": "settings", "key": "no", "wrong": "x"}, "for no key `no`"),
        ("trailing_newline", {"secret": "token", "key": "no"}, "has no key `no`"),
        ("stale_config", {"config_map": "settings", "key": "limit", "find": "7", "replace": "8"}, "does not say `7`"),
        ("default_deny", {"namespace": NS, "name": "outgoing"}, "there is a NetworkPolicy `outgoing` already"),
        ("binding_subject", {"binding": "reader"}, "give `to_namespace` or `to_name`"),
        ("wrong_upstream", {**WEB, "env": "LIMIT", "to": "x"}, "no variable `LIMIT` with a value"),
        ("dns_policy", {**WEB, "policy": "None"}, "go together"),
        ("headless_missing", {"statefulset": "store", "service": "web"}, "there is a Service `web`, which"),
        ("custom_metric", {"autoscaler": "web", "metric": "x", "of": "y"}, "has no metric `y`"),
        ("device_selector", {"claim": "gpu", "expression": "false", "request": "no"}, "has no request `no`"),
        ("device_selector", {"claim": "none", "expression": "false"}, "finds no ResourceClaim `none`"),
        ("stuck_release", {"release": "wbe"}, "have no release `wbe`"),
        ("alert_metric", {"config_map": "rules", "metric": "nothing", "renamed": "x"}, "names no metric `nothing`"),
        ("alert_metric", {"config_map": "rules", "metric": "up", "renamed": "x", "key": "a"}, "has no key `a`"),
    ],
)
def test_a_fault_that_does_not_fit_says_why(use: str, with_: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as raised:
        faults.transform(healthy(), use, with_)
    assert said in str(raised.value)


# --- faults over files -----------------------------------------------------------------------------------------------

OVERLAY = """\
# production
resources: [../../base]
configMapGenerator:
- name: settings  # with a hash
  literals: [limit=10]
patches:
- target: {kind: Deployment, name: web}
  path: scale.yaml
"""
MANIFEST = """\
apiVersion: v1
kind: Service
metadata: {name: web}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  # one pod
  template:
    spec:
      containers:
      - name: server
        resources:
          limits: {memory: 1Gi, nvidia.com/gpu: 1}
        # the end
"""
VALUES = "replicas: 2  # two\nimage: {tag: '1.0'}\n"
CHART = """\
endpoint: {{ (.Values.tracing).endpoint | default "http://otel:4317" | quote }}
level: {{ default "info" .Values.log.level }}
"""
FILES = {
    "prod/kustomization.yaml": OVERLAY,
    "base/web.yaml": MANIFEST,
    "scale.yaml": "metadata: {name: web}\n",
    "values.yaml": VALUES,
    "templates/web.yaml": CHART,
}
PROD, BASE = {"file": "prod/kustomization.yaml"}, {"file": "base/web.yaml"}
EDITS: list[tuple[str, dict[str, Any], str, str]] = [
    ("patch_target", {**PROD, "name": "wbe"}, "Deployment, name: web}", "Deployment, name: wbe}"),
    ("patch_target", {"file": "scale.yaml", "name": "wbe"}, "{name: web}", "{name: wbe}"),
    (
        "hash_suffix_off",
        PROD,
        "path: scale.yaml\n",
        "path: scale.yaml\ngeneratorOptions: {disableNameSuffixHash: true}\n",
    ),
    (
        "replicas_in_overlay",
        {**PROD, "name": "web", "count": 3},
        "path: scale.yaml\n",
        "path: scale.yaml\nreplicas: [{name: web, count: 3}]\n",
    ),
    ("replicas_in_overlay", {**BASE, "name": "web"}, "  template:", "  replicas: 1\n  template:"),
    (
        "gpu_requests_only",
        BASE,
        "limits: {memory: 1Gi, nvidia.com/gpu: 1}",
        "{limits: {memory: 1Gi}, requests: {nvidia.com/gpu: 1}}",
    ),
    ("values_type", {"file": "values.yaml", "key": "replicas", "value": "two"}, "replicas: 2 ", "replicas: two "),
    ("values_type", {"file": "values.yaml", "key": "image.tag", "value": 1.0}, "'1.0'", "1.0"),
    (
        "template_default",
        {"file": "templates/web.yaml", "value": "tracing.endpoint"},
        '(.Values.tracing).endpoint | default "http://otel:4317" | quote',
        ".Values.tracing.endpoint | quote",
    ),
    (
        "template_default",
        {"file": "templates/web.yaml", "value": "log.level"},
        'default "info" .Values.log.level',
        ".Values.log.level",
    ),
]


@pytest.mark.parametrize(("use", "with_", "sound", "broken"), EDITS, ids=[f"{e[0]}-{i}" for i, e in enumerate(EDITS)])
def test_a_fault_over_files_changes_one_place_once(use: str, with_: dict[str, Any], sound: str, broken: str) -> None:
    found = faults.edit(FILES, use, with_)
    assert found == {**FILES, with_["file"]: FILES[with_["file"]].replace(sound, broken, 1)}
    with pytest.raises(DataError, match="changes nothing"):
        faults.edit(found, use, with_)


def test_faults_over_files_go_together_in_any_order() -> None:
    chosen = [EDITS[0], EDITS[2], EDITS[3]]
    results = []
    for order in (chosen, chosen[::-1]):
        texts = FILES
        for use, with_, _, _ in order:
            texts = faults.edit(texts, use, with_)
        results.append(yaml.safe_load(texts["prod/kustomization.yaml"]))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("use", "with_", "said"),
    [
        ("patch_target", {"file": "no.yaml", "name": "x"}, "has no file `no.yaml`"),
        ("patch_target", {**PROD, "name": "x", "patch": 1}, "has no patch 1"),
        ("hash_suffix_off", BASE, "generates nothing"),
        ("replicas_in_overlay", {**BASE, "name": "wbe"}, "has no workload `wbe`"),
        ("gpu_requests_only", {**BASE, "resource": "amd.com/gpu"}, "asks for `amd.com/gpu`"),
        ("values_type", {"file": "values.yaml", "key": "image.no", "value": 1}, "has no value `image.no`"),
        ("template_default", {"file": "templates/web.yaml", "value": "no.no"}, "does not use `.Values.no.no`"),
    ],
)
def test_a_fault_that_does_not_fit_the_files_says_why(use: str, with_: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as raised:
        faults.edit(FILES, use, with_)
    assert said in str(raised.value)


def test_a_task_begins_with_broken_files_and_comes_back_to_them(tmp_path: Path) -> None:
    change = spoiled(S, "- use: service_selector\n  with: {service: web, value: wbe}", EDIT)
    root = write_course(tmp_path, {**change, f"3-services/no-answer/workspace/{PROD['file']}": OVERLAY})
    (scenario,) = load_course(root).scenarios
    shipped, mine = scenario.folder / "workspace", tmp_path / "mine"
    assert manifests.stages(scenario)
    broken = files.broken(scenario)
    workspace.restore(shipped, mine, broken)
    saved = mine / PROD["file"]
    assert saved.read_text() == OVERLAY.replace("name: web}", "name: wbe}")
    assert workspace.differs(shipped, mine, broken) == []
    saved.write_text(OVERLAY)
    assert workspace.differs(shipped, mine, broken) == [PROD["file"]]
    workspace.restore(shipped, mine, broken)
    assert workspace.differs(shipped, mine, broken) == []


# --- live faults -----------------------------------------------------------------------------------------------------

TAINT = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}
OWN = {"key": "team", "effect": "NoSchedule"}
LIVE: list[tuple[str, dict[str, Any], list[tuple[str, Json]]]] = [
    ("cordoned_nodes", {"pool": "gpu"}, [("a", {"taints": [TAINT, OWN], "unschedulable": True})]),
    ("gpu_taint_removed", {}, [("a", {"taints": [OWN]})]),
]


@pytest.mark.parametrize(("use", "with_", "wanted"), LIVE, ids=[use for use, *_ in LIVE])
def test_a_live_fault_changes_only_the_chosen_nodes(
    use: str, with_: dict[str, Any], wanted: list[tuple[str, Json]]
) -> None:
    nodes = [
        {"kind": "Node", "metadata": {"name": "a", "labels": {"pool": "gpu"}}, "spec": {"taints": [TAINT, OWN]}},
        {"kind": "Node", "metadata": {"name": "b", "labels": {"pool": "cpu"}}, "spec": {}},
    ]
    found = faults.patch(nodes, use, with_)
    assert [(n["metadata"]["name"], n["spec"]) for n in found] == wanted
    assert nodes[0]["spec"] == {"taints": [TAINT, OWN]}
    with pytest.raises(DataError, match="changes nothing"):
        faults.patch([{**nodes[0], **found[0]}], use, with_)
