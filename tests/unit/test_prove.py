"""The prove gate's judgement: what counts as untouched, solved and caught, on reports as the grader writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grader.model import GuardVerdict, Outcome, Report, Verdict
from labs.course.load import load_course
from labs.course.models import Scenario
from labs.prove import Proof, ProveReport, Trial
from labs.prove.verdicts import FailedTrialError, automatic, caught, solved, untouched
from tests.unit.course_sample import FILES, write_course

P, F, N, U = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_APPLICABLE, Outcome.UNKNOWN


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    name = "3-services/no-answer/scenario.yaml"
    text = FILES[name].replace("- id: held\n", "- id: held\n  untouched: passes\n")
    return load_course(write_course(tmp_path, {name: text})).scenarios[0]


def report(selects: Outcome, held: Outcome, guard: Outcome = P) -> Report:
    checks = [
        Verdict(id="selects", kind="cel", about="It selects", points=2, outcome=selects, observed="wbe"),
        Verdict(id="held", kind="sustained", about="It stays", points=1, outcome=held),
    ]
    points = 0 if guard is F else sum(v.points for v in checks if v.outcome is P)
    return Report(
        scenario="no-answer",
        checks=checks,
        guards=[GuardVerdict(about="the Deployment is there", outcome=guard)],
        points=points,
        possible=sum(v.points for v in checks if v.outcome in {P, F}),
        passed=all(v.outcome is P for v in checks) and guard is P,
    )


def test_untouched_every_check_says_what_it_must(scenario: Scenario) -> None:
    assert "1 of 2" in untouched(scenario, report(F, P))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (report(P, P), "`selects` is passed"),
        (report(U, P), "`selects` is unknown"),
        (report(F, F), "`held` is failed"),
        (report(F, P, F), "guard broken"),
    ],
)
def test_untouched_with_a_wrong_verdict_is_told(scenario: Scenario, found: Report, said: str) -> None:
    with pytest.raises(FailedTrialError, match=said):
        untouched(scenario, found)


def test_solved_is_all_points_and_no_broken_guard() -> None:
    assert solved(report(P, P)) == "3 of 3 points"
    for bad in (report(F, P), report(P, U), report(P, P, F)):
        with pytest.raises(FailedTrialError):
            solved(bad)


def test_a_wrong_fix_is_caught_by_a_check_or_a_guard_and_by_nothing_else() -> None:
    assert caught(report(F, P)) == "caught by check `selects`"
    assert "guard: the Deployment is there" in caught(report(P, P, F))
    for missed in (report(P, P), report(U, P)):
        with pytest.raises(FailedTrialError):
            caught(missed)


def test_every_scenario_also_fails_on_delete_and_on_scale_to_zero(scenario: Scenario) -> None:
    fixes = list(automatic(scenario))
    assert [fix.id for fix in fixes] == ["delete-the-workloads", "scale-to-zero"]
    assert all(step.kubectl[:2] == ("-n", "shop") for fix in fixes for step in fix.file.steps)


def test_the_report_is_json_and_proved_only_when_all_that_could_run_is() -> None:
    good = Proof("a", "d", [Trial("start", True, "", 1.0), Trial("reset after x", True, "", 2.0)])  # noqa: FBT003 - data
    bad = Proof("b", "d", [Trial("start", False, "no", 1.0)])  # noqa: FBT003 - data
    skipped = Proof("c", "d", skipped="needs a GPU pool")
    assert ProveReport("lab", "engine", "none", [good, skipped]).proved
    assert not ProveReport("lab", "engine", "none", [good, bad]).proved
    assert not ProveReport("lab", "engine", "none", [skipped]).proved
    data = json.loads(json.dumps(ProveReport("lab", "engine", "none", [good]).to_json()))
    assert (data["proved"], data["proofs"][0]["seconds"]) == (True, {"start": 1.0, "reset": 2.0})
