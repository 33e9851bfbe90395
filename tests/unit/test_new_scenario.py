"""The author's kit without a cluster: what `labs new` makes, what lint says of it, and what watching a folder does."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from labs.cli import app
from labs.course.create import create, kind_of, write_schemas
from labs.course.lint import lint
from labs.course.load import load_course
from labs.course.models import Kind, Scenario
from labs.course.schema import schema
from labs.errors import UsageError
from labs.inject.manifests import stages
from labs.prove.mutants import mutants
from labs.prove.watch import watch
from tests.unit.course_sample import write_course

TODO = re.compile(r"\bTODO\b")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_course(tmp_path / "course")


def made(root: Path, name: str, kind: Kind) -> tuple[Scenario, Path]:
    files = create(name, chapter=3, kind=kind, root=root)
    scenario = next(s for s in load_course(root).scenarios if s.id == name)
    assert all(scenario.folder in path.parents for path in files)
    return scenario, scenario.folder


@pytest.mark.parametrize("kind", list(Kind))
def test_a_new_scenario_is_whole_and_lint_names_every_line_to_write(root: Path, kind: Kind) -> None:
    scenario, folder = made(root, "brand-new", kind)
    assert (scenario.file.kind, scenario.file.lesson, scenario.file.namespaces) == (kind, "3.1", ("brand-new",))
    assert stages(scenario)[0].objects
    found = lint([folder], root=root)
    assert {finding.rule for finding in found} == {"todo"}
    marked = {
        f"{path}:{number}"
        for path in folder.rglob("*")
        if path.is_file()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if TODO.search(line)
    }
    assert {str(Path.cwd() / f.where.rpartition(":")[0]) + ":" + f.where.rpartition(":")[2] for f in found} == marked
    assert len(marked) > 10


@pytest.mark.parametrize("kind", list(Kind))
def test_without_the_word_nothing_is_left_to_mend(root: Path, kind: Kind) -> None:
    _, folder = made(root, "brand-new", kind)
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_text(TODO.sub("Done", path.read_text()))
    assert lint([folder], root=root) == []


def test_a_file_that_a_step_names_and_nobody_wrote_is_told(root: Path) -> None:
    _, folder = made(root, "brand-new", Kind.BUILD)
    (folder / "solution" / "service.yaml").rename(folder / "solution" / "other.yaml")
    found = [f for f in lint([folder], root=root) if f.rule != "todo"]
    assert [(f.rule, f.message) for f in found] == [("file", "there is no `service.yaml` beside this file")]
    assert found[0].where.endswith("solution/fix.yaml:5")


def test_a_diagnosis_asks_for_the_answer_first(root: Path) -> None:
    scenario, _ = made(root, "brand-new", Kind.DIAGNOSE)
    assert [m.number for m in mutants(scenario)] == [1, 2]


@pytest.mark.parametrize(
    ("name", "chapter", "lesson", "said"),
    [
        ("no-answer", 3, "", "already"),
        ("shop", 3, "", "is no-answer's"),
        ("Not-Good", 3, "", "cannot be an id"),
        ("../up", 3, "", "cannot be an id"),
        ("x" * 60, 3, "", "cannot be an id"),
        ("fine", 5, "", "there is no chapter 5"),
        ("fine", 3, "4.1", "has no lesson 4.1"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_is_written(
    root: Path, name: str, chapter: int, lesson: str, said: str
) -> None:
    before = sorted(root.rglob("*"))
    with pytest.raises(UsageError, match=said) as error:
        create(name, chapter=chapter, kind=Kind.FIX, lesson=lesson, root=root)
    assert error.value.hint
    assert sorted(root.rglob("*")) == before
    with pytest.raises(UsageError, match="there is no kind"):
        kind_of("mend")


def test_the_first_line_points_an_editor_at_a_schema_that_is_there(root: Path) -> None:
    _, folder = made(root, "brand-new", Kind.FIX)
    for path in [folder / "scenario.yaml", *folder.rglob("fix.yaml")]:
        first = path.read_text().splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        target = (path.parent / first.partition("=")[2]).resolve()
        body = json.loads(target.read_text())
        assert body == json.loads(json.dumps(schema()[target.stem]))
        assert set(yaml.safe_load(path.read_text())) <= set(body["properties"])
    assert (root / ".schema" / ".gitignore").read_text() == "*\n"
    assert load_course(root).scenarios  # the folder of schemas is no chapter


def test_the_command_line_makes_it_and_says_what_comes_next(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_SCENARIOS", str(root))
    done = CliRunner().invoke(app, ["new", "brand-new", "--chapter", "3", "--kind", "build", "--json"])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert data["scenario"] == "brand-new"
    assert len(data["files"]) > 6
    again = CliRunner().invoke(app, ["new", "brand-new", "--chapter", "3"])
    assert again.exit_code == 2
    shown = CliRunner().invoke(app, ["lint", data["folder"], "--json"])
    assert shown.exit_code == 2
    assert {finding["rule"] for finding in json.loads(shown.stdout)["findings"]} == {"todo"}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["prove", "no-answer", "--all"], "name scenarios, or all of them"),
        (["prove", "--watch"], "one scenario can be watched"),
        (["prove", "--watch", "nobody"], "there is no scenario `nobody`"),
        (["schema", "nothing"], "there is no schema of `nothing`"),
        (["lint", "nowhere"], "there is no nowhere"),
    ],
)
def test_what_cannot_be_done_is_said_before_a_cluster_is_asked(
    root: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], said: str
) -> None:
    monkeypatch.setenv("LABS_SCENARIOS", str(root))
    monkeypatch.setenv("LABS_STATE", str(root.parent / "state"))
    done = CliRunner().invoke(app, argv)
    assert (done.exit_code, said in done.stderr, "hint:" in done.stderr) == (2, True, True), done.output


def test_schemas_are_written_on_demand(root: Path) -> None:
    assert {path.stem for path in write_schemas(root)} == set(schema())


class Editor:
    """Saves files while somebody watches; each look is one tick."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.saves: dict[int, Callable[[], object]] = {}
        self.ticks = 0

    def sleep(self, _seconds: float) -> None:
        self.ticks += 1
        if self.ticks > 20:
            raise KeyboardInterrupt
        self.saves.get(self.ticks, lambda: None)()


def test_watching_acts_at_once_and_after_each_save(root: Path) -> None:
    folder = root / "3-services" / "no-answer"
    editor = Editor(folder)
    editor.saves = {
        3: lambda: (folder / "debrief.md").write_text("Another word.\n"),
        8: (folder / "broken").mkdir,
        12: lambda: (folder / "base" / "more.yaml").write_text("# new\n"),
        13: lambda: (folder / "base" / "more.yaml").write_text("# new, in two steps\n"),
        18: lambda: (folder / ".swp").write_text("an editor's own"),
    }
    acted: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        watch(folder, lambda _changed: acted.append(editor.ticks), sleep=editor.sleep)
    assert acted[0] == 0
    assert len(acted) == 3  # at once, after the debrief, after the new file in both its steps


def test_what_is_done_can_see_that_it_is_out_of_date(root: Path) -> None:
    folder = root / "3-services" / "no-answer"
    editor = Editor(folder)
    seen: list[tuple[bool, bool]] = []

    def act(changed: Callable[[], bool]) -> None:
        before = changed()
        (folder / "debrief.md").write_text(f"{os.urandom(4).hex()}\n" * (len(seen) + 1))
        seen.append((before, changed()))
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(folder, act, sleep=editor.sleep)
    assert seen == [(False, True), (False, True)]
