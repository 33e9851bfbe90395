"""Answers to a diagnose task: what a person may write is read, what is not there is refused, nothing is given away."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from grader.model import Outcome, Report
from grader.report import to_json
from labs.attempts.diagnosis import Given, Part, options
from labs.commands.answering import ask
from labs.course.load import load_course
from labs.errors import ClusterError, UsageError
from labs.render.terminal import Terminal
from labs.shell.toolbox import commands
from tests.unit.course_sample import write_course
from tests.unit.diagnosis_world import ID, REFUSED, SCHEDULING, World

POD = "web-5d9c7b6f4-abcde"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("LABS_STATE", str(tmp_path / "state"))
    return World(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for the many answers that do not depend on each other."""
    folder = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABS_STATE", str(folder / "state"))
        yield World(folder)


def part(world: World, name: str, text: str) -> Part:
    found = world.answer(ID, **{name: text})
    return next(p for p in found.parts if p.id == name)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Deployment/web",
            "deployment/web",
            "deploy/web",
            "deployments.apps/web",
            "deployment.apps/web",
            "DEPLOY/web",
        ),
        *("Deployment web", "Deployment shop/web", " deploy/web \n", "`Deployment/web`", "service/front", "svc/front"),
        *(f"pod/{POD}", f"po/{POD}", "rs/web-5d9c7b6f4"),
    ],
)
def test_a_right_component_is_right_however_it_is_written(shared: World, text: str) -> None:
    found = part(shared, "component", text)
    assert (found.right, found.points, found.reason) == (True, 2, "")


@pytest.mark.parametrize("text", ["Service/web", "ConfigMap/settings", "deploy/wep", "statefulset/web"])
def test_a_wrong_component_is_wrong_and_the_right_one_is_not_given_away(shared: World, text: str) -> None:
    found = part(shared, "component", text)
    assert (found.right, found.points) == (False, 0)
    assert "front" not in found.reason


def test_a_component_that_is_not_there_is_said_with_its_neighbours(world: World) -> None:
    assert part(world, "component", "cm/setings").reason == "there is no ConfigMap `setings`; found: settings"


def test_a_name_without_a_kind_is_asked_back_and_not_recorded(world: World) -> None:
    with pytest.raises(UsageError) as raised:
        world.answer(ID, component="web")
    assert "Deployment/web" in raised.value.hint
    assert world.current(ID).diagnosis.answers == 0


@pytest.mark.parametrize("text", ["limit", "LIMIT", "It refuses large bodies.", "it refuses  large"])
def test_a_cause_is_an_id_or_its_words(shared: World, text: str) -> None:
    assert part(shared, "cause", text).right


def test_a_cause_may_be_its_number_in_an_order_that_does_not_change(world: World) -> None:
    scenario = world.scenario(ID)
    order = [o.id for o in options(scenario)]
    assert order == [o.id for o in options(scenario)]
    assert part(world, "cause", str(order.index("limit") + 1)).right
    assert part(world, "cause", str(order.index("load") + 1)).right is False
    with pytest.raises(UsageError, match="none of the causes"):
        world.answer(ID, cause="9")


@pytest.mark.parametrize(
    "text",
    [
        REFUSED,
        f"   {REFUSED}   ",
        REFUSED.replace('"status":413', '"status": 413'),
        REFUSED[:40] + "\n" + REFUSED[40:],  # a terminal has wrapped it
        '"status":413, "path":"/v2/models/mlp/infer"',
        REFUSED.replace('"ms": 3', '"ms": 17'),  # the same line of another moment
        SCHEDULING,
        f"3s  Warning  FailedScheduling  pod/{POD}  {SCHEDULING}",
        f"  Warning  FailedScheduling  64s (x3 over 2m)  default-scheduler  {SCHEDULING}",
        "2 Insufficient cpu.",
        "HOST: 127.0.0.1",
        "HOST=127.0.0.1",
        "      HOST:  127.0.0.1",
        "value: 127.0.0.1",
        '"value": "127.0.0.1"',
        f"{POD}   0/1     CrashLoopBackOff   2 (14s ago)   40s",
        "reason: CrashLoopBackOff",
        "MAX_BYTES = 1024",
    ],
)
def test_a_line_that_is_there_and_proves_it_is_right(shared: World, text: str) -> None:
    found = part(shared, "evidence", text)
    assert (found.right, found.reason) == (True, "")


@pytest.mark.parametrize("text", ["listening on port 8000", "PORT = 8000", '{"level": "info", "status":200}'])
def test_a_line_that_is_there_and_proves_nothing_is_wrong(shared: World, text: str) -> None:
    found = part(shared, "evidence", text)
    assert found.right is False
    assert "does not prove" in found.reason


@pytest.mark.parametrize(
    "text",
    [
        'POST /infer "status":413 by hand',
        "Error: Insufficient cpu somewhere",
        "Insufficient cpu for a stranger",
        f"{REFUSED} {'x' * 300}",
    ],
)
def test_a_line_that_is_not_there_is_refused_and_it_is_said_where_was_looked(shared: World, text: str) -> None:
    found = part(shared, "evidence", text)
    assert found.right is False
    for words in ("1 event", "2 logs", "fields of", "shop"):
        assert words in found.reason


def test_secrets_are_never_evidence(world: World) -> None:
    assert not [line for line in world.clues(ID).lines if "c2VjcmV0" in line.whole]


