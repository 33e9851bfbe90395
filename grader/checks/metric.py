"""`metric`: what a Prometheus in the cluster answers to a query."""

from __future__ import annotations

import json
import math
import operator
import re
from typing import Any
from urllib.parse import quote

from grader.cluster import HttpAnswer, HttpRequest
from grader.errors import ExpressionError, GraderError
from grader.finding import Finding, Scene, given, verdict
from grader.model import Check, Json, Metric
from grader.snapshot import Question
from grader.text import clean

_SIGNS = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_GONE = frozenset({"dns", "refused"})


def reads(_check: Check, _namespaces: tuple[str, ...]) -> list[Question]:
    """Return nothing: Prometheus is asked."""
    return []


def look(check: Check, scene: Scene) -> Finding:
    """Ask; every series must meet the bound, and there must be one."""
    wanted = given(check, "metric", check.metric)
    host = f"{wanted.service}.{wanted.namespace}.svc:{wanted.port}"
    url = f"http://{host}/api/v1/query?query={quote(wanted.query, safe='')}"
    answer = scene.cluster.http(HttpRequest(url, timeout=5.0))[0]
    series = _series(wanted, answer, host)
    expected = f"{clean(wanted.query, 160)} {wanted.is_}"
    if not series:
        nothing = "the query yields no series"
        return verdict(passed=False, observed=nothing, expected=expected, mismatches=[nothing])
    sign, bound = _bound(wanted)
    # NaN meets no bound: a quantile of nothing is no good news.
    bad = [f"{name} = {value:g}" for name, value in series if math.isnan(value) or not sign(value, bound)]
    shown = bad or [f"{name} = {value:g}" for name, value in series]
    return verdict(not bad, "\n".join(shown[:6]), expected, bad[:6])


def _bound(wanted: Metric) -> tuple[Any, float]:
    found = re.fullmatch(r"([<>=!]+)\s*(.+)", wanted.is_)
    if found is None:
        raise ExpressionError(f"`{wanted.is_}` is not a bound such as `>= 0.5`")
    return _SIGNS[found.group(1)], float(found.group(2))


def _series(wanted: Metric, answer: HttpAnswer, host: str) -> list[tuple[str, float]]:
    """Return names and values.

    Raises:
        GraderError: No Prometheus answers there.
        ExpressionError: It does not understand the query.
    """
    if answer.error:
        why = "there is none" if answer.error in _GONE else answer.message or answer.error
        raise GraderError(f"no Prometheus answers at {host}: {clean(why, 160)}")
    try:
        body = json.loads(answer.body)
        if body.get("status") != "success":
            said = clean(str(body.get("error") or answer.status))
            raise ExpressionError(f"Prometheus does not take the query `{clean(wanted.query, 160)}`: {said}")
        data = body["data"]
        results = [{"value": data["result"]}] if data["resultType"] == "scalar" else data["result"]
        return [(_name(result), float(result["value"][1])) for result in results]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        words = f"HTTP {answer.status}: {clean(answer.body, 120)}"
        raise GraderError(f"what answers at {host} is no Prometheus ({words})") from None


def _name(result: Json) -> str:
    labels = dict(result.get("metric") or {})
    name = labels.pop("__name__", "")
    inner = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return clean(f"{name}{{{inner}}}" if inner else name or "value", 200)
