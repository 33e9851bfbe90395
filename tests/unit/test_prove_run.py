"""What the gate tries, in which order, and that it ends in good order: on a task whose state is a set of words."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from grader.model import Outcome, Report, Verdict
from labs.course.load import load_course
from labs.course.models import Fault, Fix, Scenario
from labs.errors import ClusterError
from labs.inject import snapshot
from labs.prove import Proof, ProveReport, prove, words
from labs.prove.gate import runs_alone
from labs.prove.ledger import Ledger
from labs.prove.mutants import mutants, only_looks
from labs.prove.outside import Outside
from labs.render.gates import proofs
from labs.render.terminal import Terminal
from tests.unit.course_sample import FILES, write_course

SOLUTION = """\
about: Two things are wrong.
steps:
- say: First.
  kubectl: [-n, shop, patch, service, web, --first]
- say: Second.
  kubectl: [-n, shop, patch, deployment, web, --second]
- say: Comment.
  kubectl: [-n, shop, annotate, deployment, web, why=because]
  optional: A note for people.
- say: Wait.
  kubectl: [-n, shop, rollout, status, deployment/web, --timeout=60s]
"""
SOLUTION_FIRST = 7  # a seed after which the solution is tried before the rest
TRIED = ["solution", "wrong relabel", "wrong delete-it", "wrong delete-the-workloads", "wrong scale-to-zero"]


def course_of(root: Path, solution: str = SOLUTION) -> list[Scenario]:
    files: dict[str, str | bytes | None] = {"3-services/no-answer/solution/fix.yaml": solution}
    for name, text in FILES.items():
        twin = text.replace("no-answer", "no-reply").replace("shop", "store")
        if "/no-answer/" in name:
            files[name.replace("no-answer", "no-reply")] = twin
    return list(load_course(write_course(root, files)).scenarios)


class Tasks:
    """The state of a task is the set of commands that were typed; what is needed is `needs`."""

    def __init__(self, scenarios: list[Scenario], needs: set[str]) -> None:
        self.known = {s.id: s for s in scenarios}
        self.needs = needs
        self.typed: dict[str, set[str]] = {}
        self.said: list[str] = []
        self.together = 0
        self.most = 0
        self.barrier: threading.Barrier | None = None
        self.broken = ""
        self.early: list[bool] = []
        self.interrupted_by = ""
        self.lost_by = ""
        self.gone = False
        self.comes: list[str] = []  # what shows only after it was waited for
        self.awaited: list[str] = []
        self.started: set[str] = set()

    @property
    def course(self) -> Any:
        return type("Course", (), {"scenarios": tuple(self.known.values())})

    @property
    def handle(self) -> Any:
        gpu = type("Capabilities", (), {"gpu": "none"})
        return type("Handle", (), {"name": "x", "provider": "fake", "capabilities": gpu})

    def scenario(self, name: str) -> Scenario:
        return self.known[name]

    def current(self, name: str) -> set[str] | None:
        return self.typed.get(name)

    def lacking(self, _name: str) -> list[str]:
        return []

    def lost(self) -> str:
        return "the API server does not answer" if self.gone else ""

    def await_faults(self, name: str) -> list[str]:
        self.awaited.append(name)
        self.said.append(f"await {name}")
        return self.comes

    def await_started(self, name: str) -> None:
        self.started.add(name)

    def start(self, name: str, **_: Any) -> None:
        self.typed[name] = set()
        self.most = max(self.most, len(self.typed))
        if self.barrier:
            self.barrier.wait(timeout=5)

    def stop(self, name: str) -> None:
        if self.gone:
            raise ClusterError("the API server does not answer")
        del self.typed[name]
        self.said.append(f"stop {name}")

    def check(self, name: str, *, stop_early: bool = False) -> Report:
        if name == self.broken:
            raise ClusterError("it does not answer")
        self.said.append(f"check {name}")
        good = self.needs <= self.typed[name] if name == "no-answer" else "answered" in self.typed[name]
        outcome = Outcome.PASSED if good else Outcome.FAILED
        checks = [
            Verdict(id=c.id, kind="cel", about="x", points=1, outcome=outcome) for c in self.known[name].file.checks
        ]
        self.early.append(stop_early)
        return Report(scenario=name, checks=checks, guards=[], points=2 * good, possible=2, passed=good)

    def apply_fix(self, name: str, fix: Fix) -> None:
        self.said.append(f"{name} {fix.id}")
        assert name in self.started, "pods were still being started"
        self.started.remove(name)
        if fix.id == self.interrupted_by:
            raise KeyboardInterrupt
        if fix.id == self.lost_by:
            self.gone = True
            raise ClusterError("connection refused")
        for step in fix.file.steps:
            self.typed[name].add(step.command[-1])
        if name == "no-reply" and fix.id == "solution":
            self.typed[name].add("answered")

    def reset(self, name: str) -> None:
        self.typed[name].clear()

    def differences(self, name: str) -> list[str]:
        return sorted(self.typed[name])


def run(tasks: Tasks, ids: list[str], **how: Any) -> ProveReport:
    return prove(tasks, ids, look=lambda _handle, s: Outside(s, list), **how)  # type: ignore[arg-type] # a fake


def names(report: ProveReport, which: int = 0, number: int = 1) -> list[str]:
    tried = [t.id for t in report.proofs[which].trials if t.round == number]
    return [name for name in tried if name.split()[0] in {"solution", "wrong", "without"}]


def test_everything_is_tried_and_each_step_is_left_out_once(tmp_path: Path) -> None:
    tasks = Tasks(course_of(tmp_path), {"--first", "--second"})
    report = run(tasks, ["no-answer"])
    assert [(t.id, t.detail) for t in report.proofs[0].trials if not t.ok] == []
    assert names(report) == [*TRIED, "without step 1", "without step 2"]
    assert report.proved
    assert tasks.typed == {}
    assert tasks.early == [False, False, True, True, True, True, True, True]  # only untouched and solved need it all
    assert json.loads(json.dumps(report.to_json()))["proved"] is True


def test_a_step_that_nothing_asks_for_is_told(tmp_path: Path) -> None:
    report = run(Tasks(course_of(tmp_path), {"--first"}), ["no-answer"])
    failed = {t.id: t.detail for t in report.proofs[0].trials if not t.ok}
    assert list(failed) == ["without step 2"]
    assert "“Second.”" in failed["without step 2"]
    assert "`optional:`" in failed["without step 2"]
    assert not report.proved


def test_mutants_do_not_wait_long_and_leave_out_waits_at_the_end(tmp_path: Path) -> None:
    first, second = mutants(course_of(tmp_path)[0])
    assert [step.say for step in first.fix.file.steps] == ["Second.", "Comment."]
    assert all(step.expect == "any" for step in second.fix.file.steps)
    waits = SOLUTION.replace(
        "- say: Second.", "- say: Wait.\n  kubectl: [-n, shop, rollout, status, deploy/web]\n- say: Second."
    )
    first, _ = mutants(course_of(tmp_path / "waits", waits)[0])
    assert first.fix.file.steps[0].kubectl[-1] == "--timeout=15s"


def test_a_mutant_that_a_wrong_fix_repeats_is_not_tried_again(tmp_path: Path) -> None:
    files = {
        "3-services/no-answer/solution/fix.yaml": SOLUTION,
        "3-services/no-answer/wrong/relabel/fix.yaml": SOLUTION.replace(
            "- say: First.\n  kubectl: [-n, shop, patch, service, web, --first]\n", ""
        ),
    }
    scenario = load_course(write_course(tmp_path, dict(files))).scenarios[0]
    found = [mutant.number for mutant in mutants(scenario)]
    assert found == [2]


def test_a_mutant_of_helm_waits_as_little(tmp_path: Path) -> None:
    scenario = course_of(tmp_path)[0]
    steps = list(scenario.solution.file.steps)
    typed = ("upgrade", "web", "chart", "--wait", "--timeout", "90s")
    steps[1] = steps[1].model_copy(update={"kubectl": (), "helm": typed})
    file = scenario.solution.file.model_copy(update={"steps": tuple(steps)})
    solution = scenario.solution.model_copy(update={"file": file})
    first, _ = mutants(scenario.model_copy(update={"solution": solution}))
    assert first.fix.file.steps[0].command == ("helm", *typed[:-1], "30s")


@pytest.mark.parametrize(
    ("typed", "looks"),
    [
        (("-n", "shop", "rollout", "status", "deploy/web"), True),
        (("--namespace=shop", "wait", "--for=delete", "pod/x"), True),
        (("get", "pods"), True),
        (("rollout", "restart", "deploy/web"), False),
        (("-n", "shop", "rollout", "undo", "deploy/web"), False),
        (("apply", "-f", "x.yaml"), False),
    ],
)
def test_which_steps_only_look(tmp_path: Path, typed: tuple[str, ...], looks: bool) -> None:
    step = course_of(tmp_path)[0].solution.file.steps[0].model_copy(update={"kubectl": typed})
    assert only_looks(step) is looks


def test_several_scenarios_are_tried_in_an_order_that_the_seed_decides(tmp_path: Path) -> None:
    scenarios = course_of(tmp_path)
    asked = [s.id for s in scenarios]
    orders = [names(run(Tasks(scenarios, {"--first", "--second"}), asked, seed=seed)) for seed in (7, 7, 8)]
    alone = names(run(Tasks(scenarios, {"--first", "--second"}), ["no-answer"], seed=7))
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2]) == sorted(alone)
    assert alone[0] == "solution"  # an author wants to see that first


def test_repeated_it_runs_in_an_order_that_the_seed_decides(tmp_path: Path) -> None:
    scenarios = course_of(tmp_path)
    reports = [run(Tasks(scenarios, {"--first", "--second"}), ["no-answer"], repeat=3, seed=seed) for seed in (7, 7, 8)]
    orders = [[names(r, number=n) for n in (1, 2, 3)] for r in reports]
    assert orders[0] == orders[1] != orders[2]
    assert len({tuple(order) for order in orders[0]}) > 1
    assert all(sorted(order) == sorted([*TRIED, "without step 1", "without step 2"]) for order in orders[0])
    assert all(r.proved for r in reports)


def test_scenarios_run_side_by_side(tmp_path: Path) -> None:
    tasks = Tasks(course_of(tmp_path), {"--first", "--second"})
    tasks.barrier = threading.Barrier(2)  # each waits until the other has started too
    finished: list[str] = []
    report = run(tasks, ["no-answer", "no-reply"], parallel=2, done=lambda s, _: finished.append(s.id))
    assert report.proved
    assert tasks.most == 2
    assert sorted(finished) == ["no-answer", "no-reply"]
    assert [proof.scenario for proof in report.proofs] == ["no-answer", "no-reply"]


def test_what_acts_on_nodes_runs_alone(tmp_path: Path) -> None:
    scenarios = course_of(tmp_path, SOLUTION.replace("[-n, shop, patch, service, web, --first]", "[uncordon, --first]"))
    assert [runs_alone(s) for s in scenarios] == [True, False]
    tasks = Tasks(scenarios, {"--first", "--second"})
    assert run(tasks, ["no-answer", "no-reply"], parallel=2).proved
    assert tasks.most == 1


def test_a_fault_that_degrades_a_node_runs_alone_and_its_nodes_are_put_back(tmp_path: Path) -> None:
    (scenario, _) = course_of(tmp_path)
    fault = Fault.model_validate({"use": "degrading_node", "with": {"namespace": "shop"}})
    file = scenario.file.model_copy(update={"faults": (*scenario.file.faults, fault)})
    degrading = scenario.model_copy(update={"file": file})
    assert runs_alone(degrading)
    assert words.nodes_of_checks(degrading) == words.EVERYTHING  # it goes on while its checks look
    assert [what.kind for what in snapshot.tracked(degrading)] == ["Node"]
    assert snapshot.tracked(scenario) == []


@pytest.mark.parametrize(
    ("typed", "alone"), [("taint, nodes, x, a=b:NoSchedule", True), ("label, node, x, a=b", False)]
)
def test_what_only_labels_nodes_goes_beside_others_one_at_a_time(tmp_path: Path, typed: str, alone: bool) -> None:
    words_of_it = SOLUTION.replace("-n, shop, patch, service, web, --first", f"{typed}, --first")
    labels, plain = course_of(tmp_path, words_of_it)
    assert [runs_alone(labels), runs_alone(plain)] == [alone, False]
    assert [words.acts_on_cluster(labels), words.acts_on_cluster(plain)] == [True, False]


def test_what_acts_on_the_whole_cluster_goes_one_at_a_time_beside_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = "[create, clusterrole, x, --verb=get, --resource=pods, --first]"
    scenarios = course_of(tmp_path, SOLUTION.replace("[-n, shop, patch, service, web, --first]", typed))
    assert [runs_alone(s) for s in scenarios] == [False, False]
    beside = Tasks(scenarios, {"--first", "--second"})
    beside.barrier = threading.Barrier(2)  # the other one is no such scenario
    assert run(beside, ["no-answer", "no-reply"], parallel=2).proved
    assert beside.most == 2
    monkeypatch.setattr(words, "acts_on_cluster", lambda _: True)
    behind = Tasks(scenarios, {"--first", "--second"})
    assert run(behind, ["no-answer", "no-reply"], parallel=2).proved
    assert behind.most == 1


def test_cancelled_it_takes_the_task_away_and_proves_nothing(tmp_path: Path) -> None:
    tasks = Tasks(course_of(tmp_path), {"--first", "--second"})
    done: list[str] = []
    report = run(
        tasks,
        ["no-answer", "no-reply"],
        cancelled=lambda: len(tasks.said) > 4,
        done=lambda s, _: done.append(s.id),
    )
    assert tasks.typed == {}
    assert tasks.said[-1] == "stop no-answer"
    assert (report.proved, done) == (False, [])
    assert report.proofs[1].trials == []


def test_ctrl_c_takes_the_task_away_first(tmp_path: Path) -> None:
    tasks = Tasks(course_of(tmp_path), {"--first", "--second"})
    tasks.interrupted_by = "relabel"
    with pytest.raises(KeyboardInterrupt):
        run(tasks, ["no-answer", "no-reply"])
    assert tasks.typed == {}
    assert tasks.said[-1] == "stop no-answer"


def test_a_cluster_that_does_not_answer_fails_the_trial_and_the_next_scenario_is_proved(tmp_path: Path) -> None:
    tasks = Tasks(course_of(tmp_path), {"--first", "--second"})
    tasks.broken = "no-answer"
    report = run(tasks, ["no-answer", "no-reply"])
    assert [proof.proved for proof in report.proofs] == [False, True]
    assert "it does not answer" in report.proofs[0].trials[1].detail


@pytest.mark.parametrize(("also_wrong", "kept"), [(False, True), (True, False)])
def test_a_cluster_that_vanishes_takes_no_proof_away(tmp_path: Path, also_wrong: bool, kept: bool) -> None:
    """An entry goes only for what the scenario itself did wrong before the cluster went."""
    scenarios = course_of(tmp_path / "course")
    ledger = Ledger(tmp_path / "proved.json")

    def enter(scenario: Scenario, proof: Proof) -> None:
        ledger.record(scenario, proof, provider="fake", gpu="none")

    assert run(Tasks(scenarios, {"--first", "--second"}), ["no-answer"], done=enter).proved
    tasks = Tasks(scenarios, {"--third"} if also_wrong else {"--first", "--second"})
    tasks.lost_by = "delete-it"
    report = run(tasks, ["no-answer", "no-reply"], done=enter, seed=SOLUTION_FIRST)
    assert ledger.current(scenarios[0]) is kept
    assert [proof.proved for proof in report.proofs] == [False, False]
    assert report.proofs[0].lost
    lost = [trial for trial in report.proofs[0].trials if trial.lost]
    assert [trial.id for trial in lost] == ["wrong delete-it", "stop"]
    assert lost[0].detail == "the cluster is lost: the API server does not answer; connection refused"
    assert report.proofs[1].trials == []  # on a cluster that is not there nothing else is tried
    said = proofs(Terminal(io.StringIO(), width=120), report)
    assert "no-reply: not tried" in said
    assert ("entry in the ledger stays" in " ".join(said.split())) is kept


def test_the_untouched_task_is_judged_when_it_is_broken_in_every_way(tmp_path: Path) -> None:
    tasks = Tasks(course_of(tmp_path), {"--first", "--second"})
    report = run(tasks, ["no-answer"])
    assert tasks.said[:2] == ["await no-answer", "check no-answer"]
    assert tasks.awaited == ["no-answer"]  # a fix may be tried as soon as the objects are back
    assert report.proofs[0].trials[1].detail == "2 of 2 checks fail, as they should"
    assert report.proved


def test_a_fault_whose_symptom_is_not_seen_is_not_what_the_scenario_promises(tmp_path: Path) -> None:
    tasks = Tasks(course_of(tmp_path), {"--first", "--second"})
    tasks.comes = ["image_tag: ImagePullBackOff"]
    report = run(tasks, ["no-answer"])
    assert not report.proved
    said = report.proofs[0].trials[1].detail
    assert said == "not seen: image_tag: ImagePullBackOff; `unseen: why` says that it cannot be"


def test_no_fix_comes_before_a_timed_fault(tmp_path: Path) -> None:
    scenario = course_of(tmp_path)[0]
    timed = tuple(f.model_copy(update={"at": "20s"}) for f in scenario.file.faults)
    file = scenario.file.model_copy(update={"faults": timed})
    tasks = Tasks([scenario.model_copy(update={"file": file})], {"--first", "--second"})
    report = run(tasks, ["no-answer"])
    assert report.proved
    fixes = [i for i, said in enumerate(tasks.said) if said.startswith("no-answer ")]
    assert len(fixes) == len(TRIED) + 2
    assert all(tasks.said[i - 1] == "await no-answer" for i in fixes)
