"""How the cluster comes up: steps, bars, times. Leaving stops nothing; the app holds work and story."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from tui.bringup import BringUp, Stage
from tui.messages import ClusterWanted
from tui.plain import line, lines, plain
from tui.screens.base import LabScreen
from tui.widgets.steps import Steps
from tui.words import MUTED


class EngineScreen(LabScreen):
    """Draws a `BringUp`, four times a second while it changes.

    Args:
        bringup: The story; the app feeds it.
    """

    heading = "Bringing the cluster up"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "again", "Try again"),
        Binding("x", "app.cancel_up", "Cancel"),
        Binding("question_mark", "app.help", "Help", key_display="?"),
        Binding("q,escape,enter", "app.pop_screen", "Back", key_display="q"),
    ]

    def __init__(self, bringup: BringUp) -> None:
        super().__init__()
        self._bringup = bringup
        self._drawn: tuple[Stage, int] | None = None

    def body(self) -> Iterable[Widget]:
        """One sentence and the steps."""
        yield Static(id="engine-said")
        yield Steps(id="engine-steps")

    def on_mount(self) -> None:
        """Draw now and then regularly: events come faster than eyes."""
        self.set_interval(0.25, self._draw)
        self._draw()

    def on_resize(self) -> None:
        """Set the columns anew once the width is known."""
        self._drawn = None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what makes sense at this stage."""
        running = self._bringup.stage is Stage.RUNNING
        if action == "again":
            return self._bringup.stage in {Stage.IDLE, Stage.FAILED, Stage.CANCELLED}
        if action == "cancel_up":
            return running
        return super().check_action(action, parameters)

    def action_again(self) -> None:
        """Begin anew; what is done already is found and not done again."""
        self.post_message(ClusterWanted())

    def _draw(self) -> None:
        now = (self._bringup.stage, self._bringup.told)
        if now == self._drawn:
            return
        staged = self._drawn is None or now[0] is not self._drawn[0]
        self._drawn = now
        self.query_one("#engine-said", Static).update(self._said())
        self.query_one(Steps).show(self._bringup)
        if staged:
            self.refresh_bindings()

    def _said(self) -> Content:
        if self._bringup.stage is Stage.DONE:
            return line(("✓ The cluster is ready.", "bold $text-success"), ("  Enter goes on.", MUTED))
        if self._bringup.stage is Stage.CANCELLED:
            return line(("– Cancelled.", "bold"), ("  u goes on from here.", MUTED))
        error = self._bringup.error
        if error is not None:
            said = line(("✗ ", "bold $text-error"), (str(error), "bold"))
            return lines(said, plain(f"hint: {error.hint}", MUTED)) if error.hint else said
        leave = "  You may leave this screen: it goes on, and all tasks can be read."
        return line(("▸ Working.", "bold $text-primary"), (leave, MUTED))