def test_what_was_there_still_counts_after_the_repair_took_it_away(world: World) -> None:
    world.check(ID, settle=0)  # it sees the log
    world.cluster.objects = [o for o in world.cluster.objects if o["kind"] not in {"Pod", "Event", "Deployment"}]
    assert part(world, "evidence", REFUSED).right, "seen during the attempt"
    assert part(world, "evidence", "HOST=127.0.0.1").right, "a field of an object as it was at the start"


def test_what_could_not_be_looked_at_is_no_wrong_answer(world: World) -> None:
    world.cluster.failing["logs"] = "the API server is busy"
    with pytest.raises(ClusterError, match="could not be looked for"):
        world.answer(ID, evidence=REFUSED)
    assert world.answer(ID, evidence=SCHEDULING).parts[2].right, "what was found decides"
    assert world.current(ID).diagnosis.answers == 1


def verdicts(report: Report) -> dict[str, tuple[str, str, str]]:
    return {v.id: (v.outcome.value, v.observed, v.expected) for v in report.checks if v.kind == "diagnosis"}


def test_the_report_has_the_parts_beside_the_checks_and_gives_nothing_away(world: World) -> None:
    report = world.check(ID, settle=0)
    assert verdicts(report) == {
        f"diagnosis-{name}": ("failed", "not answered yet", "") for name in ("component", "cause", "evidence")
    }
    world.pass_time(30)
    world.answer(ID, component="Service/web", cause="load")
    world.pass_time(30)
    world.answer(ID, component="deploy/web", cause="limit")
    world.pass_time(30)
    world.answer(ID, evidence="listening on port 8000")
    report = world.check(ID, settle=0)
    said = verdicts(report)
    assert said["diagnosis-component"] == ("passed", "Deployment/web", "Deployment/web or Service/front")
    assert said["diagnosis-cause"][:2] == ("passed", "It refuses large bodies.")
    assert said["diagnosis-evidence"][0] == "failed"
    assert said["diagnosis-evidence"][2] == ""
    assert to_json(report)["time_to_detect"] == 60
    assert (report.points, report.possible, report.passed) == (5, 11, False)


def repair(world: World) -> None:
    world.cluster.find("Service", "web")["spec"]["selector"] = {"app": "web"}


def test_the_task_passes_only_with_repair_and_diagnosis(world: World) -> None:
    repair(world)
    assert not world.check(ID, settle=0).passed
    world.answer(ID, component="deploy/web", cause="load", evidence=REFUSED)
    report = world.check(ID, settle=0)
    assert not report.passed
    assert [v.id for v in report.checks if v.outcome is Outcome.FAILED] == ["diagnosis-cause"]
    assert "large bodies" not in str(report.model_dump()), "the right cause is not told"
    world.answer(ID, cause="limit")
    report = world.check(ID, settle=0)
    assert (report.passed, report.points, report.possible) == (True, 11, 11)
    assert world.progress()[ID].best_detect_seconds == 0


def test_the_solution_answers_for_itself_and_shows_what_is_right(world: World) -> None:
    fix = world.scenario(ID).solution
    answer = fix.model_copy(update={"file": fix.file.model_copy(update={"steps": fix.file.steps[:1]})})
    world.apply_fix(ID, answer)
    repair(world)
    assert world.check(ID, settle=0).passed
    world.answer(ID, cause="dns")
    assert verdicts(world.check(ID, settle=0))["diagnosis-cause"][2] == "It refuses large bodies."


def test_a_task_without_a_diagnosis_says_so(tmp_path: Path) -> None:
    from tests.unit.course_sample import SCENARIO  # noqa: PLC0415 - only this test wants the plain one

    plain = {"3-services/no-answer/scenario.yaml": SCENARIO}
    plain["3-services/no-answer/solution/fix.yaml"] = "about: x\nsteps:\n- {say: x, kubectl: [get, pods]}\n"
    with pytest.raises(UsageError, match="asks for no diagnosis"):
        World(tmp_path, plain).answer(ID, cause="limit")


def test_an_unanswered_read_is_named(world: World) -> None:
    world.cluster.failing["read Event"] = "timed out"
    assert "timed out" in world.clues(ID).unread[0]


def test_a_terminal_is_asked_for_what_was_not_given(world: World) -> None:
    out = StringIO()
    typed = iter(["deploy/web", "7", "It refuses large bodies.", "status", "2"])
    scenario, now = world.scenario(ID), world.clues(ID)
    given = ask(Terminal(out), scenario, Given(), now, read=lambda _prompt: next(typed))
    assert (given.component, given.cause) == ("deploy/web", "limit")
    assert given.evidence == now.search("status")[1].text
    assert "Service/web" in out.getvalue(), "the objects there are"
    assert "none of the causes" in out.getvalue()
    assert REFUSED in " ".join(out.getvalue().split()), "the lines that hold the words"
    nothing = ask(Terminal(out), scenario, Given(), now, read=lambda _prompt: "")
    assert nothing == Given(), "an empty line leaves a part as it was"


def test_only_a_task_that_asks_has_the_command_in_its_shell(world: World, tmp_path: Path) -> None:
    assert "answer" in commands(world.scenario(ID))
    plain = load_course(write_course(tmp_path / "plain")).scenarios[0]
    assert "answer" not in commands(plain)
