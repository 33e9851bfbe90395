"""What the tests of the screens share: a world, an app on it, and eyes that read what stands on the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

from textual.pilot import Pilot

from tui.app import LabsApp
from tui.fake import FakeGateway

SIZES = [(80, 24), (120, 40)]
DEADLINE = 30.0  # seconds; a loaded machine is slow, not wrong


@asynccontextmanager
async def opened(world: FakeGateway, size: tuple[int, int]) -> AsyncIterator[Pilot[None]]:
    """Open the app on a world and wait for the first look."""
    app = LabsApp(world)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.overview is not None and "Foundations" in seen(pilot))
        try:
            yield pilot
        finally:
            world.hold.set()  # no thread may wait for a test that has ended


def seen(pilot: Pilot[None]) -> str:
    """Return the characters on the terminal."""
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())


def words(pilot: Pilot[None]) -> str:
    """Return the words on the terminal, line breaks and repeated blanks as one blank: for texts that wrap."""
    return " ".join(seen(pilot).split())


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Wait until something holds, and show the terminal when it does not come."""
    end = monotonic() + DEADLINE
    while not holds():
        assert monotonic() < end, f"it did not come; the terminal shows:\n{seen(pilot)}"
        await asyncio.sleep(0.01)


async def sees(pilot: Pilot[None], text: str) -> None:
    """Wait until a text stands on the terminal."""
    await until(pilot, lambda: text in seen(pilot))


async def settled(pilot: Pilot[None], *texts: str) -> None:
    """Wait until the texts stand on the terminal and it has stopped changing: a picture may be taken."""
    last: list[str] = []

    def still() -> bool:
        last.append(seen(pilot))
        return len(last) > 10 and len(set(last[-10:])) == 1 and all(text in last[-1] for text in texts)

    await until(pilot, still)


async def press_until(pilot: Pilot[None], key: str, text: str) -> None:
    """Press a key and wait for its effect."""
    await pilot.press(key)
    await sees(pilot, text)
