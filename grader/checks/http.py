"""`http`: a request sent from inside the cluster, and what came back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from grader import targets
from grader.cluster import HttpAnswer, HttpRequest
from grader.compare import differences
from grader.errors import Unanswered
from grader.finding import Finding, Scene, given, verdict
from grader.model import Check, Http, Json
from grader.snapshot import Question
from grader.text import clean, shown

_LATE = "not resolved in time"
"""The probe's words for a name server that is slow; where it has answered others, the name is there."""

_UNREACHABLE = frozenset({"refused", "timeout", "dns"})
WORDS = {
    "dns": "no such host",
    "refused": "connection refused",
    "timeout": "timed out",
    "reset": "connection reset",
    "tls": "TLS failed",
}


def reads(check: Check, namespaces: tuple[str, ...]) -> list[Question]:
    """Return the Services (for named ports) and EndpointSlices (for the evidence) of the Service's namespace."""
    http = given(check, "http", check.http)
    return targets.reads(http, namespaces)


def look(check: Check, scene: Scene) -> Finding:
    """Send the requests; every one must meet the expectation."""
    http = given(check, "http", check.http)
    expected = _expected(http)
    url = targets.url(http, scene)
    if url is None:
        answers = [HttpAnswer(status=0, error="dns", message=targets.NOWHERE)]
        url = targets.place(http, scene)
    else:
        answers = scene.cluster.http(_request(http, url))
    late = [answer for answer in answers if answer.error == "dns" and _LATE in answer.message]
    lines = [_wrong(http, answer) for answer in answers if len(late) == len(answers) or answer not in late]
    bad = [line for line in lines if line]
    if late and len(late) < len(answers) and not bad:
        raise Unanswered(f"the cluster's DNS was too slow for {len(late)} of {len(answers)} requests")
    observed = _observed(answers, bad)
    if bad and not http.url:
        observed = f"{observed}; {targets.endpoints(http, scene)}"
    told = [f"{http.method} {clean(url, 120)}: {line}" for line in dict.fromkeys(bad)]
    return verdict(not bad and bool(answers), observed, expected, told[:6])


def _request(http: Http, url: str) -> HttpRequest:
    return HttpRequest(
        url=url,
        method=http.method,
        headers=http.headers,
        body=http.body,
        timeout=http.timeout,
        count=http.attempts,
        client=http.client,
    )


def _expected(http: Http) -> str:
    answer = f"HTTP {http.expect}" if isinstance(http.expect, int) else _expected_error(str(http.expect))
    parts = [f"{http.attempts} of {http.attempts} requests: {answer}" if http.attempts > 1 else answer]
    if http.body_contains:
        parts.append(f"body contains {shown(http.body_contains, 120)}")
    if http.body_match is not None:
        parts.append(f"body has {shown(http.body_match, 160)}")
    return ", ".join(parts)


def _expected_error(expect: str) -> str:
    return "no connection (refused, timed out or no such host)" if expect == "unreachable" else WORDS[expect]


def _wrong(http: Http, answer: HttpAnswer) -> str:
    """Return what is wrong with an answer, or nothing."""
    if not isinstance(http.expect, int):
        wanted = _UNREACHABLE if http.expect == "unreachable" else {http.expect}
        return "" if answer.error in wanted else _told(answer)
    if answer.status != http.expect or answer.error:
        return _told(answer)
    if http.body_contains and http.body_contains not in answer.body:
        return f"HTTP {answer.status}, but the body lacks {shown(http.body_contains, 120)}: {clean(answer.body, 160)}"
    if http.body_match is not None:
        return _body(http.body_match, answer)
    return ""


def _body(wanted: Json, answer: HttpAnswer) -> str:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return f"HTTP {answer.status}, but the body is no JSON: {clean(answer.body, 160)}"
    lines = differences(wanted, found)
    return f"HTTP {answer.status}, body {'; '.join(lines[:3])}" if lines else ""


def _told(answer: HttpAnswer) -> str:
    if answer.error:
        message = f" ({clean(answer.message, 160)})" if answer.message else ""
        return f"{WORDS.get(answer.error, 'failed')}{message}"
    return f"HTTP {answer.status}{f': {clean(answer.body.strip(), 160)}' if answer.body.strip() else ''}"


def _observed(answers: Sequence[HttpAnswer], bad: Sequence[str]) -> str:
    """Return the answers in one line; several are counted, each kind once."""
    if len(answers) == 1:
        return bad[0] if bad else _brief(answers[0])
    counts = Counter(bad)
    fine = len(answers) - len(bad)
    parts = [f"{fine} of {len(answers)} requests as expected"]
    return "; ".join(parts + [f"{count} × {line}" for line, count in counts.most_common(3)])


def _brief(answer: HttpAnswer) -> str:
    return _told(answer) if answer.error else f"HTTP {answer.status} in {answer.ms:.0f} ms"
