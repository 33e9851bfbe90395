"""`log`: a line that the containers of pods have written, or have not."""

from __future__ import annotations

import re

from grader import pods
from grader.cluster import LogRequest
from grader.finding import Finding, Scene, given, verdict
from grader.model import Check, Json, LogCheck
from grader.snapshot import Question
from grader.text import clean, listed

LONGEST_LINE = 16 * 1024
"""Characters of one line that an expression sees: a line without end must not hold a grade."""


def reads(check: Check, _namespaces: tuple[str, ...]) -> list[Question]:
    """Return the list of pods."""
    return [given(check, "log", check.log).of]


def look(check: Check, scene: Scene) -> Finding:
    """Search the logs; a line that matches is the evidence, and where there is none, the last line written."""
    wanted = given(check, "log", check.log)
    expected = f"{'a line' if wanted.present else 'no line'} with /{clean(wanted.matches, 160)}/{_where(wanted)}"
    found = pods.there(wanted.of, scene)
    if not found:
        nobody = pods.missing(wanted.of, scene)
        return verdict(passed=False, observed=nobody, expected=expected, mismatches=[nobody])
    said = [_search(wanted, pod, scene) for pod in found]
    matching = [line for line, matches in said if matches]
    others = [line for line, matches in said if not matches]
    if wanted.present:
        passed = not others if wanted.each else bool(matching)
        return verdict(passed, _some(matching if passed else others), expected, others[:6])
    return verdict(not matching, _some(matching or others), expected, matching[:6])


def _where(wanted: LogCheck) -> str:
    run = " of the previous run" if wanted.previous else ""
    since = f" of the last {wanted.since} s" if wanted.since else ""
    every = " of every pod" if wanted.each else ""
    return f" in the log{run}{every}{since}"


def _search(wanted: LogCheck, pod: Json, scene: Scene) -> tuple[str, bool]:
    """Return what to tell of a pod's log, and whether a line matches."""
    meta = pod["metadata"]
    name = clean(str(meta.get("name", "")), 120)
    container = pods.container_of(pod, wanted.container)
    if container is None:
        return f"{name}: no container `{wanted.container}`; found: {listed(pods.containers(pod))}", False
    request = LogRequest(
        namespace=str(meta.get("namespace", "")),
        pod=str(meta.get("name", "")),
        container=container,
        previous=wanted.previous,
        since=wanted.since,
        tail=wanted.tail,
    )
    text = scene.cluster.logs(request)
    if text is None:
        return f"{name}: there is no log ({pods.state(pod)})", False
    lines = [line for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        if re.search(wanted.matches, line[:LONGEST_LINE]):
            return f"{name}: {clean(line)}", True
    return (
        f"{name}: the last of {len(lines)} lines: {clean(lines[-1])}" if lines else f"{name}: the log is empty",
        False,
    )


def _some(lines: list[str]) -> str:
    rest = len(lines) - 3
    return "\n".join([*lines[:3], f"… and {rest} more"] if rest > 0 else lines)
