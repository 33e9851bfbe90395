"""Home, the way to a cluster, doctor, help: what stands around the tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
from driving import SIZES, opened, press_until, seen, sees, until, words

from labs.course.load import load_course
from labs.errors import ClusterError, TakenError
from labs.prove import Proof, Trial
from labs.prove.ledger import Ledger
from labs.providers.base import Phase
from tests.unit.course_sample import FILES, write_course
from tui.app import LabsApp
from tui.bringup import Stage
from tui.fake import FakeGateway
from tui.gateway import LiveGateway
from tui.screens.engine import EngineScreen
from tui.screens.home import HomeScreen
from tui.screens.task import TaskScreen

pytestmark = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


@pytest.fixture
def empty(tmp_path: Path) -> FakeGateway:
    """A machine without a cluster."""
    return FakeGateway(phase=Phase.ABSENT, folder=tmp_path)


async def test_home_shows_course_progress_and_cluster(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        shown = seen(pilot)
        assert "● lab ready · 2 nodes · 1.0 GB" in shown
        assert "2 of 6 solved" in shown
        for chapter, weight in (("1  Foundations", "10 %"), ("6  Operations", "15 %")):
            assert chapter in shown
            assert weight in shown
        for said in ("running", "solved 5:41", "new", "operate", "9 min", "w8"):
            assert said in shown
        await sees(pilot, "Monday, 10:40")  # the task under the cursor tells its story
        await pilot.press("up")
        await sees(pilot, "1.2  Clusters, contexts")


@pytest.mark.parametrize("author", [False, True])
async def test_a_draft_is_for_authors_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], author: bool
) -> None:
    """On the real gateway, without a cluster: one of two tasks is proved as it is now."""
    twin = {
        name.replace("no-answer", "no-reply"): text.replace("no-answer", "no-reply").replace("does not answer", "waits")
        for name, text in FILES.items()
        if "/no-answer/" in name
    }
    monkeypatch.setenv("LABS_SCENARIOS", str(write_course(tmp_path / "course", dict(twin))))
    monkeypatch.setenv("LABS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("LABS_DRAFTS", "1" if author else "0")
    proved = next(s for s in load_course(tmp_path / "course").scenarios if s.id == "no-answer")
    trials = [Trial("start", ok=True, detail="", seconds=1.0)]
    Ledger().record(proved, Proof(proved.id, proved.digest, trials), provider="x", gpu="none")
    app = LabsApp(LiveGateway(cluster="none"))
    async with app.run_test(size=size) as pilot:
        await sees(pilot, "The service that does not answer")
        assert ("0 of 2 solved" if author else "0 of 1 solved") in seen(pilot)
        assert ("The service that waits" in seen(pilot)) is author
        assert ("draft" in seen(pilot)) is author
        if author:
            await pilot.press("down")
            await until(pilot, lambda: "◇ draft: not proved as it is now" in words(pilot))


async def test_a_chapter_folds(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await pilot.press("up")
        await press_until(pilot, "enter", "▸ 1  Foundations")
        await press_until(pilot, "enter", "▾ 1  Foundations")


async def test_a_task_without_a_cluster_brings_one_up_and_goes_on(empty: FakeGateway, size: tuple[int, int]) -> None:
    empty.hold.clear()
    async with opened(empty, size) as pilot:
        assert "○ no cluster yet" in seen(pilot)
        await press_until(pilot, "enter", "Bring it up now?")
        await press_until(pilot, "y", "Building the images of the course")
        assert "✓ done" in seen(pilot)
        assert "29%" in seen(pilot)
        assert "1:04 of about 3:40" in seen(pilot)
        assert "The images of the course are not built yet" in seen(pilot)
        empty.hold.set()
        await until(pilot, lambda: isinstance(pilot.app.screen, TaskScreen))
        await sees(pilot, "not graded yet")


async def test_no_is_an_answer(empty: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(empty, size) as pilot:
        await press_until(pilot, "enter", "Bring it up now?")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        assert empty.phase is Phase.ABSENT


async def test_the_engine_screen_can_be_left_and_returned_to(empty: FakeGateway, size: tuple[int, int]) -> None:
    empty.hold.clear()
    async with opened(empty, size) as pilot:
        await press_until(pilot, "u", "Building the images of the course")
        await pilot.press("q")
        await sees(pilot, "▸ starting · 1 of 2 steps")
        assert isinstance(pilot.app.screen, HomeScreen)
        await press_until(pilot, "u", "Building the images of the course")
        await pilot.press("q")
        empty.hold.set()
        await sees(pilot, "The cluster is ready.")
        await sees(pilot, "● lab ready")


async def test_a_failed_start_says_why_and_can_be_tried_again(empty: FakeGateway, size: tuple[int, int]) -> None:
    empty.errors["up"] = TakenError("port 6443 is taken by [nginx]", hint="stop it, or: labs up --cluster other")
    async with opened(empty, size) as pilot:
        await press_until(pilot, "u", "✗ port 6443 is taken by [nginx]")
        assert "hint: stop it, or: labs up --cluster other" in words(pilot)
        await press_until(pilot, "u", "✓ The cluster is ready.")
        assert "▸ running" not in seen(pilot)


async def test_bringing_it_up_can_be_cancelled_and_goes_on_from_there(
    empty: FakeGateway, size: tuple[int, int]
) -> None:
    empty.hold.clear()
    async with opened(empty, size) as pilot:
        await press_until(pilot, "u", "Building the images of the course")
        await press_until(pilot, "x", "Cancelled")
        empty.hold.set()
        await until(pilot, lambda: all(worker.is_finished for worker in pilot.app.workers))
        assert pilot.app.bringup.stage is Stage.CANCELLED  # type: ignore[attr-defined]
        await press_until(pilot, "u", "✓ The cluster is ready.")
        assert isinstance(pilot.app.screen, EngineScreen)


async def test_doctor_says_ok_not_ok_and_worth_knowing_with_the_mend(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await press_until(pilot, "d", "Embedded engine")
        for said in ("✓ ok", "✗ not ok", "! worth knowing", "hint: apt-get install podman", "no [docker] answers"):
            assert said in seen(pilot)
        assert "can run here" in seen(pilot)
        world.errors["findings"] = ClusterError("no [eyes]")
        await press_until(pilot, "r", "no [eyes]")
        await press_until(pilot, "r", "✗ not ok")
        await press_until(pilot, "q", "2 of 6 solved")


async def test_help_tells_the_keys(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await press_until(pilot, "question_mark", "your shell; F12 brings you back")
        await pilot.press("q")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))


async def test_the_palette_knows_the_tasks(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await pilot.press("ctrl+p")
        await pilot.press(*"arrived")
        await sees(pilot, "Task: The patch that never arrived")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, TaskScreen))


async def test_every_key_of_the_footer_is_on_the_screen(world: FakeGateway, size: tuple[int, int]) -> None:
    async with opened(world, size) as pilot:
        await until(pilot, lambda: {"Open", "Cluster up", "Doctor", "Help", "Quit"} <= set(_footer(seen(pilot))))
        await press_until(pilot, "enter", "not graded yet")
        wanted = {"Shell", "Check", "Hint", "Solution", "Reset", "Stop", "Help", "Back"}
        await until(pilot, lambda: wanted <= set(_footer(seen(pilot))))


async def test_no_color_leaves_only_greys(
    world: FakeGateway, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(world, size) as pilot:
        await press_until(pilot, "enter", "not graded yet")
        await press_until(pilot, "c", "✗ failed")
        strips = pilot.app.screen._compositor.render_strips()
        styles = {segment.style for strip in strips for segment in strip if segment.style is not None}
        colours = {colour for style in styles for colour in (style.color, style.bgcolor) if colour is not None}
        assert colours
        assert all(len(set(colour.get_truecolor())) == 1 for colour in colours)


def _footer(shown: str) -> list[str]:
    last = shown.rsplit("\n", maxsplit=1)[-1]
    return [part.strip().split(" ", 1)[1] for part in last.split("  ") if " " in part.strip()]
