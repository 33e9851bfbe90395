"""The check kinds that ask for more than lists and single requests: what passes, what fails, and the evidence."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from pydantic import ValidationError

from grader.cluster import (
    ExecAnswer,
    ExecRequest,
    HttpAnswer,
    HttpRequest,
    LoadAnswer,
    LoadRequest,
    Repository,
)
from grader.fake_cluster import FakeCluster, Inside
from grader.model import Check, Outcome, Verdict
from tests.unit.grader_world import NOW, NS, Clock, ago, deployment, pod, run

Json = dict[str, Any]
PODS = {"kind": "Pod", "namespace": NS, "selector": "app=a"}


def check(kind: str, body: Json) -> Check:
    return Check.model_validate({"id": "it", "about": "it is so", kind: body})


def judge(one: Check, cluster: FakeCluster, **more: Any) -> Verdict:
    return run(cluster, [one], settle=0, **more).checks[0]


def expect(verdict: Verdict, passes: bool | None, evidence: str) -> None:
    wanted = {True: Outcome.PASSED, False: Outcome.FAILED, None: Outcome.UNKNOWN}[passes]
    assert verdict.outcome is wanted, verdict.observed
    assert evidence in verdict.observed


def running(name: str, *, container: str = "c", **state: Any) -> Json:
    one = pod(name)
    one["metadata"] |= {"labels": {"app": "a"}, "uid": name}
    one["spec"]["containers"] = [{"name": container}]
    held = state or {"running": {"startedAt": ago(100)}}
    one["status"]["containerStatuses"] = [{"name": container, "ready": True, "state": held}]
    return one


# --- event -----------------------------------------------------------------------------------------------------------


def event(reason: str, message: str, *, name: str = "a-1", age: float = 10, count: int = 1) -> Json:
    return {
        "kind": "Event",
        "metadata": {"name": f"{name}.{reason}", "namespace": NS},
        "involvedObject": {"kind": "Pod", "name": name},
        "reason": reason,
        "type": "Warning",
        "message": message,
        "count": count,
        "lastTimestamp": ago(age),
    }


EVENTS = [
    event("FailedScheduling", "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.", count=7),
    event("Unhealthy", "Readiness probe failed: HTTP 503", age=300),
    event("Unhealthy", "of the grader's own pod", name="lab-client-1", age=1),
]
EVENT = [
    ({"reason": "FailedScheduling"}, True, "1 event, the newest 10 s ago: Pod a-1: FailedScheduling (7 times): 0/2"),
    ({"about": "Pod", "name": "a-*", "message_matches": r"Insufficient nvidia\.com"}, True, "0/2 nodes"),
    ({"reason": "Evicted"}, False, "no such event; the newest there: Pod a-1: FailedScheduling"),
    ({"reason": "Unhealthy", "within": 60}, False, "no such event"),
    ({"reason": "Unhealthy", "within": 60, "present": False}, True, "no such event"),
    ({"reason": "Unhealthy", "present": False}, False, "the newest 300 s ago: Pod a-1: Unhealthy"),
    ({"type": "Normal"}, False, "no such event"),
    ({"about": "Node"}, False, "no such event"),
]


@pytest.mark.parametrize(("body", "passes", "evidence"), EVENT)
def test_event(body: Json, passes: bool, evidence: str) -> None:
    expect(judge(check("event", body), FakeCluster(EVENTS, now=NOW)), passes, evidence)


# --- log -------------------------------------------------------------------------------------------------------------

LOGS = Inside(logs={"a-1": "start\nmodel loaded in 3 s\nready [/b]\n", "a-2": "start\nno such file \x1b[2J\n"})
LOG = [
    ({"matches": r"model loaded in \d+"}, True, "a-1: model loaded in 3 s"),
    ({"matches": "model loaded", "each": True}, False, "a-2: the last of 2 lines: no such file \\x1b[2J"),
    ({"matches": "^start$", "each": True}, True, "a-1: start"),
    ({"matches": "no such file", "present": False}, False, "a-2: no such file"),
    ({"matches": "Traceback", "present": False}, True, "a-1: the last of 3 lines: ready [/b]"),
    ({"matches": "start", "tail": 1}, False, "a-1: the last of 1 lines: ready"),
    ({"matches": "x", "container": "other"}, False, "a-1: no container `other`; found: c"),
    ({"matches": "x", "of": {**PODS, "selector": "app=b"}}, False, "no Pod with app=b in serving"),
    (
        {"matches": "x", "of": {**PODS, "selector": "", "name": "a-9"}},
        False,
        "no Pod `a-9` in serving; found: a-1, a-2",
    ),
]


@pytest.mark.parametrize(("body", "passes", "evidence"), LOG)
def test_log(body: Json, passes: bool, evidence: str) -> None:
    cluster = FakeCluster([running("a-1"), running("a-2")], inside=LOGS, now=NOW)
    expect(judge(check("log", {"of": PODS, **body}), cluster), passes, evidence)


def test_a_log_that_is_not_there_tells_the_pods_state() -> None:
    cluster = FakeCluster([running("a-1", waiting={"reason": "ImagePullBackOff"})], now=NOW)
    expect(
        judge(check("log", {"of": PODS, "matches": "x"}), cluster),
        passes=False,
        evidence="there is no log (ImagePullBackOff)",
    )


def test_a_wrong_pattern_is_told_when_the_scenario_is_read() -> None:
    with pytest.raises(ValidationError, match="not a regular expression"):
        check("log", {"of": PODS, "matches": "("})


# --- dry_run, exec ---------------------------------------------------------------------------------------------------


def rules(manifest: Json) -> str:
    privileged = "privileged" in json.dumps(manifest)
    return 'pods "x" is forbidden: violates PodSecurity "restricted"' if privileged else ""


def manifest(**spec: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}


DRY_RUN = [
    ({"manifest": manifest()}, True, "Pod serving/x is admitted"),
    ({"manifest": manifest(privileged=True)}, False, "Pod serving/x is refused: pods"),
    ({"manifest": manifest(privileged=True), "admitted": False}, True, "is refused"),
    ({"manifest": manifest(privileged=True), "admitted": False, "message_contains": "restricted"}, True, "is refused"),
    ({"manifest": manifest(privileged=True), "admitted": False, "message_contains": "quota"}, False, "is refused"),
    ({"manifest": manifest(), "admitted": False}, False, "is admitted"),
]


@pytest.mark.parametrize(("body", "passes", "evidence"), DRY_RUN)
def test_dry_run(body: Json, passes: bool, evidence: str) -> None:
    expect(judge(check("dry_run", body), FakeCluster(inside=Inside(admit=rules), now=NOW)), passes, evidence)


def shell(request: ExecRequest) -> ExecAnswer:
    if request.command[0] == "id":
        return ExecAnswer(0, "uid=65532\n" if request.pod == "a-1" else "uid=0(root)\n")
    if request.command[0] == "absent":
        return ExecAnswer(None, error='exec: "absent": executable file not found in $PATH')
    return ExecAnswer(2, "touch: /x: Read-only file system\n")


EXEC = [
    ({"command": ["id"]}, True, "a-1: ended with 0: uid=65532"),
    ({"command": ["id"], "output_matches": r"uid=65\d+", "each": True}, False, "a-2: ended with 0: uid=0(root)"),
    ({"command": ["touch", "/x"]}, False, "ended with 2: touch: /x: Read-only file system"),
    ({"command": ["touch", "/x"], "exit_code": 2, "output_matches": "Read-only"}, True, "ended with 2"),
    ({"command": ["touch", "/x"], "exit_code": None}, True, "ended with 2"),
    ({"command": ["absent"], "exit_code": None}, False, "cannot be run: exec"),
    ({"command": ["id"], "container": "z"}, False, "no container `z`; found: c"),
    ({"command": ["id"], "of": {**PODS, "selector": "app=b"}}, False, "no Pod with app=b"),
]


@pytest.mark.parametrize(("body", "passes", "evidence"), EXEC)
def test_exec(body: Json, passes: bool, evidence: str) -> None:
    cluster = FakeCluster([running("a-1"), running("a-2")], inside=Inside(run=shell), now=NOW)
    expect(judge(check("exec", {"of": PODS, **body}), cluster), passes, evidence)


def test_a_pod_that_has_ended_is_none_of_every_pod() -> None:
    refused = running("a-3", terminated={"exitCode": 0})
    refused["status"]["phase"] = "Failed"
    each = check("exec", {"of": PODS, "command": ["id"], "each": True})
    cluster = FakeCluster([running("a-1"), refused], inside=Inside(run=shell), now=NOW)
    expect(judge(each, cluster), passes=True, evidence="a-1: ended with 0")
    expect(judge(each, FakeCluster([refused], now=NOW)), passes=False, evidence="a-3: container c does not run")


def test_exec_in_what_does_not_run_is_a_failure_and_in_a_dead_cluster_is_none() -> None:
    cluster = FakeCluster([running("a-1", waiting={"reason": "CrashLoopBackOff"})], now=NOW)
    one = check("exec", {"of": PODS, "command": ["id"]})
    expect(judge(one, cluster), passes=False, evidence="a-1: container c does not run (CrashLoopBackOff)")
    cluster = FakeCluster([running("a-1")], now=NOW)
    cluster.failing["run"] = "the connection ended early"
    expect(judge(one, cluster), passes=None, evidence="the connection ended early")


# --- infer, metric ---------------------------------------------------------------------------------------------------

INFER = [
    (
        LoadAnswer(50, {200: 50}, p50=12, p95=30, p99=40),
        {},
        True,
        "50 of 50 requests answered 200, p50 12 ms, p95 30 ms",
    ),
    (LoadAnswer(50, {200: 50}, p99=400), {"p99_ms": 250}, False, "p99 400 ms"),
    (LoadAnswer(50, {200: 48, 503: 2}, sample="HTTP 503: full"), {}, False, "2 × HTTP 503 (HTTP 503: full)"),
    (LoadAnswer(50, {200: 49, 503: 1}), {"error_rate": 0.02}, True, "49 of 50 requests"),
    (LoadAnswer(50, {200: 40}, {"timeout": 10}), {"error_rate": 0.1}, False, "10 × timed out"),
    (LoadAnswer(0), {}, False, "0 of 0 requests"),
    (LoadAnswer(50, {200: 50}, behind=900), {}, True, "the client was late by up to 900 ms"),
    (LoadAnswer(50, {200: 50}, p99=400, behind=200), {"p99_ms": 250}, None, "this machine is too busy to measure"),
    (LoadAnswer(50, {200: 50}, p99=400, behind=100), {"p99_ms": 250}, False, "p99 400 ms"),
    (LoadAnswer(50, {200: 49}, p99=400, behind=200), {"p99_ms": 250}, False, "49 of 50 requests"),
]


@pytest.mark.parametrize(("answer", "bounds", "passes", "evidence"), INFER)
def test_infer(answer: LoadAnswer, bounds: Json, passes: bool | None, evidence: str) -> None:
    asked: list[LoadRequest] = []

    def load(request: LoadRequest) -> LoadAnswer:
        asked.append(request)
        return answer

    body = {"service": "web", "path": "/infer", "body": {"a": 1}, "rate": 10, "seconds": 5, **bounds}
    expect(judge(check("infer", body), FakeCluster(inside=Inside(load=load), now=NOW)), passes, evidence)
    assert asked[0] == LoadRequest("http://web.serving.svc:80/infer", body={"a": 1}, rate=10, seconds=5)


def prometheus(series: list[Any], kind: str = "vector") -> HttpAnswer:
    return HttpAnswer(200, json.dumps({"status": "success", "data": {"resultType": kind, "result": series}}))


def sample(value: str, **labels: str) -> Json:
    return {"metric": labels, "value": [1767268800, value]}


METRIC = [
    (prometheus([sample("1", __name__="up", pod="a"), sample("1", pod="b")]), ">= 1", True, "up{pod=a} = 1"),
    (prometheus([sample("1", pod="a"), sample("0", pod="b")]), "== 1", False, "{pod=b} = 0"),
    (prometheus([]), ">= 1", False, "the query yields no series"),
    (prometheus([sample("NaN")]), "< 5", False, "value = nan"),
    (prometheus([1767268800, "0.25"], "scalar"), "< 0.5", True, "value = 0.25"),
    (HttpAnswer(400, json.dumps({"status": "error", "error": "parse error"})), "> 1", None, "does not take the query"),
    (HttpAnswer(200, "<html>"), "> 1", None, "is no Prometheus"),
    (HttpAnswer(0, error="dns"), "> 1", None, "no Prometheus answers at prometheus.monitoring.svc:9090: there is none"),
]


@pytest.mark.parametrize(("answer", "bound", "passes", "evidence"), METRIC)
def test_metric(answer: HttpAnswer, bound: str, passes: bool | None, evidence: str) -> None:
    asked: list[HttpRequest] = []

    def web(request: HttpRequest) -> HttpAnswer:
        asked.append(request)
        return answer

    expect(
        judge(check("metric", {"query": 'up{a="b"}', "is": bound}), FakeCluster(http=web, now=NOW)), passes, evidence
    )
    assert asked[0].url == "http://prometheus.monitoring.svc:9090/api/v1/query?query=up%7Ba%3D%22b%22%7D"


def test_a_prometheus_of_the_task_that_does_not_answer_is_a_failure() -> None:
    body = {"query": "up", "is": "== 1", "namespace": NS}
    gone = FakeCluster(http=lambda _: HttpAnswer(0, error="refused"), now=NOW)
    expect(judge(check("metric", body), gone), passes=False, evidence=f"at prometheus.{NS}.svc:9090: there is none")


def test_where_there_is_no_series_the_targets_are_named_that_are_there_instead() -> None:
    def web(request: HttpRequest) -> HttpAnswer:
        known = [sample("1", job="prometheus", instance="localhost:9090")]
        return prometheus(known if request.url.endswith("query=up") else [])

    body = {"query": 'up{app="web"}', "is": "== 1"}
    evidence = "no series; targets Prometheus knows: prometheus localhost:9090"
    expect(judge(check("metric", body), FakeCluster(http=web, now=NOW)), passes=False, evidence=evidence)


def test_the_course_of_a_series_is_told_in_one_line() -> None:
    def web(request: HttpRequest) -> HttpAnswer:
        if "query_range" not in request.url:
            return prometheus([sample("1.5e6", pod="a")])
        end = NOW.timestamp()
        points = [[end - 120, "1e6"], [end - 5, "2e6"], [end, "9e6"]]
        return prometheus([{"metric": {"pod": "a"}, "values": points}], "matrix")

    body = {"query": "deriv(m[8s])", "is": "< 1", "plot": "m"}
    verdict = judge(check("metric", body), FakeCluster(http=web, now=NOW))
    expect(verdict, passes=False, evidence="{pod=a} = 1.5e+06")
    assert verdict.observed.splitlines()[1] == f"{{pod=a}}: ▁{'·' * 22}▂█ 1M to 9M in 120 s"


# --- helm, kustomize, git, image -------------------------------------------------------------------------------------


def release(version: int, status: str = "deployed", **config: Any) -> Json:
    data = {
        "name": "scorer",
        "version": version,
        "info": {"status": status, "description": "Upgrade complete"},
        "chart": {"metadata": {"name": "scorer", "version": "1.2.0"}},
        "config": config,
        "manifest": "kind: Deployment",
    }
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(data).encode()))).decode()
    labels = {"owner": "helm", "name": "scorer", "version": str(version)}
    meta = {"name": f"sh.helm.release.v1.scorer.v{version}", "namespace": NS, "labels": labels}
    return {"kind": "Secret", "metadata": meta, "data": {"release": packed}}


RELEASES = [release(9, password="hunter2"), release(10, replicas=2)]  # the tenth is newer than the ninth
HELM = [
    ({}, True, "scorer: revision 10 is deployed (Upgrade complete), chart scorer-1.2.0"),
    ({"chart": "scorer-1.2.0", "revision": 10, "values": {"replicas": 2}, "manifest_contains": "Deployment"}, True, ""),
    ({"values": {"replicas": 3}}, False, "values: replicas: observed 2, expected 3"),
    ({"chart": "other"}, False, "chart: observed scorer-1.2.0, expected other"),
    ({"revision": 11}, False, "revision: observed 10, expected 11 or a later one"),
    ({"status": "failed"}, False, "status: observed deployed, expected failed"),
    ({"manifest_contains": "Ingress"}, False, "the rendered manifest lacks Ingress"),
    ({"secret_free": "hunter2"}, False, "the values of revision 9 hold what must not be in them"),
    ({"release": "scorr"}, False, "no release `scorr`; found: scorer"),
]


@pytest.mark.parametrize(("body", "passes", "evidence"), HELM)
def test_helm(body: Json, passes: bool, evidence: str) -> None:
    verdict = judge(check("helm", {"release": "scorer", **body}), FakeCluster(RELEASES, now=NOW))
    expect(verdict, passes, evidence)
    assert "hunter2" not in verdict.model_dump_json()


@pytest.mark.parametrize(
    "packed", ["", "%%%", base64.b64encode(base64.b64encode(gzip.compress(b" " * (20 << 20)))).decode()]
)
def test_a_release_that_cannot_be_read_costs_nothing(packed: str) -> None:
    secret = release(1)
    secret["data"]["release"] = packed
    expect(
        judge(check("helm", {"release": "scorer"}), FakeCluster([secret], now=NOW)),
        passes=None,
        evidence="no Helm release",
    )


def rendered(name: str, **spec: Any) -> Json:
    return {"kind": "Deployment", "metadata": {"name": name}, "spec": spec}


KUSTOMIZE = [
    (rendered("api", replicas=2), {}, True, "Deployment api has every field"),
    (rendered("api", replicas=3), {}, False, "spec.replicas: observed 2, expected 3"),
    (rendered("api-*", replicas=1), {}, True, "has every field"),
    (rendered("web"), {}, False, "no Deployment `web`; found: api, api-x7k"),
    (rendered("api"), {"count": 1}, False, "2 rendered Deployment, expected 1"),
    (rendered("api"), {"folder": "broken"}, False, "no matches for Id"),
]


@pytest.mark.parametrize(("wanted", "more", "passes", "evidence"), KUSTOMIZE)
def test_kustomize(wanted: Json, more: Json, passes: bool, evidence: str) -> None:
    out: dict[str, list[Json] | str] = {
        "prod": [rendered("api", replicas=2), rendered("api-x7k", replicas=1)],
        "broken": "kubectl kustomize: no matches for Id",
    }
    body = {"folder": "prod", "object": wanted, **more}
    expect(judge(check("kustomize", body), FakeCluster(rendered=out, now=NOW)), passes, evidence)


GIT = [
    ({"branch": "main", "file": "a.yaml", "matches": "^image: x:2$"}, True, "branch main, newest commit: Pin x"),
    ({"matches": "Pin"}, True, "Pin x"),
    ({"matches": "Unpin"}, False, "the newest commit's message has nothing like /Unpin/"),
    ({"branch": "prod"}, False, "branch: observed main, expected prod"),
    ({"clean": True}, False, "not committed: b.yaml"),
    ({"file": "a.yaml", "matches": "x:3"}, False, "a.yaml has nothing like /x:3/"),
    ({"lacks": "hunter2"}, False, "still there: a.yaml in commit 1a2b3c4, kept by main"),
    ({"purged": True, "lacks": "hunter2"}, False, "2 objects that no branch, tag or stash keeps still hold it"),
    ({"folder": "none"}, False, "there is no Git repository in `none`"),
]


@pytest.mark.parametrize(("body", "passes", "evidence"), GIT)
def test_git(body: Json, passes: bool, evidence: str) -> None:
    found = ("a.yaml in commit 1a2b3c4, kept by main",) if "lacks" in body else ()
    state = Repository("main", ("b.yaml",), "Pin x\n\nBecause.", "kind: X\nimage: x:2\n", found, ("blob 1", "blob 2"))
    verdict = judge(check("git", body), FakeCluster(inside=Inside(repositories={".": state}), now=NOW))
    expect(verdict, passes, evidence)
    assert "hunter2" not in verdict.model_dump_json()


# --- triggered -------------------------------------------------------------------------------------------------------


def ready() -> Check:
    observe = {"p": {"kind": "Pod", "namespace": NS}}
    return Check.model_validate({"id": "two", "about": "two pods", "cel": "size(p) == 2", "observe": observe})


def trigger(**body: Any) -> Check:
    return check("triggered", {"then": "two", "within": 20, **body})


@pytest.mark.parametrize("port", [0, 65536, "how many", "HTTP", "http-", "", "x" * 64])
def test_what_is_no_port_is_told_when_the_scenario_is_read(port: int | str) -> None:
    for good in (80, "http", "x" * 63):
        Check.model_validate({"id": "a", "about": "a", "http": {"service": "web", "port": good}})
    with pytest.raises(ValidationError, match="a port is a number up to 65535, or the name"):
        Check.model_validate({"id": "a", "about": "a", "http": {"service": "web", "port": port}})


def test_what_comes_back_after_a_deletion_passes_and_what_does_not_fails() -> None:
    act = {"delete": {"kind": "Pod", "name": "a-1"}}
    cluster = FakeCluster([running("a-1"), running("a-2")], now=NOW)
    clock = Clock(cluster)
    clock.at(3, lambda: cluster.objects.append(running("a-3")))
    report = run(cluster, [trigger(do=act), ready()], clock)
    assert report.passed
    assert report.checks[0].observed == "passed 3 s after deleting Pod"
    lost = run(FakeCluster([running("a-1"), running("a-2")], now=NOW), [trigger(do=act), ready()])
    assert lost.checks[0].observed.startswith("20 s after deleting Pod: p: 1 Pod (a-2)")
    assert (lost.checks[0].outcome, lost.checks[1].outcome) == (Outcome.FAILED, Outcome.PASSED)


def test_what_is_scaled_or_cordoned_is_put_back() -> None:
    node = {"kind": "Node", "metadata": {"name": "n", "uid": "n"}, "spec": {}}
    cluster = FakeCluster([running("a-1"), running("a-2"), deployment(), node], now=NOW)
    scale = {"scale": {"kind": "Deployment", "name": "embedder"}, "replicas": 5}
    assert run(cluster, [trigger(do=scale), ready()]).passed
    assert run(cluster, [trigger(do={"drain": {"kind": "Node", "name": "n"}}), ready()]).passed
    assert cluster.find("Deployment", "embedder")["spec"]["replicas"] == 1
    assert not cluster.find("Node", "n")["spec"]["unschedulable"]


def test_load_meanwhile_is_judged_too() -> None:
    answers = {"bad": 0}

    def load(_: LoadRequest) -> LoadAnswer:
        return LoadAnswer(100, {200: 100 - answers["bad"]}, {"reset": answers["bad"]} if answers["bad"] else {})

    cluster = FakeCluster([running("a-1"), running("a-2"), deployment()], inside=Inside(load=load), now=NOW)
    one = trigger(do={"restart": {"kind": "Deployment", "name": "embedder"}}, under={"service": "web"})
    assert "meanwhile 100 of 100 requests" in run(cluster, [one, ready()]).checks[0].observed
    answers["bad"] = 3
    broken = run(cluster, [one, ready()]).checks[0]
    assert broken.outcome is Outcome.FAILED
    assert broken.observed.startswith("while and after restarting Deployment: 97 of 100")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (LoadAnswer(100, {200: 80}, {"timeout": 20}, behind=1400), Outcome.UNKNOWN),  # nobody had time
        (LoadAnswer(100, {200: 80}, {"timeout": 20}, behind=90), Outcome.FAILED),
        (LoadAnswer(100, {200: 80, 503: 20}, behind=1400), Outcome.FAILED),  # a server was there and said no
        (LoadAnswer(100, {200: 100}, behind=1400), Outcome.PASSED),
    ],
)
def test_a_machine_without_time_is_told_from_a_wrong_fix(answer: LoadAnswer, outcome: Outcome) -> None:
    inside = Inside(load=lambda _: answer)
    cluster = FakeCluster([running("a-1"), running("a-2"), deployment()], inside=inside, now=NOW)
    act = {"restart": {"kind": "Deployment", "name": "embedder"}}
    verdict = run(cluster, [trigger(do=act, under={"service": "web"}), ready()]).checks[0]
    assert verdict.outcome is outcome, verdict.observed
    if outcome is Outcome.UNKNOWN:
        assert "too busy to measure" in verdict.observed
        assert "80 of 100 requests" in verdict.observed
        assert "hint: grade again" in verdict.observed


def test_nothing_is_done_to_a_task_that_fails_anyway_or_a_cluster_that_is_gone() -> None:
    act = {"delete": {"kind": "Pod", "name": "a-1"}}
    cluster = FakeCluster([running("a-1")], now=NOW)
    assert run(cluster, [trigger(do=act), ready()]).checks[0].observed.startswith("`two` does not hold now")
    assert not any(question.startswith("act") for question in cluster.asked)
    cluster = FakeCluster([running("a-1"), running("a-2")], now=NOW)
    cluster.failing["act"] = "gone"
    report = run(cluster, [trigger(do=act), ready()])
    assert (report.checks[0].outcome, report.points, report.passed) == (Outcome.UNKNOWN, 1, False)
    none = run(
        FakeCluster([running("a-1"), running("a-2")], now=NOW), [trigger(do={"delete": {"kind": "Job"}}), ready()]
    )
    assert none.checks[0].observed == "there is no Job to delete"


@pytest.mark.parametrize(
    "body", [{"then": "x"}, {"then": "x", "do": {}}, {"then": "x", "do": {"delete": PODS, "restart": PODS}}]
)
def test_an_action_is_one_action(body: Json) -> None:
    with pytest.raises(ValidationError):
        check("triggered", body)
