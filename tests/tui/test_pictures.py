"""How the screens look: SVG snapshots, and the README's pictures, which cannot go stale.

After a wanted change: `pytest tests/tui/test_pictures.py --snapshot-update`, look at the pictures, commit them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from driving import SIZES, opened, press_until, sees, settled
from textual.pilot import Pilot

from labs.providers.base import Phase
from tui.app import LabsApp
from tui.fake import FakeGateway

DOCS = Path(__file__).parents[2] / "docs"
Compare = Callable[..., bool]


class PosingApp(LabsApp):
    """The app, which lets the world go on when its picture has been taken."""

    def on_unmount(self) -> None:
        """Let threads end that wait for the world."""
        cast("FakeGateway", self.gateway).hold.set()


async def home(pilot: Pilot[None]) -> None:
    await settled(pilot, "Monday, 10:40", "q Quit", "2 nodes")


async def graded(pilot: Pilot[None]) -> None:
    await press_until(pilot, "enter", "not graded yet")
    await press_until(pilot, "c", "✗ Not yet")
    await settled(pilot, "MinimumReplicasUnavailable", "q Back", "2 nodes")


async def doctor(pilot: Pilot[None]) -> None:
    await press_until(pilot, "d", "✗ not ok")
    await settled(pilot, "q Back", "2 nodes")


async def engine(pilot: Pilot[None]) -> None:
    await press_until(pilot, "u", "1:04 of about 3:40")
    await settled(pilot, "q Back", "starting · 1 of 2 steps")


async def diagnosis(pilot: Pilot[None]) -> None:
    await pilot.press("end")
    await press_until(pilot, "enter", "not graded yet")
    await press_until(pilot, "d", "recs-b-58c6d")
    await pilot.press(
        *"svc/recs", "tab", *["down"] * 2, "enter", "tab", *'"status":413', "ctrl+s", "tab"
    )  # from the field: its cursor blinks
    await settled(pilot, "✗ wrong", "1 of 3 points", "Esc Back", "2 nodes")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("walk", [home, graded, doctor, engine, diagnosis], ids=lambda walk: walk.__name__)
def test_screen(
    walk: Callable[[Pilot[None]], Any], size: tuple[int, int], world: FakeGateway, snap_compare: Compare
) -> None:
    if walk is engine:
        world.phase = Phase.ABSENT
        world.hold.clear()

    async def before(pilot: Pilot[None]) -> None:
        await sees(pilot, "Monday, 10:40")
        await walk(pilot)

    assert snap_compare(PosingApp(world), terminal_size=size, run_before=before)


@pytest.mark.parametrize(("name", "walk"), [("screen", graded), ("screen-home", home)])
async def test_picture_of_the_readme(
    name: str, walk: Callable[[Pilot[None]], Any], world: FakeGateway, request: pytest.FixtureRequest
) -> None:
    async with opened(world, (120, 30)) as pilot:
        await walk(pilot)
        svg = re.sub(r"terminal-\d+-", "terminal-", pilot.app.export_screenshot(title="labs"))
    svg = "\n".join(row.rstrip() for row in svg.split("\n")) + "\n"
    picture = DOCS / f"{name}.svg"
    if request.config.getoption("update_snapshots"):
        DOCS.mkdir(exist_ok=True)
        picture.write_text(svg, encoding="utf-8")
    assert picture.read_text(encoding="utf-8") == svg, "the picture is stale: see the top of this file"
