"""`infer`: requests at a steady rate from inside the cluster, and how many were answered how fast."""

from __future__ import annotations

from grader import targets
from grader.checks.http import WORDS
from grader.cluster import LoadAnswer, LoadRequest
from grader.errors import Unanswered
from grader.finding import Finding, Scene, given, verdict
from grader.model import Check, Infer
from grader.snapshot import Question
from grader.text import clean

_BOUNDS = ("p50", "p95", "p99")


def reads(check: Check, namespaces: tuple[str, ...]) -> list[Question]:
    """Return what `targets` reads."""
    return targets.reads(given(check, "infer", check.infer), namespaces)


def look(check: Check, scene: Scene) -> Finding:
    """Send the load and judge it."""
    wanted = given(check, "infer", check.infer)
    url = targets.url(wanted, scene)
    if url is None:
        words = f"{targets.place(wanted, scene)}: {targets.NOWHERE}"
        return verdict(passed=False, observed=words, expected=expected_of(wanted), mismatches=[words])
    finding = judge(wanted, scene.cluster.load(request_of(wanted, url)))
    if finding.passed or wanted.url:
        return finding
    observed = f"{finding.observed}; {targets.endpoints(wanted, scene)}"
    return Finding(finding.outcome, observed, finding.expected, finding.mismatches)


def request_of(wanted: Infer, url: str) -> LoadRequest:
    """Return the load as the cluster is asked for it."""
    return LoadRequest(
        url=url,
        method=wanted.method,
        headers=wanted.headers,
        body=wanted.body,
        timeout=wanted.timeout,
        rate=wanted.rate,
        seconds=wanted.seconds,
        client=wanted.client,
    )


def judge(wanted: Infer, answer: LoadAnswer) -> Finding:
    """Compare what became of a load with its bounds.

    Raises:
        Unanswered: Only the client's own lateness, on a machine that is too busy, breaks a bound.
    """
    wrong = answer.sent - answer.statuses.get(wanted.expect, 0)
    share = wrong / answer.sent if answer.sent else 1.0
    bad = []
    if share > wanted.error_rate:
        bad.append(f"{wrong} of {answer.sent} requests failed ({share:.1%}): {_errors(wanted, answer)}")
    bounds = [(name, getattr(answer, name), getattr(wanted, f"{name}_ms")) for name in _BOUNDS]
    slow = [(name, seen, bound) for name, seen, bound in bounds if bound is not None and seen > bound]
    if slow and not bad and all(seen - answer.behind <= bound for _, seen, bound in slow):
        raise Unanswered(f"the client was late by up to {answer.behind:.0f} ms: this machine is too busy to measure")
    bad += [f"{name} is {seen:.0f} ms, more than {bound:g} ms" for name, seen, bound in slow]
    late = f"; the client was late by up to {answer.behind:.0f} ms" if answer.behind > _LATE else ""
    figures = f"p50 {answer.p50:.0f} ms, p95 {answer.p95:.0f} ms, p99 {answer.p99:.0f} ms"
    observed = f"{answer.sent - wrong} of {answer.sent} requests answered {wanted.expect}, {figures}{late}"
    if wrong:
        observed += f"; {_errors(wanted, answer)}"
    return verdict(not bad, observed, expected_of(wanted), bad)


_LATE = 100.0
"""Milliseconds of lateness that are worth telling: below that the figures are the server's."""


def expected_of(wanted: Infer) -> str:
    """Return the bounds in words."""
    parts = [f"{wanted.rate:g} requests a second for {wanted.seconds:g} s: HTTP {wanted.expect}"]
    parts.append(f"at most {wanted.error_rate:.1%} failures" if wanted.error_rate else "no failure")
    for name in _BOUNDS:
        bound = getattr(wanted, f"{name}_ms")
        parts += [f"{name} ≤ {bound:g} ms"] if bound is not None else []
    return ", ".join(parts)


def _errors(wanted: Infer, answer: LoadAnswer) -> str:
    parts = [f"{count} × HTTP {status}" for status, count in answer.statuses.items() if status != wanted.expect]
    parts += [f"{count} × {WORDS.get(error, error)}" for error, count in answer.errors.items()]
    sample = f" ({clean(answer.sample.strip(), 160)})" if answer.sample.strip() else ""
    return ", ".join(parts) + sample
