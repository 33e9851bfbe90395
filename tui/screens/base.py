"""What all full screens share: the line at the top, the footer, and how an error is said."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer

from labs.errors import Interrupted, LabsError
from labs.providers.base import ClusterStatus
from tui.bringup import BringUp
from tui.messages import Failed, Shown
from tui.plain import clean
from tui.widgets.cluster_bar import ClusterBar


class LabScreen(Screen[None]):
    """A screen of the lab. Subclasses give `heading` and `body`."""

    heading = "Kubernetes for ML services"

    def compose(self) -> ComposeResult:
        """Bar, body, footer."""
        yield ClusterBar(self.heading)
        yield from self.body()
        yield Footer(show_command_palette=False)

    def body(self) -> Iterable[Widget]:
        """What stands between bar and footer."""
        return ()

    def on_screen_resume(self) -> None:
        """Ask for what is known, once there are widgets to show it."""
        self.call_after_refresh(self.post_message, Shown())

    def show_cluster(self, status: ClusterStatus | None, bringup: BringUp) -> None:
        """Take in how the cluster stands; a screen that is being made or taken away has no bar."""
        for bar in self.query(ClusterBar):
            bar.show(status, bringup)

    def on_failed(self, message: Failed) -> None:
        """Say what went wrong."""
        message.stop()
        self.tell_error(message.error, message.doing)

    def tell_error(self, error: LabsError, doing: str) -> None:
        """Show an error with its hint on a line of its own; never a traceback."""
        if isinstance(error, Interrupted):
            self.notify(clean(str(error)), title=clean(doing), markup=False)
            return
        text = f"{error}\n\nhint: {error.hint}" if error.hint else str(error)
        self.notify(clean(text), title=clean(doing), severity="error", timeout=15, markup=False)
