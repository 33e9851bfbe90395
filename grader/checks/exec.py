"""`exec`: a command run in a container, and how it ended."""

from __future__ import annotations

import re
import shlex

from grader import pods
from grader.cluster import ExecAnswer, ExecRequest
from grader.finding import Finding, Scene, given, verdict
from grader.model import Check, Exec, Json
from grader.snapshot import Question
from grader.text import clean, listed


def reads(check: Check, _namespaces: tuple[str, ...]) -> list[Question]:
    """Return the list of pods."""
    return [given(check, "exec", check.exec).of]


def look(check: Check, scene: Scene) -> Finding:
    """Run it in the first pod that runs, or in every pod that has not ended."""
    wanted = given(check, "exec", check.exec)
    expected = _expected(wanted)
    found = pods.there(wanted.of, scene)
    if not found:
        nobody = pods.missing(wanted.of, scene)
        return verdict(passed=False, observed=nobody, expected=expected, mismatches=[nobody])
    running = [pod for pod in found if pods.runs(pod, pods.container_of(pod, wanted.container) or "")]
    alive = [pod for pod in found if not pods.has_ended(pod)]
    chosen = (alive or found) if wanted.each else (running or found)[:1]
    said = [_try(wanted, pod, scene) for pod in chosen]
    bad = [words for words, right in said if not right]
    return verdict(not bad, "\n".join((bad or [words for words, _ in said])[:3]), expected, bad[:6])


def _expected(wanted: Exec) -> str:
    parts = [f"`{clean(shlex.join(wanted.command), 160)}`"]
    parts += [] if wanted.exit_code is None else [f"ends with {wanted.exit_code}"]
    parts += [f"prints /{clean(wanted.output_matches, 120)}/"] if wanted.output_matches else []
    return f"{parts[0]} {' and '.join(parts[1:]) or 'can be run'}{' in every pod' if wanted.each else ''}"


def _try(wanted: Exec, pod: Json, scene: Scene) -> tuple[str, bool]:
    meta = pod["metadata"]
    name = clean(str(meta.get("name", "")), 120)
    container = pods.container_of(pod, wanted.container)
    if container is None:
        return f"{name}: no container `{wanted.container}`; found: {listed(pods.containers(pod))}", False
    if not pods.runs(pod, container):
        return f"{name}: container {container} does not run ({pods.state(pod)})", False
    request = ExecRequest(
        str(meta.get("namespace", "")), str(meta.get("name", "")), container, wanted.command, wanted.timeout
    )
    answer = scene.cluster.run(request)
    return f"{name}: {_told(answer)}", _right(wanted, answer)


def _right(wanted: Exec, answer: ExecAnswer) -> bool:
    if answer.code is None or wanted.exit_code not in {None, answer.code}:
        return False
    return re.search(wanted.output_matches, answer.output) is not None


def _told(answer: ExecAnswer) -> str:
    if answer.code is None:
        return f"cannot be run: {clean(answer.error, 200)}"
    printed = answer.output.strip()
    return f"ended with {answer.code}{f': {clean(printed, 200)}' if printed else ', printed nothing'}"
