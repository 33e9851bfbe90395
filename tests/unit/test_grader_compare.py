"""Partial comparison and paths: what counts as equal, and how a difference is told."""

from __future__ import annotations

from typing import Any

import pytest

from grader.compare import ABSENT, differences, fetch
from grader.quantity import parse
from grader.text import clean, listed, shown

FOUND = {
    "metadata": {"labels": {"app": "embedder"}, "annotations": {"a/b": "1"}},
    "spec": {
        "replicas": 3,
        "paused": True,
        "ports": [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "metrics", "port": 9090}],
        "containers": [
            {"name": "sidecar"},
            {"name": "server", "args": ["--port", "8000"], "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}},
        ],
        "hard": {"requests.nvidia.com/gpu": "2", "pods": "10"},
    },
}

CASES: list[tuple[dict[str, Any], str]] = [
    ({"spec": {"replicas": 3}}, ""),
    ({"spec": {"replicas": 2}}, "spec.replicas: observed 3, expected 2"),
    ({"spec": {"replicas": "3"}}, "spec.replicas: observed 3, expected 3 (number, not text)"),
    ({"spec": {"paused": True}}, ""),
    ({"spec": {"paused": 1}}, "spec.paused: observed true, expected 1"),
    ({"spec": {"strategy": {"type": "Recreate"}}}, 'spec.strategy: observed nothing, expected {"type": "Recreate"}'),
    ({"spec": {"selector": None}}, ""),
    ({"spec": {"ports": [{"name": "http", "targetPort": 8080}]}}, ""),
    (
        {"spec": {"ports": [{"name": "http", "targetPort": 8000}]}},
        "spec.ports[http].targetPort: observed 8080, expected 8000",
    ),
    ({"spec": {"ports": [{"name": "grpc"}]}}, "spec.ports: nothing named grpc; found: http, metrics"),
    ({"spec": {"ports": [{"port": 80}]}}, "spec.ports: observed 2 elements"),
    ({"spec": {"ports": [{"port": 80}, {"port": 9091}]}}, "spec.ports[1].port: observed 9090, expected 9091"),
    ({"spec": {"containers": [{"name": "server", "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}}]}}, ""),
    (
        {"spec": {"containers": [{"name": "server", "resources": {"limits": {"cpu": "0.25"}}}]}},
        "spec.containers[server].resources.limits.cpu: observed 500m, expected 0.25",
    ),
    ({"spec": {"containers": [{"name": "server", "args": ["--port", "8000"]}]}}, ""),
    ({"spec": {"containers": [{"name": "server", "args": ["--port"]}]}}, "observed 2 elements"),
    ({"spec": {"hard": {"requests.nvidia.com/gpu": 2}}}, ""),
    ({"metadata": {"annotations": {"a/b": "2"}}}, 'metadata.annotations["a/b"]: observed 1, expected 2'),
]


@pytest.mark.parametrize(("wanted", "line"), CASES)
def test_differences_carry_their_path(wanted: dict[str, Any], line: str) -> None:
    told = differences(wanted, FOUND)
    assert len(told) == (1 if line else 0)
    assert line in "".join(told)


def test_many_differences_are_cut() -> None:
    told = differences({str(n): n for n in range(100)}, {})
    assert len(told) == 13
    assert told[-1] == "… and more"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.replicas", 3),
        ("spec.ports[1].port", 9090),
        ("spec.ports[http].targetPort", 8080),
        ("spec..ports", None),
        ("", None),
        ("spec.ports.http.targetPort", 8080),
        ('metadata.annotations["a/b"]', "1"),
        ("metadata.annotations['a/b']", "1"),
        ("spec.nothing.at.all", ABSENT),
        ("spec.ports[7]", ABSENT),
    ],
)
def test_paths_lead_to_values(path: str, value: Any) -> None:
    if value is None:
        with pytest.raises(ValueError, match="is not a path"):
            fetch(FOUND, path)
    else:
        assert fetch(FOUND, path) == value


@pytest.mark.parametrize(
    ("left", "right"), [("0.5", "500m"), ("1Gi", "1024Mi"), ("1e3", "1k"), (2, "2"), ("1.5Gi", "1536Mi")]
)
def test_quantities_are_equal_by_value(left: object, right: object) -> None:
    assert parse(left) == parse(right) is not None


@pytest.mark.parametrize("word", ["", "m", "1Gib", "one", "1 Gi", True, None, [], "9" * 50])
def test_other_words_are_no_quantities(word: object) -> None:
    assert parse(word) is None


def test_hostile_text_is_made_visible_and_short() -> None:
    assert clean("a\x1b[31mred\x07\nb\u202e") == r"a\x1b[31mred\x07\nb\u202e"
    assert len(clean("x" * 10_000)) == 300
    assert shown({"a": ["[/b]"] * 1000}).startswith('{"a": ["[/b]", ')
    assert listed(f"n{i}" for i in range(10)) == "n0, n1, n2, n3, n4, n5, n6, n7 and 2 more"
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert len(shown(deep)) <= 300
