"""The runner: outcomes, what is read how often, holding, guards, and the report."""

from __future__ import annotations

import json
from typing import Any

import pytest

from grader.capabilities import Capabilities, Requires
from grader.cluster import HttpAnswer, HttpRequest
from grader.errors import Unanswered
from grader.fake_cluster import FakeCluster
from grader.guards import Baseline, capture
from grader.model import Check, Guard, Outcome, Report
from grader.report import plain, to_json
from tests.unit.grader_world import NOW, NS, Clock, ago, deployment, hold_check, http_check, pod, ready_check, run, web


def test_old_pods_that_still_answer_do_not_pass_for_a_new_spec() -> None:
    cluster = FakeCluster([deployment(ready=1, generation=3)], http=web(), now=NOW)
    report = run(cluster, [ready_check(), http_check()], settle=3)
    assert not report.passed
    assert report.points == report.possible == 0
    assert {check.outcome for check in report.checks} == {Outcome.UNKNOWN}
    cluster.find("Deployment", "embedder")["status"]["observedGeneration"] = 3
    assert run(cluster, [ready_check(), http_check()]).passed


def test_lists_are_read_once_for_all_checks_and_guards() -> None:
    guard = Guard.model_validate({"exists": {"of": {"kind": "Deployment", "namespace": NS, "name": "embedder"}}})
    cluster = FakeCluster([deployment(ready=1)], http=web(), now=NOW)
    report = run(cluster, [ready_check(), ready_check(), http_check()], guards=[guard])
    assert report.passed
    reads = {question: count for question, count in cluster.asked.items() if question.startswith("read")}
    assert reads["read Deployment serving"] == 1
    assert set(reads.values()) == {1}


# --- outcomes --------------------------------------------------------------------------------------------------------


def test_a_dead_api_server_costs_nothing_and_can_be_graded_again() -> None:
    cluster = FakeCluster([deployment()], http=web(), now=NOW)
    clock = Clock(cluster)
    cluster.find("Deployment", "embedder")["metadata"]["managedFields"][0]["time"] = ago(1)
    clock.at(2, lambda: cluster.failing.update(read="the API server cannot be reached", http="gone"))
    report = run(cluster, [ready_check()], clock)
    assert report.unknown
    assert (report.checks[0].outcome, report.points, report.possible, report.passed) == (Outcome.UNKNOWN, 0, 0, False)
    assert report.checks[0].observed == "the API server cannot be reached"
    assert report.checks[0].mismatches  # what was seen before it died is kept
    cluster.failing.clear()
    cluster.find("Deployment", "embedder")["status"]["readyReplicas"] = 1
    assert run(cluster, [ready_check()]).passed


def test_an_api_server_that_is_back_soon_is_waited_for() -> None:
    cluster = FakeCluster([deployment(ready=1)], now=NOW)
    cluster.failing["read Deployment"] = "connection reset"
    clock = Clock(cluster)
    clock.at(2, cluster.failing.clear)
    report = run(cluster, [ready_check()], clock)
    assert report.passed
    assert report.notes == ["waited 2 s for the cluster to answer"]


def test_what_a_cluster_lacks_is_not_applicable() -> None:
    cluster = FakeCluster(now=NOW)
    report = run(cluster, [ready_check(), hold_check()], requires=Requires(gpu="any", nodes=2))
    assert {check.outcome for check in report.checks} == {Outcome.NOT_APPLICABLE}
    assert "needs a GPU pool, the cluster's is none" in report.checks[0].observed
    assert (report.passed, report.possible, sum(cluster.asked.values())) == (False, 0, 0)


def test_partial_credit() -> None:
    cluster = FakeCluster([deployment(ready=1)], http=web(500), now=NOW)
    report = run(cluster, [ready_check(4), http_check()])
    assert (report.points, report.possible, report.passed) == (4, 5, False)


def test_a_mistake_of_the_author_costs_nothing() -> None:
    wrong = Check.model_validate({"id": "wrong", "about": "x", "cel": "nobody.all(p, true)"})
    report = run(FakeCluster([deployment(ready=1)], now=NOW), [ready_check(), wrong])
    assert (report.points, report.possible, report.passed) == (2, 2, False)
    assert "unknown name `nobody`" in report.checks[1].observed
    assert report.checks[1].looks == 1


def test_a_fault_of_the_grader_costs_nothing() -> None:
    def explode(_: HttpRequest) -> HttpAnswer:
        raise ZeroDivisionError("oh [/b]")

    report = run(FakeCluster([deployment(ready=1)], http=explode, now=NOW), [ready_check(), http_check()])
    assert report.checks[1].outcome is Outcome.UNKNOWN
    assert "ZeroDivisionError: oh [/b]" in report.checks[1].observed


