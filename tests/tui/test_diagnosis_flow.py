"""A learner answers a diagnose task, with keys only, and reads what the coach says."""

from __future__ import annotations

import pytest
from driving import SIZES, opened, press_until, seen, sees, until, words
from textual.pilot import Pilot

from grader.model import Change
from labs.errors import ClusterError
from tui.fake import FakeGateway
from tui.screens.task import TaskScreen
from tui.widgets.verdict import Checks

pytestmark = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
TASK = "half-the-requests-fail"


async def form(pilot: Pilot[None]) -> None:
    await pilot.press("end")
    await press_until(pilot, "enter", "not graded yet")
    await press_until(pilot, "d", "recs-b-58c6d")


def answered(world: FakeGateway) -> list[bool | None]:
    found = world.attempts[TASK].diagnosis
    return [part.right for part in found.parts] if found is not None else []


async def test_from_a_wrong_answer_to_a_passed_task(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await form(pilot)
        await pilot.press(*"deployment/recs-b", "enter")  # to the causes
        await pilot.press("enter", "tab", *"fallback 413", "enter", "enter")  # the first cause, the first line found
        await until(pilot, lambda: "fallback shown: HTTP 413" in seen(pilot))
        await press_until(pilot, "ctrl+s", "✓ right")
        await until(pilot, lambda: answered(world) == [True, False, False])
        await sees(pilot, "it does not prove")
        await pilot.press("ctrl+u", *"recs-b 413", "enter", "enter", "shift+tab", *["down"] * 3, "enter")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: answered(world) == [True, True, True])
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, TaskScreen))
        await press_until(pilot, "c", "✗ Not yet")
        world.attempts[TASK].workspace.joinpath("fixed").touch()
        await press_until(pilot, "c", "✓ Passed")
        await press_until(pilot, "d", "Deployment/recs-b")
        assert seen(pilot).count("✓ right") == 3, "what was answered is still there"


async def test_the_component_is_completed_from_what_is_there(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await form(pilot)
        await pilot.press(*"configmap/")
        await sees(pilot, "recs-b-config")
        await pilot.press("right", "ctrl+s")
        await until(pilot, lambda: answered(world) == [False, None, None])


async def test_what_cannot_be_read_is_said_and_the_form_stays(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await form(pilot)
        await press_until(pilot, "ctrl+s", "Nothing is new in it.")
        await pilot.press(*"recs")
        await press_until(pilot, "ctrl+s", "names no object")
        assert "Service/recs" in seen(pilot)
        world.errors["answer"] = ClusterError("the API server said [/nope]", hint="run: labs up")
        await press_until(pilot, "ctrl+s", "[/nope]")
        assert answered(world) == []


async def test_other_tasks_have_no_such_key(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "not graded yet")
        assert "Diagnose" not in seen(pilot)
        await pilot.press("d")
        await pilot.pause()
        assert isinstance(pilot.app.screen, TaskScreen)


async def test_the_coach_stands_beside_the_verdict(world: FakeGateway, size: tuple[int, int]) -> None:
    world.coaching = ["you edited Pod/[x], but Deployment/web still has `spec.replicas` as it was"]
    world.changes = [Change(at="2026-03-02T12:00:41+00:00", verb="patch", object="Pod/[x]", fields=["spec.a[b].c"])]
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "not graded yet")
        await press_until(pilot, "c", "✗ Not yet")
        pilot.app.screen.query_one(Checks).focus()
        await pilot.press("end")
        await until(pilot, lambda: "12:00:41 patch Pod/[x]: spec.a[b].c" in words(pilot))
        await sees(pilot, "· changed")
        await pilot.press("up")
        await until(pilot, lambda: "≈ close" in seen(pilot) and "this is not part of the verdict" in words(pilot))
        assert "you edited Pod/[x], but Deployment/web still has" in words(pilot)
