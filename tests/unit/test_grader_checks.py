"""Each check kind on a fake cluster: what passes, what fails, and the evidence it gives."""

from __future__ import annotations

from typing import Any

import pytest

from grader.capabilities import Capabilities, Requires
from grader.cluster import HttpAnswer, HttpRequest
from grader.fake_cluster import FakeCluster, selected
from grader.model import Access, Check, Outcome, Verdict
from grader.runner import grade

NS = "serving"


def obj(kind: str, name: str, *, labels: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name, "namespace": NS, "uid": f"uid-{name}", "labels": labels or {}}
    return {"kind": kind, "metadata": meta, **fields}


def available(status: str) -> dict[str, Any]:
    reason = "MinimumReplicasAvailable" if status == "True" else "MinimumReplicasUnavailable"
    condition = {"type": "Available", "status": status, "reason": reason, "message": "[/b] Deployment says so"}
    return {"conditions": [condition]}


OBJECTS = [
    obj("Deployment", "predictorr", labels={"app": "p"}, spec={"replicas": 1}, status=available("False")),
    obj("Deployment", "gateway", labels={"app": "g"}, spec={"replicas": 2}, status=available("True")),
    obj("Service", "gateway", spec={"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}),
    obj("Service", "empty", spec={"ports": [{"port": 80}]}),
    obj(
        "EndpointSlice",
        "gateway-x",
        labels={"kubernetes.io/service-name": "gateway"},
        endpoints=[{"conditions": {"ready": True}}, {"conditions": {"ready": False}}],
    ),
    obj("Pod", "gateway-1", labels={"app": "g"}, spec={"nodeName": "cpu-1"}, status={"phase": "Running"}),
    obj("Pod", "lab-client", labels={"app": "g", "labs.io/prober": "true"}, spec={}, status={"phase": "Failed"}),
]


def check(kind: str, body: Any, **more: Any) -> Check:
    return Check.model_validate({"id": "it", "about": "it is so", "why": "it matters", kind: body, **more})


def judge(one: Check, cluster: FakeCluster) -> Verdict:
    report = grade(
        "t", [one], [], cluster, has=Capabilities(), requires=Requires(), namespaces=[NS], baseline=None, settle=0
    )
    assert report.checks[0].why == "it matters"
    return report.checks[0]


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    return {"object": {"kind": "Deployment", "metadata": {"name": name, "namespace": NS}, "spec": spec}}


MATCH = [
    (deployment("gateway", replicas=2), True, "Deployment serving/gateway has every field"),
    (deployment("gateway", replicas=3), False, "spec.replicas: observed 2, expected 3"),
    (deployment("predictor", replicas=1), False, "no Deployment `predictor` in serving; found: predictorr, gateway"),
    ({"object": {"kind": "Deployment", "metadata": {"name": "gateway"}}}, True, "gateway"),
    ({"object": {"kind": "Widget", "metadata": {"name": "w"}}}, False, "no Widget `w` in serving; found: none"),
]


@pytest.mark.parametrize(("body", "passes", "evidence"), MATCH)
def test_match(body: dict[str, Any], passes: bool, evidence: str) -> None:
    verdict = judge(check("match", body), FakeCluster(OBJECTS))
    assert (verdict.outcome is Outcome.PASSED) == passes
    assert evidence in verdict.observed
    assert bool(verdict.mismatches) != passes


def test_a_match_without_a_name_is_the_authors_mistake() -> None:
    verdict = judge(check("match", {"object": {"kind": "Pod"}}), FakeCluster(OBJECTS))
    assert verdict.outcome is Outcome.UNKNOWN
    assert "metadata.name" in verdict.observed


PODS = {"pods": {"kind": "Pod", "namespace": NS}}
CEL = [
    ("pods.all(p, p.status.phase == 'Running')", "", True, "pods: 1 Pod (gateway-1)"),
    ("size(pods) == 2", "", False, "pods: 1 Pod (gateway-1)"),
    ("size(pods) == 2", "pods.map(p, p.spec.nodeName)", False, "cpu-1"),
    ("size(pods) == 2", "pods.map(p, p.no.such)", False, "pods: 1 Pod (gateway-1)"),
    ("pods.all(p, p.status.reason == '')", "", False, "no field `reason` on an object this check reads"),
]


@pytest.mark.parametrize(("source", "show", "passes", "evidence"), CEL)
def test_cel(source: str, show: str, passes: bool, evidence: str) -> None:
    verdict = judge(check("cel", source, show=show, observe=PODS), FakeCluster(OBJECTS))
    assert (verdict.outcome is Outcome.PASSED) == passes
    assert evidence in verdict.observed
    assert verdict.expected == "it is so"


def test_cel_tells_of_empty_lists_and_of_the_authors_mistakes() -> None:
    none = {"pods": {"kind": "Pod", "namespace": NS, "selector": "app=x"}}
    assert judge(check("cel", "size(pods) > 0", observe=none), FakeCluster(OBJECTS)).observed == (
        "pods: no Pod with app=x in serving"
    )
    for source in ("size(pods", "size(podz) > 0", "pods.map(p, p)"):
        verdict = judge(check("cel", source, observe=PODS), FakeCluster(OBJECTS))
        assert verdict.outcome is Outcome.UNKNOWN
        assert "hint:" in verdict.observed


def test_cel_over_rendered_objects() -> None:
    rendered: dict[str, list[dict[str, Any]] | str] = {
        "prod": [obj("Deployment", "x", spec={"replicas": 3})],
        "broken": "kubectl kustomize: no such patch target",
    }
    cluster = FakeCluster(OBJECTS, rendered=rendered)
    ok = check("cel", "out.exists(o, o.spec.replicas == 3)", observe={"out": {"kustomize": "prod"}})
    assert judge(ok, cluster).outcome is Outcome.PASSED
    broken = judge(check("cel", "size(out) > 0", observe={"out": {"kustomize": "broken"}}), cluster)
    assert broken.outcome is Outcome.FAILED
    assert broken.observed == "kubectl kustomize: no such patch target"


def of(**more: str) -> dict[str, Any]:
    return {"kind": "Deployment", "namespace": NS, **more}


CONDITION = [
    ({"of": of(name="gateway"), "type": "Available"}, True, "Available is True (MinimumReplicasAvailable"),
    (
        {"of": of(), "type": "Available"},
        False,
        "serving/predictorr: Available is False (MinimumReplicasUnavailable: [/b]",
    ),
    ({"of": of(name="gateway"), "type": "Progressing"}, False, "has no condition Progressing"),
    (
        {"of": of(name="gate"), "type": "Available"},
        False,
        "no Deployment `gate` in serving; found: predictorr, gateway",
    ),
    ({"of": of(selector="app=x"), "type": "Available"}, False, "no Deployment with app=x in serving"),
    ({"of": of(name="predictorr"), "type": "Available", "status": "False"}, True, "Available is False"),
    ({"of": of(name="gateway"), "type": "Available", "reason": "Other"}, False, "MinimumReplicasAvailable"),
]


@pytest.mark.parametrize(("body", "passes", "evidence"), CONDITION)
def test_condition(body: dict[str, Any], passes: bool, evidence: str) -> None:
    verdict = judge(check("condition", body), FakeCluster(OBJECTS))
    assert (verdict.outcome is Outcome.PASSED) == passes
    assert evidence in verdict.observed


REFUSED = HttpAnswer(0, error="refused", message="[Errno 111] Connection refused")
WEB = {
    "http://gateway.serving.svc:80/": HttpAnswer(200, body='{"model": {"name": "m", "version": 2}}', ms=12.4),
    "http://gateway.serving.svc:80/down": HttpAnswer(503, body="model not loaded\x1b[2J", ms=3),
    "http://empty.serving.svc:80/": REFUSED,
    "http://outside.example/": HttpAnswer(0, error="timeout", message="timed out"),
}
HTTP = [
    ({"service": "gateway"}, True, "HTTP 200 in 12 ms"),
    ({"service": "gateway", "port": "http"}, True, "HTTP 200 in 12 ms"),
    (
        {"service": "gateway", "path": "/down"},
        False,
        r"HTTP 503: model not loaded\x1b[2J; Service gateway has 1 ready of 2",
    ),
    (
        {"service": "empty"},
        False,
        "connection refused ([Errno 111] Connection refused); Service empty has no endpoints",
    ),
    (
        {"service": "gatewai"},
        False,
        "no such host (Name or service not known); no Service `gatewai` in serving; found:",
    ),
    ({"service": "gateway", "port": "grpc"}, False, "does not exist"),
    ({"service": "gateway", "body_contains": "version"}, True, "HTTP 200"),
    ({"service": "gateway", "body_contains": "other"}, False, "HTTP 200, but the body lacks other"),
    ({"service": "gateway", "body_match": {"model": {"version": 2}}}, True, "HTTP 200"),
    ({"service": "gateway", "body_match": {"model": {"version": 3}}}, False, "model.version: observed 2, expected 3"),
    ({"service": "empty", "expect": "refused"}, True, "connection refused"),
    ({"service": "empty", "expect": "unreachable"}, True, "connection refused"),
    ({"service": "empty", "expect": "timeout"}, False, "connection refused"),
    ({"service": "gateway", "expect": "unreachable"}, False, "HTTP 200"),
    ({"url": "http://outside.example/"}, False, "timed out"),
    ({"url": "http://outside.example/", "expect": "unreachable"}, True, "timed out"),
]


@pytest.mark.parametrize(("body", "passes", "evidence"), HTTP)
def test_http(body: dict[str, Any], passes: bool, evidence: str) -> None:
    verdict = judge(check("http", body), FakeCluster(OBJECTS, http=WEB))
    assert (verdict.outcome is Outcome.PASSED) == passes
    assert evidence in verdict.observed


def test_http_counts_what_goes_wrong_now_and_then() -> None:
    answers = iter([200, 200, 500, 200, 500])

    def web(_: HttpRequest) -> HttpAnswer:
        return HttpAnswer(next(answers))

    verdict = judge(check("http", {"service": "gateway", "attempts": 5}), FakeCluster(OBJECTS, http=web))
    assert verdict.outcome is Outcome.FAILED
    assert verdict.observed.startswith("3 of 5 requests as expected; 2 × HTTP 500")
    assert verdict.expected == "5 of 5 requests: HTTP 200"
    assert verdict.mismatches == ["GET http://gateway.serving.svc:80/: HTTP 500"]


def test_a_slow_name_server_is_no_failure_where_it_answered_others() -> None:
    late = HttpAnswer(0, error="dns", message="[Errno -3] the name was not resolved in time")

    def asked(*answers: HttpAnswer) -> Verdict:
        left = iter(answers)
        cluster = FakeCluster(OBJECTS, http=lambda _: next(left))
        return judge(check("http", {"service": "gateway", "attempts": len(answers)}), cluster)

    assert asked(HttpAnswer(200), late).outcome is Outcome.UNKNOWN
    assert asked(HttpAnswer(500), late).outcome is Outcome.FAILED
    assert asked(late, late).outcome is Outcome.FAILED


def test_access() -> None:
    def rules(question: Access) -> bool:
        return question.verb == "get"

    may = {"serviceaccount": "serving/reader", "verb": "get", "resource": "pods/log", "namespace": NS}
    cluster = FakeCluster(access=rules)
    assert judge(check("access", may), cluster).outcome is Outcome.PASSED
    must_not = judge(check("access", {**may, "allowed": False}), cluster)
    assert must_not.outcome is Outcome.FAILED
    assert must_not.observed == "ServiceAccount serving/reader may get pods/log in serving: allowed"
    assert must_not.expected.endswith(": denied")
    assert judge(check("access", {**may, "verb": "delete", "allowed": False}), cluster).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("selector", "picked"),
    [
        ("", True),
        ("a=1", True),
        ("a==1,b", True),
        ("a!=1", False),
        ("c!=1", True),
        ("!c", True),
        ("!a", False),
        ("a in (1, 2),b notin (x)", True),
        ("a in (2)", False),
        ("c notin (2)", True),
    ],
)
def test_the_fake_understands_selectors(selector: str, picked: bool) -> None:
    assert selected(selector, {"a": "1", "b": "2"}) is picked