def test_fifty_gradings_are_one() -> None:
    cluster = FakeCluster([deployment(), pod(since=100)], http=web(503), now=NOW)
    reports = {
        run(cluster, [ready_check(), http_check(), hold_check()]).model_dump_json(exclude={"seconds": True})
        for _ in range(50)
    }
    assert len(reports) == 1


# --- holding ---------------------------------------------------------------------------------------------------------


def test_what_holds_passes_after_its_time() -> None:
    cluster = FakeCluster(http=web(), now=NOW)
    report = run(cluster, [hold_check(), http_check()])
    assert report.passed
    assert [check.id for check in report.checks] == ["stays", "answers"]
    assert report.checks[0].observed == "held for 20 s, 21 looks"
    assert report.seconds == 20


def test_the_first_break_ends_the_hold_with_its_evidence() -> None:
    statuses = {"now": 200}

    def web_now(_: HttpRequest) -> HttpAnswer:
        return HttpAnswer(statuses["now"])

    cluster = FakeCluster(http=web_now, now=NOW)
    clock = Clock(cluster)
    clock.at(7, lambda: statuses.update(now=502))
    report = run(cluster, [http_check(), hold_check()], clock)
    stays = report.checks[1]
    assert (stays.outcome, stays.looks, report.points, report.possible) == (Outcome.FAILED, 8, 1, 4)
    assert stays.observed.startswith("broke after 7 s: HTTP 502")


def test_what_fails_anyway_is_not_held() -> None:
    report = run(FakeCluster(http=web(500), now=NOW), [http_check(), hold_check()])
    assert report.seconds <= 1  # a second look, nothing more
    assert report.checks[1].outcome is Outcome.FAILED
    assert report.checks[1].observed.startswith("`answers` does not hold now: HTTP 500")


def test_a_look_without_an_answer_breaks_no_hold_and_three_make_it_unknown() -> None:
    cluster = FakeCluster(http=web(), now=NOW)
    clock = Clock(cluster)
    clock.at(4, lambda: cluster.failing.update(http="slow"))
    clock.at(6, cluster.failing.clear)
    assert run(cluster, [http_check(), hold_check(8)], clock).passed
    clock.at(clock.passed + 4, lambda: cluster.failing.update(http="gone"))
    stays = run(cluster, [http_check(), hold_check(8)], clock).checks[1]
    assert stays.outcome is Outcome.UNKNOWN
    assert "could not be looked at" in stays.observed


def test_a_hold_without_a_check_is_the_authors_mistake() -> None:
    report = run(FakeCluster(now=NOW), [hold_check()])
    assert report.checks[0].outcome is Outcome.UNKNOWN


# --- guards ----------------------------------------------------------------------------------------------------------


def node(name: str) -> dict[str, Any]:
    return {
        "kind": "Node",
        "metadata": {"name": name, "uid": name, "labels": {"pool": "gpu"}},
        "spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]},
    }


GUARDS = [
    Guard.model_validate(
        {
            "why": "the taint protects the GPUs",
            "unchanged": {"of": {"kind": "Node", "selector": "pool=gpu"}, "fields": ["spec.taints"]},
        }
    ),
    Guard.model_validate(
        {"exists": {"of": {"kind": "Deployment", "namespace": NS, "name": "embedder"}, "replicas": ">=1", "same": True}}
    ),
    Guard.model_validate(
        {"why": "pods stay few", "cel": "size(p) < 3", "observe": {"p": {"kind": "Pod", "namespace": NS}}}
    ),
]


def guarded() -> tuple[FakeCluster, Baseline]:
    cluster = FakeCluster([deployment(ready=1), node("gpu-1"), node("gpu-2")], now=NOW)
    baseline = capture(GUARDS, cluster)
    return cluster, Baseline.model_validate_json(baseline.model_dump_json())


def untaint(cluster: FakeCluster) -> None:
    cluster.find("Node", "gpu-2")["spec"]["taints"] = []


def delete(kind: str, name: str) -> Any:
    return lambda cluster: cluster.objects.remove(cluster.find(kind, name))


def replace(cluster: FakeCluster) -> None:
    cluster.find("Deployment", "embedder")["metadata"]["uid"] = "2"


def scale_down(cluster: FakeCluster) -> None:
    cluster.find("Deployment", "embedder")["spec"]["replicas"] = 0


def crowd(cluster: FakeCluster) -> None:
    cluster.objects += [pod(f"p-{n}") for n in range(3)]


