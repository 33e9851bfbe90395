"""The command line from outside: exit codes, hints, JSON, and what becomes of Ctrl-C, closed pipes and surprises."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from grader.model import Outcome, Report, Verdict
from labs.cli import app
from labs.commands.run import command, new_app
from labs.commands.scenarios import check
from labs.commands.session import Session
from labs.errors import LabsError

ROOT = Path(__file__).parent.parent.parent
Labs = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("LABS_", "FORCE_COLOR"))}
    return {**kept, "LABS_STATE": str(tmp_path / "state"), "HOME": str(tmp_path), "NO_COLOR": "1"}


@pytest.fixture
def labs(environment: dict[str, str], tmp_path: Path) -> Labs:
    """Run the command line in a fresh process, in a folder that is not the project's."""

    def run(*argv: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "labs", *argv],
            env={**environment, **more},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def commands(group: typer.Typer, *before: str) -> Iterator[tuple[str, ...]]:
    for found in group.registered_commands:
        yield (*before, str(found.name))
    for sub in group.registered_groups:
        assert sub.typer_instance is not None
        yield from commands(sub.typer_instance, *before, str(sub.name))


@pytest.mark.parametrize("path", list(commands(app)), ids=" ".join)
def test_every_command_shows_an_example_and_the_shared_options(path: tuple[str, ...]) -> None:
    said = CliRunner().invoke(app, [*path, "--help"])
    assert said.exit_code == 0
    assert f"labs {' '.join(path)}" in said.output.split("Example:")[1]
    for option in ("--cluster", "--provider", "--json", "--events"):
        assert option in said.output


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["statu"], 2, "Did you mean 'status'?"),
        (["up", "--no-such-option"], 2, "No such option"),
        (["status", "--provider", "docker"], 2, "hint: one of engine, kind, or auto"),
        (["up", "--provider", "context:prod"], 2, "hint: use --provider engine"),
        (["status", "--events", "xml"], 2, "hint: use text, json or off"),
        (["scenarios", "show", "no-endpoint"], 2, "did you mean no-endpoints?"),
        (["scenarios", "schema", "scenaro"], 2, "one of: scenario, fix, chapter"),
        (["scenarios", "start", "no-endpoints"], 3, "labs up"),
        (["scenarios", "check", "no-endpoints"], 3, "labs up"),
        (["kubeconfig"], 3, "labs up"),
        (["reset", "--yes"], 3, "labs up"),
        ([], 2, "the app needs a terminal"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_says_so_and_how_to_mend_it(labs: Labs, argv: list[str], code: int, words: str) -> None:
    said = labs(*argv)
    assert (said.returncode, said.stdout) == (code, "")
    assert words in " ".join(said.stderr.split())
    assert "Traceback" not in said.stderr


def test_the_course_is_listed_as_text_and_as_json(labs: Labs) -> None:
    text, data = labs("scenarios", "list"), labs("scenarios", "list", "--json")
    rows = json.loads(data.stdout)
    assert (text.returncode, data.returncode, data.stderr) == (0, 0, "")
    assert {row["chapter"] for row in rows} == {1, 2, 3, 4, 5, 6}
    assert all(row["id"] in text.stdout for row in rows)
    assert max(map(len, text.stdout.splitlines())) <= 80
    sheet = labs("scenarios", "show", rows[0]["id"])
    assert rows[0]["title"] in sheet.stdout
    assert json.loads(labs("scenarios", "show", rows[0]["id"], "--json").stdout)["checks"]


def test_options_count_before_and_after_the_command(labs: Labs) -> None:
    for argv in (["--json", "status", "--cluster", "x"], ["--cluster", "x", "status", "--json"]):
        said = labs(*argv)
        assert said.returncode == 3
        assert json.loads(said.stdout)["cluster"]["name"] == "x"
        assert json.loads(said.stdout)["cluster"]["phase"] == "absent"


def test_the_settings_file_stands_in_for_options_and_its_mistakes_are_told(labs: Labs, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('cluster = "mine"\n')
    said = labs("status", "--json", LABS_SETTINGS=str(file))
    assert json.loads(said.stdout)["cluster"]["name"] == "mine"
    file.write_text('cluser = "mine"\n')
    said = labs("status", LABS_SETTINGS=str(file))
    assert (said.returncode, said.stdout) == (2, "")
    assert "known: provider, cluster, profile" in " ".join(said.stderr.split())


def test_a_mistake_in_a_scenario_is_told_with_file_and_line(labs: Labs, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scenarios" / "3-services", tmp_path / "course" / "3-services")
    folder = tmp_path / "course" / "3-services" / "no-endpoints"
    (folder / "scenario.yaml").write_text("apiVersion: labs/v1\nid: no-endpoints\n  title: x\n")
    said = labs("scenarios", "list", LABS_SCENARIOS=str(tmp_path / "course"))
    assert said.returncode == 2
    assert "scenario.yaml:3" in "".join(said.stderr.split())
    assert "hint:" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_closed_pipe_is_silent(environment: dict[str, str], tmp_path: Path) -> None:
    script = f'"{sys.executable}" -m labs scenarios schema | head -c 1'
    said = subprocess.run(
        ["sh", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (said.stdout, said.stderr) == ("{", "")


def test_ctrl_c_ends_the_command_and_its_children_without_a_traceback(
    environment: dict[str, str], tmp_path: Path
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, body in {
        "docker": "echo 27.0",
        "kind": f'case "$1" in version) echo v0;; *) echo $$ >{tmp_path}/pid; exec sleep 60;; esac',
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    child = subprocess.Popen(
        [sys.executable, "-m", "labs", "up", "--provider", "kind"],
        env={**environment, "PATH": f"{tools}:{environment['PATH']}"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    pid = int(wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()))
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out) == (130, "")
    assert "interrupted" in err
    assert "Traceback" not in err
    wait_for(lambda: not Path(f"/proc/{pid}").exists())


def wait_for(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def test_a_state_folder_that_cannot_be_made_is_said(labs: Labs, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    said = labs("status")
    assert said.returncode == 3
    assert str(tmp_path / "state") in "".join(said.stderr.split())
    assert "Traceback" not in said.stderr


def test_unexpected_exceptions_leave_their_traceback_in_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LABS_STATE", str(tmp_path))
    group = new_app("Test.")

    def boom(_session: Session) -> None:
        raise ValueError("nobody thought of this\nsecond line")

    command(group, "boom", example="labs boom")(boom)
    command(group, "other", example="labs other")(lambda _session: None)
    said = CliRunner().invoke(group, ["boom"])
    assert said.exit_code == 3
    assert said.stderr.splitlines()[0] == "error: ValueError: nobody thought of this"
    (log,) = (tmp_path / "logs").iterdir()
    assert "raise ValueError" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr().out == ""


class FakeTasks:
    """Grades as it was told to."""

    def __init__(self, outcomes: list[Outcome], *, passed: bool) -> None:
        self.checks = [
            Verdict(id=f"c{n}", kind="cel", about="something", points=1, outcome=outcome)
            for n, outcome in enumerate(outcomes)
        ]
        self.passed = passed

    def check(self, scenario: str, **_more: object) -> Report:
        return Report(scenario=scenario, checks=self.checks, passed=self.passed)


@pytest.mark.parametrize(
    ("outcomes", "passed", "code"),
    [
        ([Outcome.PASSED, Outcome.NOT_APPLICABLE], True, 0),
        ([Outcome.PASSED, Outcome.FAILED], False, 1),
        ([Outcome.UNKNOWN, Outcome.FAILED], False, 3),
    ],
)
def test_the_exit_code_of_a_grading(
    outcomes: list[Outcome], passed: bool, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    class FakeSession(Session):
        def tasks(self, *, live: bool = True) -> Any:
            assert live
            return FakeTasks(outcomes, passed=passed)

    assert check(FakeSession(json=True), "first-pod") == code
    assert json.loads(capsys.readouterr().out)["passed"] is passed


def test_every_error_of_ours_has_an_exit_code_of_the_contract() -> None:
    def all_of(kind: type[LabsError]) -> Iterator[type[LabsError]]:
        yield kind
        for sub in kind.__subclasses__():
            yield from all_of(sub)

    assert {kind.exit_code for kind in all_of(LabsError)} == {2, 3, 130}
