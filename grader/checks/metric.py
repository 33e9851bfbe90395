"""`metric`: what a Prometheus in the cluster answers to a query, with the course of the series as evidence.

A Prometheus that belongs to the task (it runs in one of its namespaces) and does not answer is a failure like any
other; one that does not is the lab's own matter, and then the verdict is unknown.
"""

from __future__ import annotations

import json
import math
import operator
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from grader.cluster import HttpAnswer, HttpRequest
from grader.errors import ExpressionError, GraderError
from grader.finding import Finding, Scene, given, verdict
from grader.model import Check, Json, Metric
from grader.snapshot import Question
from grader.sparkline import sparkline
from grader.text import clean

PLOTTED = timedelta(seconds=120)
STEP = 5
YOUNG = 15.0
"""Seconds a series must have been there, or be back, before a failure counts: rates look back for eight. A Prometheus
may hear of a pod long after it is ready, and a scrape on a busy machine may fail."""

MOST_PLOTS = 4
MOST_SERIES = 6
TIMEOUT = 5.0

_SIGNS = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_GONE = frozenset({"dns", "refused"})


class NoPrometheusError(GraderError):
    """Nobody answers there, or somebody else does."""


def reads(_check: Check, _namespaces: tuple[str, ...]) -> list[Question]:
    """Return nothing: Prometheus is asked."""
    return []


def look(check: Check, scene: Scene) -> Finding:
    """Ask; every series must meet the bound, and there must be one."""
    wanted = given(check, "metric", check.metric)
    expected = f"{clean(wanted.query, 160)} {wanted.is_}"
    try:
        series = [(_name(result), float(result["value"][1])) for result in _ask(wanted, scene, query=wanted.query)]
    except NoPrometheusError as error:
        if wanted.namespace not in scene.namespaces:
            raise
        return verdict(passed=False, observed=error.message, expected=expected, mismatches=[error.message])
    lines, early = _plots(wanted, scene)
    sign, bound = _bound(wanted)
    # NaN meets no bound: a quantile of nothing is no good news.
    bad = [f"{name} = {value:g}" for name, value in series if math.isnan(value) or not sign(value, bound)]
    shown = bad or [f"{name} = {value:g}" for name, value in series]
    if not series:
        bad = ["the query yields no series"]
        shown = [f"{bad[0]}{_targets(wanted, scene)}"]
    observed = "\n".join([*shown[:MOST_SERIES], *lines])
    return replace(verdict(not bad, observed, expected, bad[:MOST_SERIES]), early=early if bad else "")


def _bound(wanted: Metric) -> tuple[Any, float]:
    found = re.fullmatch(r"([<>=!]+)\s*(.+)", wanted.is_)
    if found is None:
        raise ExpressionError(f"`{wanted.is_}` is not a bound such as `>= 0.5`")
    return _SIGNS[found.group(1)], float(found.group(2))


def _ask(wanted: Metric, scene: Scene, **asked: str) -> list[Json]:
    """Return the results of an instant query, or of a range query where `start` is given.

    Raises:
        NoPrometheusError: No Prometheus answers there.
        ExpressionError: It does not understand the query.
    """
    host = f"{wanted.service}.{wanted.namespace}.svc:{wanted.port}"
    path = "query_range" if "start" in asked else "query"
    answer = scene.cluster.http(HttpRequest(f"http://{host}/api/v1/{path}?{urlencode(asked)}", timeout=TIMEOUT))[0]
    if answer.error:
        why = "there is none" if answer.error in _GONE else answer.message or answer.error
        raise NoPrometheusError(f"no Prometheus answers at {host}: {clean(why, 160)}")
    return _results(answer, asked["query"], host)


def _results(answer: HttpAnswer, query: str, host: str) -> list[Json]:
    try:
        body = json.loads(answer.body)
        if body.get("status") != "success":
            said = clean(str(body.get("error") or answer.status))
            raise ExpressionError(f"Prometheus does not take the query `{clean(query, 160)}`: {said}")
        data = body["data"]
        results = [{"value": data["result"]}] if data["resultType"] == "scalar" else data["result"]
        for result in results:
            float(result["value"][1] if "value" in result else result["values"][0][1])
        return list(results)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        words = f"HTTP {answer.status}: {clean(answer.body, 120)}"
        raise NoPrometheusError(f"what answers at {host} is no Prometheus ({words})") from None


def _name(result: Json) -> str:
    labels = dict(result.get("metric") or {})
    name = labels.pop("__name__", "")
    inner = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return clean(f"{name}{{{inner}}}" if inner else name or "value", 200)


def _targets(wanted: Metric, scene: Scene) -> str:
    """Return which targets there are instead; nothing where that cannot be had."""
    try:
        results = _ask(wanted, scene, query="up")
    except GraderError:
        return ""
    labels = [dict(result.get("metric") or {}) for result in results]
    names = sorted(f"{label.get('job', '?')} {label.get('instance', '?')}" for label in labels)
    shown = ", ".join(names[:MOST_PLOTS]) + (" and others" if len(names) > MOST_PLOTS else "")
    return f"; targets Prometheus knows: {clean(shown, 200) or 'none'}"


def _plots(wanted: Metric, scene: Scene) -> tuple[list[str], str]:
    """Return a line for each series that moved lately, and what to wait for where one has only begun.

    Nothing where that cannot be had.
    """
    end = scene.cluster.now()
    start = end - PLOTTED
    asked = {"query": wanted.plot or wanted.query, "step": str(STEP)}
    asked |= {"start": f"{start.timestamp():.0f}", "end": f"{end.timestamp():.0f}"}
    try:
        results = _ask(wanted, scene, **asked)
        lines = [line for result in results[:MOST_PLOTS] if (line := _plot(result, start.timestamp(), wanted.plot))]
        young = [_name(result) for result in results if _has_begun(result, end.timestamp())]
    except (GraderError, IndexError, KeyError, TypeError, ValueError):
        return [], ""
    return lines, f"Prometheus to have seen more of {young[0]}" if young else ""


def _has_begun(result: Json, end: float) -> bool:
    """Return whether a series is there now and has been, without a gap, for less than `YOUNG` seconds."""
    times = [float(at) for at, _ in result["values"]]
    first = times[-1]
    for at in reversed(times):
        if first - at > STEP * 1.5:
            break
        first = at
    return end - times[-1] <= STEP * 1.5 and end - first < YOUNG


def _plot(result: Json, start: float, always: str) -> str:
    points = {round((float(at) - start) / STEP): float(value) for at, value in result["values"]}
    count = int(PLOTTED.total_seconds()) // STEP + 1
    values = [points.get(number) for number in range(count)]
    known = {value for value in values if value is not None and math.isfinite(value)}
    if not known or (len(known) == 1 and not always):
        return ""
    return f"{_name(result)}: {sparkline(values)} in {PLOTTED.total_seconds():.0f} s"
