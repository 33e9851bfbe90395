"""The shipped course: every scenario loads, lints clean, makes its objects, and can be watched by its own checks."""

from __future__ import annotations

import pytest

from labs.course.lint import lint
from labs.course.load import load_course
from labs.course.models import Kind, Scenario
from labs.inject.manifests import WORKLOADS, final, stages

COURSE = load_course()


def test_the_course_lints_clean() -> None:
    assert [f"{f.where}: {f.message}" for f in lint()] == []


def test_every_chapter_has_a_scenario_and_its_five_lessons() -> None:
    assert [chapter.number for chapter in COURSE.chapters] == [1, 2, 3, 4, 5, 6]
    for chapter in COURSE.chapters:
        assert chapter.scenarios, chapter.title
        assert list(chapter.lessons) == [f"{chapter.number}.{n}" for n in range(1, 6)]


def test_the_chapters_make_up_the_whole_exam() -> None:
    assert sum(chapter.weight for chapter in COURSE.chapters) == 100


@pytest.mark.parametrize("scenario", COURSE.scenarios, ids=lambda s: s.id)
def test_a_scenario_makes_its_objects(scenario: Scenario) -> None:
    staged = stages(scenario)
    objects = final(staged)
    assert staged[0]
    # What a `build` scenario is about is made by the learner.
    assert scenario.file.kind is Kind.BUILD or any(obj["kind"] in WORKLOADS for obj in objects.values())
    assert {obj["metadata"].get("namespace") for obj in objects.values()} <= {None, *scenario.file.namespaces}


@pytest.mark.parametrize("scenario", COURSE.scenarios, ids=lambda s: s.id)
def test_every_check_and_guard_tells_why(scenario: Scenario) -> None:
    assert all(check.why for check in scenario.file.checks)
    assert all(guard.why for guard in scenario.file.guards)
