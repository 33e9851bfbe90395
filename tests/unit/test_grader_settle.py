"""When a verdict is final: what is waited for, what is not, and that no right fix is judged too early."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from grader.cluster import ExecAnswer, ExecRequest, HttpAnswer, HttpRequest
from grader.errors import Unanswered
from grader.fake_cluster import FakeCluster, Inside
from grader.model import Check, Guard, Outcome
from tests.unit.grader_world import NOW, NS, Clock, ago, deployment, hold_check, http_check, pod, ready_check, run, web

Json = dict[str, Any]


def meta(name: str, *, age: float = 3600, namespace: str = NS) -> Json:
    return {"name": name, "namespace": namespace, "uid": name, "creationTimestamp": ago(age)}


def waiting(reason: str, *, since: float = 1, **status: Any) -> Json:
    one = pod(since=since, containerStatuses=[{"name": "c", "state": {"waiting": {"reason": reason}}}], **status)
    one["metadata"]["creationTimestamp"] = ago(since)
    return one


def pending(reason: str) -> Json:
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "lastTransitionTime": ago(1)}
    return pod(phase="Pending", containerStatuses=[], conditions=[condition])


def event(reason: str, age: float, name: str = "gone-1") -> Json:
    about = {"kind": "Pod", "namespace": NS, "name": name}
    return {"kind": "Event", "metadata": meta(f"e-{reason}"), "reason": reason, "involvedObject": about} | {
        "lastTimestamp": ago(age)
    }


def probed(**probes: Any) -> Json:
    one = pod(since=1)
    one["spec"]["containers"][0] |= {"readinessProbe": {"periodSeconds": 1}, **probes}
    return one


def started_as_job() -> Json:
    one = pod(since=20)
    one["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "j"}]
    return one


def refused(age: float) -> Json:
    one = deployment(changed=age)
    one["status"]["conditions"] = [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}]
    return one


def progressing(age: float) -> Json:
    one = deployment()
    one["status"]["conditions"] = [{"type": "Progressing", "reason": "ReplicaSetUpdated", "lastUpdateTime": ago(age)}]
    return one


def ending(seconds: float) -> Json:
    return {**pod(), "metadata": {**pod()["metadata"], "deletionTimestamp": ago(seconds)}}


SLOW_START = {"startupProbe": {"periodSeconds": 10, "failureThreshold": 30}}

WAITED = [
    # what cannot change without the learner is confirmed after a second, and told
    ([], 1, 1),
    ([pod(since=60)], 1, 1),
    ([waiting("CrashLoopBackOff")], 1, 1),
    ([waiting("ErrImagePull", phase="Pending")], 1, 1),
    ([waiting("ImagePullBackOff", phase="Pending")], 1, 1),
    ([waiting("CreateContainerConfigError", phase="Pending")], 1, 1),
    ([pending("Unschedulable")], 1, 1),
    ([pending("SchedulingGated")], 1, 1),
    ([ending(60)], 1, 1),
    ([started_as_job()], 1, 1),
    ([refused(60)], 1, 1),
    ([event("BackOff", 1), event("Unhealthy", 1)], 1, 1),
    ([event("Killing", 1, "lab-client-1")], 1, 1),
    ([{"kind": "Service", "metadata": meta("s", age=1, namespace="other")}], 1, 1),
    ([{"kind": "Lease", "metadata": meta("l", age=0)}], 1, 1),
    # what may still come right is waited for
    ([probed()], 6, 7),
    ([probed(**SLOW_START)], 9, 10),
    ([waiting("ContainerCreating", phase="Pending")], 9, 10),
    ([waiting("ContainerCreating", phase="Pending"), event("Pulling", 1, "embedder-1")], 30, 31),
    ([pending("")], 4, 5),
    ([ending(-20)], 24, 26),
    ([progressing(1)], 4, 5),
    ([refused(1)], 9, 10),
    ([event("Killing", 1)], 4, 5),
    ([{"kind": "Service", "metadata": meta("s", age=1)}], 4, 5),
    ([waiting("CreateContainerConfigError"), {"kind": "ConfigMap", "metadata": meta("c", age=1)}], 14, 15),
    ([deployment(generation=3)], 30, 31),
]


@pytest.mark.parametrize(("things", "least", "most"), WAITED)
def test_what_is_waited_for(things: list[Json], least: float, most: float) -> None:
    report = run(FakeCluster(things, http=web(503), now=NOW), [ready_check(), http_check()])
    assert report.checks[1].outcome is Outcome.FAILED
    assert least <= report.seconds <= most, report.notes


def test_a_settled_failure_is_told_after_a_second_look() -> None:
    report = run(FakeCluster([deployment()], now=NOW), [ready_check()])
    assert (report.checks[0].outcome, report.checks[0].looks, report.seconds) == (Outcome.FAILED, 2, 1)
    assert (report.points, report.possible, report.passed, report.notes) == (0, 2, False, [])


def test_a_rollout_is_waited_for_and_said() -> None:
    cluster = FakeCluster([deployment(changed=1)], now=NOW)
    clock = Clock(cluster)
    clock.at(3, lambda: cluster.find("Deployment", "embedder")["status"].update(readyReplicas=1))
    said: list[str] = []
    report = run(cluster, [ready_check()], clock, on_progress=said.append)
    assert report.passed
    assert report.notes == ["waited 3 s for the rollout of Deployment serving/embedder"]
    assert said[0] == "waiting for the rollout of Deployment serving/embedder (at most 30 s)"
    assert said[-1] == "waiting for the rollout of Deployment serving/embedder (2 s so far, at most 30 s)"
    assert report.checks[0].mismatches == []


def rollout(cluster: FakeCluster, clock: Clock, *, good: bool) -> None:
    """Play a rollout as a cluster does: a new pod is scheduled, starts, and after six seconds is ready, or never."""
    cluster.objects.append(deployment(changed=0))

    def now() -> str:
        return (cluster.now()).strftime("%Y-%m-%dT%H:%M:%SZ")

    def create() -> None:
        one = waiting("ContainerCreating", since=0, phase="Pending")
        one["metadata"]["creationTimestamp"] = now()
        one["spec"] = probed()["spec"]
        cluster.objects.append(one)

    def start() -> None:
        status = {"name": "c", "ready": False, "state": {"running": {"startedAt": now()}}}
        cluster.find("Pod", "embedder-1")["status"].update(phase="Running", containerStatuses=[status])

    def ready() -> None:
        cluster.find("Pod", "embedder-1")["status"]["containerStatuses"][0]["ready"] = True
        cluster.find("Deployment", "embedder")["status"]["readyReplicas"] = 1

    clock.at(1, create)
    clock.at(3, start)
    if good:
        clock.at(9, ready)


def test_a_right_fix_is_never_judged_before_it_works() -> None:
    cluster = FakeCluster(now=NOW)
    clock = Clock(cluster)
    rollout(cluster, clock, good=True)
    report = run(cluster, [ready_check()], clock)
    assert report.passed
    assert report.seconds == 9


def test_a_wrong_fix_is_told_when_its_pods_had_their_time() -> None:
    cluster = FakeCluster(now=NOW)
    clock = Clock(cluster)
    rollout(cluster, clock, good=False)
    report = run(cluster, [ready_check()], clock)
    assert report.checks[0].outcome is Outcome.FAILED
    assert report.seconds == 10  # seven seconds after its container started


def test_a_slow_start_is_waited_for_when_the_author_says_so() -> None:
    cluster = FakeCluster([probed(**SLOW_START)], now=NOW)
    assert run(cluster, [ready_check()], settle=90).seconds == pytest.approx(29, abs=1)


# --- what leaves no time behind --------------------------------------------------------------------------------------


def test_an_object_that_was_deleted_just_before_the_first_look_is_looked_at_again() -> None:
    answers = {"now": 0}

    def policy_takes_effect(_: HttpRequest) -> HttpAnswer:
        return HttpAnswer(answers["now"], error="" if answers["now"] else "timeout")

    cluster = FakeCluster(http=policy_takes_effect, now=NOW)
    clock = Clock(cluster)
    clock.at(1, lambda: answers.update(now=200))
    assert run(cluster, [http_check()], clock).passed


def test_an_object_that_goes_between_two_looks_is_motion() -> None:
    policy = {"kind": "NetworkPolicy", "metadata": meta("deny")}
    cluster = FakeCluster([policy], http=web(503), now=NOW)
    clock = Clock(cluster)
    clock.at(1, lambda: cluster.objects.remove(cluster.find("NetworkPolicy", "deny")))
    report = run(cluster, [http_check()], clock)
    assert report.notes == ["waited 6 s for the removal of NetworkPolicy serving/deny to take effect"]


def test_lists_that_cannot_be_read_for_a_while_are_no_removals() -> None:
    cluster = FakeCluster([{"kind": "NetworkPolicy", "metadata": meta("deny")}], http=web(503), now=NOW)
    clock = Clock(cluster)
    cluster.failing["read NetworkPolicy"] = "slow"
    clock.at(0.5, cluster.failing.clear)
    assert run(cluster, [http_check()], clock).seconds == 1


def test_the_evidence_of_a_request_is_as_young_as_the_request() -> None:
    """Endpoints become ready while the requests are on their way: the look is no verdict, and its evidence agrees."""
    slices = {"kind": "EndpointSlice", "metadata": meta("x"), "endpoints": [{"conditions": {"ready": False}}]}
    slices["metadata"]["labels"] = {"kubernetes.io/service-name": "embedder"}
    service = {"kind": "Service", "metadata": meta("embedder"), "spec": {"ports": [{"port": 80}]}}
    cluster = FakeCluster([slices, service], now=NOW)
    sent = {"count": 0}

    def answer(_: HttpRequest) -> HttpAnswer:
        sent["count"] += 1
        if sent["count"] > 3:
            return HttpAnswer(200)
        found = cluster.find("EndpointSlice", "x")
        found["endpoints"][0]["conditions"]["ready"] = True
        found["metadata"]["managedFields"] = [{"time": ago(0)}]
        return HttpAnswer(0, error="refused")

    cluster._http = answer
    first = run(cluster, [http_check()], settle=0)
    assert first.checks[0].observed.endswith("Service embedder has 1 ready of 1 endpoints")
    assert run(cluster, [http_check()]).passed


# --- definite failures -----------------------------------------------------------------------------------------------


def selector_check() -> Check:
    observe = {"s": {"kind": "Service", "namespace": NS, "name": "embedder"}}
    source = "s.exists(x, x.spec.selector.app == 'embedder')"
    return Check.model_validate({"id": "selects", "about": "It selects", "cel": source, "observe": observe})


def service(age: float) -> Json:
    return {"kind": "Service", "metadata": meta("embedder", age=age), "spec": {"selector": {"app": "x"}}}


def test_what_only_the_learner_can_change_is_not_waited_for() -> None:
    busy = [service(60), probed()]  # a pod that starts has no say in what the selector is
    assert run(FakeCluster(busy, now=NOW), [selector_check()]).seconds == 0
    assert run(FakeCluster([service(1), probed()], now=NOW), [selector_check()]).seconds == 1


@pytest.mark.parametrize(
    "source",
    [
        "d.exists(x, x.status.readyReplicas == 1)",
        "d.exists(x, x.spec.replicas == 3)",
        "d.exists(x, x.metadata.annotations.a == '')",
    ],
)
def test_what_a_controller_writes_is_never_definite(source: str) -> None:
    observe = {"d": {"kind": "Deployment", "namespace": NS}}
    check = Check.model_validate({"id": "d", "about": "x", "cel": source, "observe": observe})
    assert run(FakeCluster([deployment(), probed()], now=NOW), [check]).seconds >= 6


def test_the_gate_may_end_at_the_first_certain_failure() -> None:
    guard = Guard.model_validate({"exists": {"of": {"kind": "Service", "namespace": NS, "name": "embedder"}}})
    things = [service(60), deployment(changed=1), probed()]
    more: Json = {"guards": [guard], "stop_at_first_definite": True}
    lost = run(FakeCluster(things, now=NOW), [ready_check(), selector_check(), hold_check()], **more)
    assert (lost.seconds, lost.passed, lost.checks[2].outcome) == (0, False, Outcome.UNKNOWN)
    assert lost.notes == ["ended at the first certain failure: the other checks may not be final"]
    broken = run(FakeCluster(things[1:], now=NOW), [ready_check()], **more)
    assert (broken.seconds, broken.points, len(broken.broken_guards)) == (0, 0, 1)
    calm = run(FakeCluster(things, now=NOW), [ready_check()], **more)
    assert calm.seconds >= 6
    assert calm.checks[0].outcome is Outcome.FAILED


def test_the_gate_asks_no_server_when_what_is_written_tells() -> None:
    asked: list[Any] = []

    def answer(request: Any) -> HttpAnswer:
        asked.append(request)
        return HttpAnswer(200)

    guard = Guard.model_validate({"exists": {"of": {"kind": "Service", "namespace": NS, "name": "other"}}})
    more: Json = {"stop_at_first_definite": True}
    young = [service(1), deployment(ready=1)]
    guarded = run(FakeCluster(young, http=answer, now=NOW), [http_check()], guards=[guard], **more)
    assert (len(guarded.broken_guards), guarded.checks[0].outcome, asked) == (1, Outcome.UNKNOWN, [])
    wrong = run(FakeCluster(young, http=answer, now=NOW), [selector_check(), http_check()], **more)
    assert (wrong.checks[0].outcome, wrong.checks[0].looks, asked) == (Outcome.FAILED, 2, [])
    assert (wrong.seconds, wrong.checks[1].observed) == (1, "not tried, because another failure is certain")
    right = run(FakeCluster([service(60), deployment(ready=1)], http=answer, now=NOW), [http_check()], **more)
    assert right.passed
    assert asked


# --- holding ---------------------------------------------------------------------------------------------------------


def held(act: Callable[[FakeCluster, Json], None]) -> Any:
    state: Json = {"status": 200}
    cluster = FakeCluster([deployment(ready=1, changed=1)], http=lambda _: HttpAnswer(state["status"]), now=NOW)
    clock = Clock(cluster)
    clock.at(3, lambda: act(cluster, state))
    clock.at(4, lambda: state.update(status=200))
    return run(cluster, [http_check(), hold_check(5)], clock)


def test_a_hold_that_breaks_in_the_tail_of_a_rollout_is_held_again() -> None:
    report = held(lambda _, state: state.update(status=502))
    assert report.passed
    assert report.notes[-1].startswith("held a second time, after")


def test_a_hold_that_breaks_twice_is_broken() -> None:
    def break_for_good(cluster: FakeCluster, state: Json) -> None:
        state.update(status=502)
        calm = timedelta(seconds=4), timedelta(seconds=7)
        cluster._http = lambda _: HttpAnswer(200 if calm[0] <= cluster.now() - NOW <= calm[1] else 502)

    assert not held(break_for_good).passed


def test_a_slow_machine_gets_more_time() -> None:
    cluster = FakeCluster([probed()], now=NOW)
    clock = Clock(cluster)
    read = cluster.read

    def slow_read(what: Any) -> list[Json]:
        if what.kind == "Deployment":
            clock.sleep(1.4)  # the lists of one look take twice as long as they should
        return copy.deepcopy(read(what))

    cluster.read = slow_read  # type: ignore[method-assign]
    assert run(cluster, [http_check()], clock).seconds >= 12


def ready_since(seconds: float) -> Json:
    """A pod whose container started so many seconds ago and is ready."""
    runs = {"running": {"startedAt": ago(seconds)}}
    return pod(containerStatuses=[{"name": "c", "ready": True, "state": runs}])


def scraped(value: str) -> HttpAnswer:
    return answered("vector", [{"metric": {"pod": "embedder-1"}, "value": [0, value]}])


def answered(kind: str, series: list[Json]) -> HttpAnswer:
    return HttpAnswer(200, json.dumps({"status": "success", "data": {"resultType": kind, "result": series}}))


@pytest.mark.parametrize(("started", "arrives", "outcome", "at_most"), [(2, 8, "passed", 11), (60, 8, "failed", 3)])
def test_what_a_prometheus_sees_late_is_waited_for_after_a_change_and_not_without_one(
    started: float, arrives: float, outcome: str, at_most: float
) -> None:
    ready = ready_since(started)
    answers = {"value": "0"}
    cluster = FakeCluster([ready], http=lambda _: scraped(answers["value"]), now=NOW)
    clock = Clock(cluster)
    clock.at(arrives, lambda: answers.update(value="1"))
    check = Check.model_validate({"id": "up", "about": "It is up", "metric": {"query": "up", "is": "== 1"}})
    (verdict,) = run(cluster, [check], clock).checks
    assert verdict.outcome is Outcome(outcome)
    assert clock.passed <= at_most


@pytest.mark.parametrize(("first", "outcome", "least", "most"), [(4, "passed", 8, 10), (100, "failed", 0, 3)])
def test_a_series_that_has_just_begun_is_waited_for_although_nothing_moves(
    first: float, outcome: str, least: float, most: float
) -> None:
    """A busy Prometheus hears of a pod long after it is ready; a slope needs points."""

    def scraping(request: HttpRequest) -> HttpAnswer:
        asked = parse_qs(urlsplit(request.url).query)
        if "start" not in asked:
            return scraped("1") if clock.passed >= 8 else answered("vector", [])
        begin, end = (float(asked[edge][0]) for edge in ("start", "end"))
        steps = [begin + 5 * number for number in range(25)]
        there = [[at, "98"] for at in steps if at <= end and at >= NOW.timestamp() - first]
        return answered("matrix", [{"metric": {"pod": "embedder-1"}, "values": there}] if there else [])

    cluster = FakeCluster([ready_since(60)], http=scraping, now=NOW)
    clock = Clock(cluster)
    metric = {"query": "deriv(m[8s])", "is": "< 5", "plot": "m"}
    check = Check.model_validate({"id": "flat", "about": "It is flat", "metric": metric})
    (verdict,) = run(cluster, [check], clock).checks
    assert verdict.outcome is Outcome(outcome)
    assert least <= clock.passed <= most


@pytest.mark.parametrize(("started", "arrives", "outcome", "at_most"), [(2, 11, "passed", 14), (60, 11, "failed", 3)])
def test_a_line_of_a_log_is_waited_for_after_a_change_and_not_without_one(
    started: float, arrives: float, outcome: str, at_most: float
) -> None:
    """A client that met its server too early hangs until its own time is out, and tries again."""
    ready = ready_since(started)
    logs = {ready["metadata"]["name"]: "waits: connection refused"}
    cluster = FakeCluster([ready], inside=Inside(logs=logs), now=NOW)
    clock = Clock(cluster)
    clock.at(arrives, lambda: logs.update({ready["metadata"]["name"]: "16 rows reranked"}))
    log = {"of": {"kind": "Pod", "namespace": NS}, "matches": "rows reranked"}
    check = Check.model_validate({"id": "works", "about": "It works", "log": log})
    (verdict,) = run(cluster, [check], clock).checks
    assert verdict.outcome is Outcome(outcome)
    assert clock.passed <= at_most


@pytest.mark.parametrize(("hanging", "outcome", "looks"), [(1, "passed", 2), (9, "unknown", 2)])
def test_a_command_that_was_given_up_late_is_tried_once_more(hanging: int, outcome: str, looks: int) -> None:
    ready = ready_since(60)
    asked: list[ExecRequest] = []

    def hangs(request: ExecRequest) -> ExecAnswer:
        asked.append(request)
        if len(asked) > hanging:
            return ExecAnswer(0, "it is there")
        clock.sleep(10)
        raise Unanswered("the command did not end in 10 s")

    cluster = FakeCluster([ready], inside=Inside(run=hangs), now=NOW)
    clock = Clock(cluster)
    command = {"of": {"kind": "Pod", "namespace": NS}, "command": ["cat", "/copy"], "exit_code": 0, "timeout": 10}
    check = Check.model_validate({"id": "there", "about": "It is there", "exec": command})
    (verdict,) = run(cluster, [check], clock).checks
    assert verdict.outcome is Outcome(outcome)
    assert len(asked) == looks
