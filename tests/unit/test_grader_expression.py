"""CEL: the same answers from two libraries, the author's mistakes told apart from gaps in the data, and bounds."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import celpy_reference
import pytest

from grader.errors import ExpressionError, Undefined
from grader.expression import compile_expression

PODS: list[dict[str, Any]] = [
    {
        "metadata": {"name": "embedder-a", "labels": {"app": "embedder", "app.kubernetes.io/part-of": "search"}},
        "spec": {
            "nodeName": "gpu-1",
            "containers": [
                {
                    "name": "server",
                    "image": "registry.lab/model-server:1.2",
                    "ports": [{"name": "http", "containerPort": 8000}],
                    "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}},
                }
            ],
        },
        "status": {"phase": "Running", "restarts": 0, "share": 0.5},
    },
    {
        "metadata": {"name": "embedder-b", "labels": {"app": "embedder"}},
        "spec": {"nodeName": "cpu-1", "containers": [{"name": "server", "image": "registry.lab/model-server:1.3"}]},
        "status": {"phase": "Pending", "restarts": 7, "share": 1.5},
    },
]
NODES = [
    {"metadata": {"name": "gpu-1", "labels": {"pool": "gpu"}}},
    {"metadata": {"name": "cpu-1", "labels": {"pool": "cpu"}}},
]
DATA = {"pods": PODS, "nodes": NODES, "none": []}

TABLE: list[tuple[str, Any]] = [
    ("size(pods) == 2", True),
    ("pods.size() > 2", False),
    ("none.all(p, false)", True),
    ("none.exists(p, true)", False),
    ('pods.all(p, p.metadata.name.startsWith("embedder-"))', True),
    ('pods.exists(p, p.status.phase == "Running")', True),
    ('pods.exists_one(p, p.status.phase == "Running")', True),
    ("pods.map(p, p.metadata.name)", ["embedder-a", "embedder-b"]),
    ('pods.filter(p, p.status.phase != "Running").map(p, p.metadata.name)', ["embedder-b"]),
    (
        "pods.all(p, nodes.exists(n, n.metadata.name == p.spec.nodeName && n.metadata.labels.pool == 'gpu'))",
        False,
    ),
    ("has(pods[0].spec.containers[0].ports)", True),
    ("has(pods[1].spec.containers[0].ports)", False),
    ("pods.all(p, p.spec.containers.all(c, !has(c.ports) || c.ports.exists(q, q.containerPort == 8000)))", True),
    ('pods.all(p, p.spec.containers[0].image.matches("^registry[.]lab/.*:[0-9.]+$"))', True),
    ('pods[0].spec.containers[0].resources.limits.cpu == "500m"', True),
    ('pods[0].spec.containers[0].resources.limits["memory"] != "512Mi"', True),
    ('"app.kubernetes.io/part-of" in pods[0].metadata.labels', True),
    ('"app.kubernetes.io/part-of" in pods[1].metadata.labels', False),
    ("pods.all(p, p.status.restarts < 5)", False),
    ("pods.filter(p, p.status.share > 1.0).size() == 1", True),
    ("pods.all(p, double(p.status.restarts) >= 0.0)", True),
    ('pods.map(p, p.status.restarts > 0 ? "bad" : "good")', ["good", "bad"]),
    ('pods.map(p, {"name": p.metadata.name, "restarts": p.status.restarts})[1]', {"name": "embedder-b", "restarts": 7}),
    ('"server" in pods[0].spec.containers.map(c, c.name)', True),
    ("pods[0].spec.containers[0].image.contains(':1.') && !pods[0].metadata.name.endsWith('z')", True),
    # An element without the field does not matter where another one decides.
    ("pods.exists(p, p.spec.containers[0].ports[0].containerPort == 8000)", True),
]


@pytest.mark.parametrize(("source", "expected"), TABLE)
def test_both_libraries_agree(source: str, expected: Any) -> None:
    assert compile_expression(source, DATA).value(DATA) == expected
    assert celpy_reference.evaluate(source, DATA) == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("pods.all(p, p.status.reason == 'Evicted')", "no field `reason`"),
        ("pods[5].metadata.name == 'x'", "5"),
        ("pods[0].spec.containers[0].resources.limits.cpu > 1", "overload"),
        ("int(pods[0].metadata.name) > 1", "int"),
    ],
)
def test_a_gap_in_the_data_is_no_mistake_of_the_author(source: str, words: str) -> None:
    with pytest.raises(Undefined, match=words):
        compile_expression(source, DATA).holds(DATA)
    with pytest.raises(celpy_reference.Gap):
        celpy_reference.evaluate(source, DATA)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("pods.all(p, ", "Syntax error"),
        ("podz.size() == 1", "unknown name `podz`"),
        ("pods.all(p, q.x)", "unknown name `q`"),
        ("pods.sortBy(p, p.x)", "unknown name `p`"),
        ("pods[0].metadata.name.lowerAscii() == 'a'", "unknown function `lowerAscii`"),
        ("x" * 4097, "4096 bytes"),
        ("", "compile|Syntax"),
    ],
)
def test_mistakes_are_found_without_a_cluster(source: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=words) as caught:
        compile_expression(source, ["pods"])
    assert caught.value.hint


def test_an_expression_that_is_no_bool_is_the_authors_mistake() -> None:
    with pytest.raises(ExpressionError, match="yields list, not true or false"):
        compile_expression("pods.map(p, p.metadata.name)", ["pods"]).holds(DATA)


def test_names_inside_strings_are_no_names() -> None:
    assert compile_expression('pods.exists(p, p.metadata.name != "x.all(zz, yy)")', ["pods"]).holds(DATA)


def test_an_expensive_expression_that_ends_in_time_gives_its_value() -> None:
    many = [{"metadata": {"name": f"pod-{n}"}} for n in range(300)]
    pairs = compile_expression("pods.all(p, pods.exists(q, q.metadata.name == p.metadata.name))", ["pods"])
    assert pairs.holds({"pods": many})
    gap = compile_expression("pods.all(p, pods.exists(q, q.metadata.uid == p.metadata.name))", ["pods"])
    with pytest.raises(Undefined, match="no field `uid`"):
        gap.holds({"pods": many})


def test_a_cubic_expression_over_a_long_list_cannot_hang_a_grade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.expression.DEADLINE", 1.0)
    many = [{"n": n} for n in range(1000)]
    cubic = compile_expression("pods.all(p, pods.all(q, pods.all(r, p.n + q.n + r.n >= 0)))", ["pods"])
    begin = time.monotonic()
    with pytest.raises(ExpressionError, match="too expensive") as caught:
        cubic.holds({"pods": many})
    assert time.monotonic() - begin < 4
    assert "narrow" in caught.value.hint


def test_no_screen_library_comes_along() -> None:
    program = "import sys, grader; grader.compile_expression('true', []); print({'rich', 'textual'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
