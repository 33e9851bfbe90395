"""The ledger of proofs: what counts as proved, what is drawn, and that writers do not lose each other's entries."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labs.bench.figures import Figure
from labs.cli import app
from labs.course.load import load_course
from labs.course.models import Scenario
from labs.errors import DataError, MachineError, UsageError
from labs.prove import Proof, ProveReport, Trial, page
from labs.prove import ledger as module
from labs.prove.ledger import Ledger, digest
from labs.prove.serving import serve, served
from tests.unit.course_sample import FILES, write_course

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def course_of(root: Path, count: int = 1) -> list[Scenario]:
    files: dict[str, str | bytes | None] = {}
    for number in range(1, count):
        for name, text in FILES.items():
            if "/no-answer/" in name:
                fresh = text.replace("no-answer", f"no-answer-{number}").replace("shop", f"shop-{number}")
                files[name.replace("no-answer", f"no-answer-{number}")] = fresh
    return list(load_course(write_course(root, files)).scenarios)


def proof(scenario: Scenario, *, ok: bool = True) -> Proof:
    return Proof(scenario.id, scenario.digest, [Trial("start", ok, "", 1.5), Trial("wrong x", ok, "caught", 2.0)])


def enter(ledger: Ledger, scenario: Scenario, *, ok: bool = True) -> None:
    ledger.record(scenario, proof(scenario, ok=ok), provider="engine", gpu="none", now=NOW)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "proved.json")


def test_a_proof_counts_until_the_folder_changes(tmp_path: Path, ledger: Ledger) -> None:
    root = tmp_path / "course"
    scenario = course_of(root)[0]
    assert not ledger.current(scenario)
    enter(ledger, scenario)
    assert ledger.current(scenario)
    assert json.loads(ledger.path.read_text())["proved"]["no-answer"] == {
        "digest": digest(scenario),
        "at": "2026-01-31",
        "provider": "engine",
        "gpu": "none",
        "seconds": 3.5,
    }
    (root / "3-services/no-answer/debrief.md").write_text("Another word.\n")
    assert not ledger.current(load_course(root).scenarios[0])


def test_a_failure_takes_the_entry_out(tmp_path: Path, ledger: Ledger) -> None:
    scenario = course_of(tmp_path / "course")[0]
    enter(ledger, scenario)
    enter(ledger, scenario, ok=False)
    assert ledger.entries() == {}


def test_what_changed_while_it_was_proved_is_not_entered(tmp_path: Path, ledger: Ledger) -> None:
    root = tmp_path / "course"
    scenario = course_of(root)[0]
    (root / "3-services/no-answer/debrief.md").write_text("Saved during the proof.\n")
    enter(ledger, scenario)
    assert ledger.entries() == {}


def test_code_counts_and_its_comments_do_not(tmp_path: Path) -> None:
    path = tmp_path / "check.py"

    def of(text: str) -> str:
        path.write_text(text)
        return module._code(path, hash(text))

    plain = of('"""Doc."""\n\n\ndef f(x):\n    """Doc."""\n    return x + 1\n')
    assert plain == of('"""Other\nwords."""\n# why\ndef f(x):\n    return x + 1  # why\n')
    assert plain != of("def f(x):\n    return x + 2\n")
    assert of('def f():\n    return "# no comment"\n') != of('def f():\n    return "# another"\n')


def test_the_code_of_its_checks_and_faults_is_part_of_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = course_of(tmp_path / "course")[0]
    before = digest(scenario)
    asked: list[str] = []

    def changed(path: Path, _time: int) -> str:
        asked.append(path.name)
        return "changed"

    monkeypatch.setattr(module, "_code", changed)
    assert digest(scenario) != before
    assert asked == ["cel.py", "sustained.py", "service_selector.py"]


def test_drafts_are_what_is_not_proved_and_only_where_there_is_a_ledger(tmp_path: Path, ledger: Ledger) -> None:
    scenarios = course_of(tmp_path / "course", 3)
    assert ledger.drafts(scenarios) == set()
    enter(ledger, scenarios[0])
    assert ledger.drafts(scenarios) == {s.id for s in scenarios[1:]}


def test_a_draft_is_listed_as_one_and_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenarios = course_of(tmp_path, 2)
    monkeypatch.setenv("LABS_SCENARIOS", str(tmp_path))
    monkeypatch.setenv("LABS_STATE", str(tmp_path / ".state"))
    monkeypatch.delenv("LABS_DRAFTS", raising=False)
    for scenario in scenarios:
        serve(scenario)  # without a ledger everything is served
    enter(Ledger(), scenarios[0])
    serve(scenarios[0])
    with pytest.raises(UsageError, match=f"the task {scenarios[1].id} is a draft") as error:
        serve(scenarios[1])
    assert "--drafts" in error.value.hint
    rows = json.loads(CliRunner().invoke(app, ["scenarios", "list", "--json"]).stdout)
    assert {row["id"]: row["draft"] for row in rows} == {scenarios[0].id: False, scenarios[1].id: True}
    shown = CliRunner().invoke(app, ["scenarios", "list"]).stdout
    assert [line.split()[-1] for line in shown.splitlines() if line.strip().startswith("no-answer")] == ["new", "draft"]
    warned = CliRunner().invoke(app, ["lint"]).stderr + CliRunner().invoke(app, ["lint"]).stdout
    assert f"so drafts: {scenarios[1].id}" in " ".join(warned.split())
    monkeypatch.setenv("LABS_DRAFTS", "1")
    serve(scenarios[1])


def test_the_course_is_offered_without_drafts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenarios = course_of(tmp_path, 3)
    course = load_course(tmp_path)
    one, two, three = (s.id for s in scenarios)
    monkeypatch.setenv("LABS_SCENARIOS", str(tmp_path))
    monkeypatch.setenv("LABS_STATE", str(tmp_path / ".state"))
    monkeypatch.delenv("LABS_DRAFTS", raising=False)

    def offered(*running: str) -> tuple[list[str], set[str]]:
        found, drafts = served(course, running)
        return [s.id for s in found.scenarios], set(drafts)

    assert offered() == ([one, two, three], set())  # without a ledger everything is served
    enter(Ledger(), scenarios[0])
    assert offered() == ([one], set())
    assert offered(three) == ([one, three], {three})  # somebody has started it as what it is
    monkeypatch.setenv("LABS_DRAFTS", "1")
    assert offered() == ([one, two, three], {two, three})


def test_chosen_is_what_changed_and_a_tenth_of_the_rest(tmp_path: Path, ledger: Ledger) -> None:
    scenarios = course_of(tmp_path / "course", 23)
    assert ledger.choose(scenarios, 1).sampled == ()
    for scenario in scenarios[1:]:
        enter(ledger, scenario)
    first, again = ledger.choose(scenarios, 1), ledger.choose(scenarios, 1)
    assert first == again
    assert first.changed == (scenarios[0].id,)
    assert len(first.sampled) == 3
    assert scenarios[0].id not in first.sampled
    assert {ledger.choose(scenarios, seed).sampled for seed in range(20)} != {first.sampled}


def test_writers_at_the_same_time_keep_each_others_entries(tmp_path: Path, ledger: Ledger) -> None:
    scenarios = course_of(tmp_path / "course", 8)
    threads = [threading.Thread(target=enter, args=(Ledger(ledger.path), s)) for s in scenarios]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(ledger.entries()) == {s.id for s in scenarios}
    assert list(ledger.entries()) == sorted(s.id for s in scenarios)
    assert [p.name for p in ledger.path.parent.iterdir() if p.is_file()] == ["proved.json"]


@pytest.mark.parametrize("text", ["", "[]", '{"proved": {"x": {"digest": 1}}}', '{"proved": []}', "\x00"])
def test_a_spoiled_ledger_is_told(ledger: Ledger, text: str) -> None:
    ledger.path.write_text(text)
    with pytest.raises(DataError, match="ledger") as error:
        ledger.entries()
    assert error.value.hint


def test_a_ledger_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    scenario = course_of(tmp_path / "course")[0]
    with pytest.raises(MachineError, match="cannot be written"):
        enter(Ledger(tmp_path / "nowhere" / "proved.json"), scenario)


def test_the_page_names_everything_and_no_path_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_STATE", str(tmp_path / "state"))
    trials = [Trial("start", True, "", 1.0), Trial("wrong x", False, f"no {tmp_path}/state/clusters/y", 2.0)]  # noqa: FBT003 - data
    skipped = Proof("gpu-one", "d", skipped="needs a GPU pool")
    report = ProveReport("lab", "engine", "none", [Proof("one", "d", trials), skipped], 63.0, 4)
    reference = Figure("kubectl get --raw /readyz", "s", (0.1, 0.2, 0.3))
    written = page.write(report, tmp_path, seed=7, reference=reference, now=NOW, cpus=2)
    markdown, data = (path for path in reversed(written))
    text = markdown.read_text()
    assert "0 of 2 scenarios, 2 trials, 1 min 03 s, on 2026-01-31." in text
    assert "Provider engine, GPU pool: none; seed 7, rounds: 1.\n4 at once on 2 CPUs" in text
    assert "24 scenarios proved, at the rate of this run: 25 min 12 s; limit on 2 CPUs 15 min 00 s, **missed**" in text
    assert "7560 × one `kubectl get --raw /readyz` (0.20 s before it)" in text
    assert "| one | **not proved** | 2 | 1 | 0 | 1.0 |" in text
    assert "✗ wrong x: no STATE/clusters/y" in text
    assert "not applicable: needs a GPU pool" in text
    assert str(tmp_path) not in text + data.read_text()
    told = json.loads(data.read_text())
    assert told["seed"] == 7
    assert told["speed"]["figures"][0]["met"] is False


@pytest.mark.parametrize(("seconds", "held"), [(37.0, "met"), (38.0, "**missed**")])
def test_the_page_holds_the_rate_against_its_limit(seconds: float, held: str) -> None:
    report = ProveReport("lab", "engine", "none", [Proof("one", "d")], seconds)
    pace = page.speed(report, Figure("reference", "s", (0.1,)))
    assert f"15 min 00 s, {held};" in page.page(report, pace, day="", seed=1, cpus=2)
