"""A learner works on a task, with keys only."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from driving import SIZES, opened, press_until, seen, sees, until, words

from labs.errors import ClusterError
from labs.providers.base import Phase
from tui.fake import NOON, FakeGateway
from tui.screens.home import HomeScreen
from tui.screens.task import TaskScreen
from tui.widgets.verdict import Checks

pytestmark = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
TASK = "hangs-on-connect"


def workspace(world: FakeGateway) -> Path:
    return world.attempts[TASK].workspace


async def test_from_a_failed_check_to_the_debrief(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "not graded yet")
        await press_until(pilot, "c", "✗ Not yet")
        assert "✗ failed" in seen(pilot)
        assert "MinimumReplicasUnavailable" in seen(pilot), "the first failed check explains itself without being asked"
        assert "0 of 7 points" in seen(pilot)
        await pilot.press("down", "down")
        await until(pilot, lambda: "connection refused" in words(pilot))
        workspace(world).joinpath("fixed").touch()
        await press_until(pilot, "c", "✓ Passed")
        await sees(pilot, "The server listened on 127.0.0.1")
        assert "solved in 2:14" in seen(pilot)
        await press_until(pilot, "q", "3 of 6 solved")
        assert "solved 2:14" in seen(pilot)


async def test_a_task_that_was_left_is_resumed_with_its_clock(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "2:14 / 4:00")
        await press_until(pilot, "h", "1 of 3")
        await press_until(pilot, "q", "2 of 6 solved")
        world.stopped_at = NOON + timedelta(seconds=300)
        await press_until(pilot, "enter", "5:00 / 4:00 over target")
        await pilot.press(*["pagedown"] * 4)
        await sees(pilot, "1 of 3")


async def test_hints_come_one_after_the_other(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "not graded yet")
        await press_until(pilot, "h", "1 of 3 · the idea")
        await press_until(pilot, "h", "2 of 3 · where to look")
        await press_until(pilot, "h", "3 of 3 · read from your cluster")
        await pilot.press("h")
        await pilot.pause()
        assert world.attempts[TASK].hints == ("concept", "field", "live")


async def test_reset_asks_and_a_no_changes_nothing(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "not graded yet")
        fixed = workspace(world) / "fixed"
        fixed.touch()
        await press_until(pilot, "r", "Reset this task to its broken start?")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, TaskScreen))
        assert fixed.exists()
        await press_until(pilot, "c", "✓ Passed")
        await press_until(pilot, "r", "Reset this task to its broken start?")
        await press_until(pilot, "y", "not graded yet")
        assert not fixed.exists()


async def test_stop_asks_and_leads_home(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "not graded yet")
        await press_until(pilot, "x", "Stop this task?")
        await pilot.press("y")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        assert TASK not in world.attempts


async def test_the_solution_asks_once(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "not graded yet")
        await press_until(pilot, "o", "Show the solution?")
        await press_until(pilot, "y", "kubectl -n reco-first set env deploy/recommender HOST=0.0.0.0")
        assert world.attempts[TASK].saw_solution
        await press_until(pilot, "q", "Situation")
        await press_until(pilot, "o", "kubectl -n reco-first set env deploy/recommender HOST=0.0.0.0")


async def test_grading_never_blocks_and_can_be_cancelled(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "not graded yet")
        world.hold.clear()
        await press_until(pilot, "c", "▸ Grading")
        await press_until(pilot, "h", "1 of 3")
        await press_until(pilot, "q", "Cancelled")
        assert "▸ Grading" not in seen(pilot)
        world.hold.set()
        await until(pilot, lambda: all(worker.is_finished for worker in pilot.app.workers))
        assert "not graded yet" in seen(pilot), "the verdict of a cancelled grading is not shown"
        await press_until(pilot, "c", "✗ Not yet")


async def test_an_error_is_told_with_its_hint_and_the_next_key_works(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "not graded yet")
        world.errors["check"] = ClusterError("the API server said [/nope] [[x]]", hint="run: labs up")
        await press_until(pilot, "c", "the API server said [/nope] [[x]]")
        assert "hint: run: labs up" in seen(pilot)
        assert "Traceback" not in seen(pilot)
        await press_until(pilot, "c", "✗ Not yet")


async def test_a_defect_of_ours_does_not_end_the_app(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "not graded yet")
        world.errors["hint"] = KeyError("[bold")
        await press_until(pilot, "h", "KeyError: '[bold'")
        await press_until(pilot, "h", "1 of 3")


async def test_what_a_cluster_says_is_shown_letter_by_letter(world: FakeGateway, size: tuple[int, int]) -> None:
    hostile = "spec[/foo]: [[bold]] [red]x[/] \x1b[31m\x07 \u202eevil"
    world.evidence["available"] = (hostile, "[/b]", ["at [0]: [link=x]"])
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "not graded yet")
        await press_until(pilot, "c", "spec[/foo]: [[bold]] [red]x[/] ␛[31m␇ \ufffdevil")
        assert "[/b]" in seen(pilot)
        assert "at [0]: [link=x]" in seen(pilot)
        assert not {"\x1b", "\x07", "\u202e"} & set(seen(pilot))


async def test_every_outcome_is_a_word(world: FakeGateway, size: tuple[int, int]) -> None:
    world.broken_guard = True
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "not graded yet")
        await press_until(pilot, "c", "✗ A guard is broken")
        for word in ("✗ failed", "– n/a", "✗ broken"):
            assert word in seen(pilot)
        assert "readinessProbe is gone" in seen(pilot), "the broken guard is explained first"
        pilot.app.screen.query_one(Checks).focus()
        await pilot.press("up")
        await until(pilot, lambda: "needs a GPU pool" in words(pilot))


async def test_what_the_cluster_lacks_is_said_at_the_start(world: FakeGateway, size: tuple[int, int]) -> None:
    world.missing = ["needs a GPU pool, the cluster's is none"]
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "Some checks do not apply here")


async def test_a_task_that_cannot_start_can_still_be_read_and_left(world: FakeGateway, size: tuple[int, int]) -> None:
    world.errors["start"] = ClusterError("the namespace is somebody else's", hint="choose another cluster")
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "the namespace is somebody else's")
        await pilot.press("c", "s", "h")
        assert "Situation" in seen(pilot)
        await press_until(pilot, "q", "2 of 6 solved")
        assert world.phase is Phase.READY
