"""What `show` yields reads well, whatever its shape."""

from __future__ import annotations

from typing import Any

import pytest

from grader.evidence import told

WORDS = [
    ([[False]], "no"),
    ([[True, False]], "yes, no"),
    (2, "2"),
    ([2], "2"),
    ([], "none"),
    ([[], []], "none\nnone"),
    ("", '""'),
    (None, "nothing"),
    ({}, "nothing set"),
    (["cpu-1", "cpu-2"], "cpu-1, cpu-2"),
    ([[["registry.lab/x:1"]]], "registry.lab/x:1"),
    ([["a", "b"], ["c"]], "a, b\nc"),
    ([{"pod": "a", "ready": True}, {"pod": "b", "ready": False}], "pod=a, ready=true\npod=b, ready=false"),
    ([[{"pod": "a", "ready": True}]], "pod=a, ready=true"),
    ([{"drop": ["ALL"], "add": [], "names": ["x", "y"]}], "add=none, drop=ALL, names=[x, y]"),
    ([{"httpGet": {"path": "/x", "port": 80}, "periodSeconds": 1}], "httpGet: path=/x, port=80\nperiodSeconds: 1"),
    (
        [{"pod": "a", "level": {}}, {"pod": "b", "level": {"user": {"id": 0}}}],
        "pod=a, level=nothing\npod=b, level.user.id=0",
    ),
    ({"selector": [{"app": "r"}], "template": [{"app": "r", "v": "2"}]}, "selector: app=r\ntemplate: app=r, v=2"),
    ({"ports": [{"port": 80}, {"port": 81}], "name": "s"}, "name: s\nports: port=80\nports: port=81"),
    (["x\x1b[2J\ny"], r"x\x1b[2J\ny"),
]


@pytest.mark.parametrize(("value", "words"), WORDS)
def test_words(value: Any, words: str) -> None:
    assert told(value) == words


def test_the_order_is_that_of_the_expression() -> None:
    value = {"b": 1, "a": 2, "name": "x", "c": 3}
    assert told(value) == "name=x, a=2, b=1, c=3"
    assert told(value, 'map(d, {"c": d.c, "a": d.a})') == "c=3, a=2, name=x, b=1"


def test_too_much_is_cut() -> None:
    deep: Any = "x"
    for _ in range(1000):
        deep = {"a": deep, "b": 1}
    for value in (deep, [{"a": n} for n in range(100_000)], "x" * 5_000_000, [["x" * 1000] * 1000] * 50):
        text = told(value)
        assert len(text) < 4000
    assert told([{"a": n} for n in range(20)]).endswith("a=7\n… and 12 more")