@pytest.mark.parametrize(
    ("cheat", "guard", "evidence"),
    [
        (untaint, 0, 'Node gpu-2: spec.taints was [{"key": "gpu", "effect": "NoSchedule"}], is not set'),
        (delete("Node", "gpu-1"), 0, "Node gpu-1 is no longer there or has lost its labels"),
        (delete("Deployment", "embedder"), 1, "no Deployment `embedder` in serving; found: none"),
        (replace, 1, "was deleted and made again"),
        (scale_down, 1, "Deployment serving/embedder has 0 replicas, not >=1"),
        (crowd, 2, "p: 3 Pod (p-0, p-1, p-2)"),
    ],
)
def test_a_broken_guard_makes_the_task_worth_nothing(cheat: Any, guard: int, evidence: str) -> None:
    cluster, baseline = guarded()
    check = Check.model_validate({"id": "c", "about": "x", "points": 5, "cel": "true"})
    assert run(cluster, [check], guards=GUARDS, baseline=baseline).passed
    cheat(cluster)
    report = run(cluster, [check], guards=GUARDS, baseline=baseline)
    assert (report.points, report.possible, report.passed) == (0, 5, False)
    assert [g.outcome for g in report.guards].index(Outcome.FAILED) == guard
    assert evidence in report.broken_guards[0].observed


def test_a_guard_on_a_secret_remembers_no_value() -> None:
    secret = {
        "kind": "Secret",
        "metadata": {
            "name": "token",
            "namespace": NS,
            "uid": "s",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "c2VjcmV0"},
        },
        "data": {"token": "c2VjcmV0"},
    }
    guard = Guard.model_validate(
        {"unchanged": {"of": {"kind": "Secret", "namespace": NS, "name": "token"}, "fields": ["data"]}}
    )
    cluster = FakeCluster([secret], now=NOW)
    stored = capture([guard], cluster).model_dump_json()
    assert "c2VjcmV0" not in stored
    baseline = Baseline.model_validate_json(stored)
    check = Check.model_validate({"id": "c", "about": "x", "cel": "true"})
    assert run(cluster, [check], guards=[guard], baseline=baseline).passed
    cluster.find("Secret", "token")["data"]["token"] = "b3RoZXI="
    report = run(cluster, [check], guards=[guard], baseline=baseline)
    assert report.broken_guards[0].observed == "Secret serving/token: data is not what it was"


@pytest.mark.parametrize("when", ["before", "now"])
def test_what_controllers_taint_breaks_no_guard(when: str) -> None:
    """A node that was not ready for a moment, or whose cordon was just taken back, is not the learner's doing."""
    passing = [{"key": f"node.kubernetes.io/{what}", "effect": "NoSchedule"} for what in ("unschedulable", "not-ready")]
    cluster, _ = guarded()
    taints = cluster.find("Node", "gpu-1")["spec"]["taints"]
    if when == "before":
        taints.extend(passing)
    baseline = capture(GUARDS, cluster)
    taints[:] = [t for t in taints if t not in passing] if when == "before" else [*taints, *passing]
    check = Check.model_validate({"id": "c", "about": "x", "cel": "true"})
    assert not run(cluster, [check], guards=GUARDS, baseline=baseline).broken_guards
    del taints[0]
    assert run(cluster, [check], guards=GUARDS, baseline=baseline).broken_guards


def test_guards_that_cannot_be_judged_count_as_kept() -> None:
    cluster, _ = guarded()
    check = Check.model_validate({"id": "c", "about": "x", "cel": "true"})
    report = run(cluster, [check], guards=GUARDS, baseline=None)
    assert [g.outcome for g in report.guards] == [Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.PASSED]
    assert (report.points, report.passed, report.unknown) == (1, False, True)


def test_a_baseline_is_not_invented() -> None:
    cluster = FakeCluster(now=NOW)
    cluster.failing["read"] = "gone"
    with pytest.raises(Unanswered, match="gone"):
        capture(GUARDS, cluster)


# --- reports ---------------------------------------------------------------------------------------------------------


def test_a_report_reads_well_and_carries_no_control_characters() -> None:
    evil = deployment()
    evil["metadata"]["name"] = "emb\x1b[31medder\n[/b]"
    cluster = FakeCluster([evil], http=web(503), now=NOW)
    report = run(cluster, [ready_check(), http_check(why="users notice")], has=Capabilities(gpu="simulated"))
    text = plain(report)
    assert all(character.isprintable() for character in text.replace("\n", ""))
    assert text.splitlines()[0] == "✗ failed     0/2  It is ready"
    assert "             why  users notice" in text
    assert "note: the GPU pool of this cluster is simulated" in text
    assert "FAILED  0 of 3 points, 0 of 2 checks, graded in 1.0 s" in text
    assert (
        Report.model_validate({k: v for k, v in json.loads(json.dumps(to_json(report))).items() if k != "unknown"})
        == report
    )
