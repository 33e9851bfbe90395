"""The line at the top of every screen: where the learner is, and how the cluster stands."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from labs.providers.base import ClusterStatus, Phase
from tui.bringup import BringUp, Stage
from tui.plain import line
from tui.words import MUTED, PHASES, standing


class ClusterBar(Static):
    """Shows title and cluster.

    Args:
        title: What the screen is, in a few words.
    """

    said: reactive[Content] = reactive(line, layout=False)

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def show(self, status: ClusterStatus | None, bringup: BringUp) -> None:
        """Take in how the cluster stands; None: nobody has looked yet."""
        if bringup.stage is Stage.RUNNING:
            symbol, word, style = PHASES[Phase.STARTING]
            self.said = line((f"{symbol} {word}", style), (f" · {bringup.counted}", MUTED))
        elif status is None:
            self.said = line(("looking …", MUTED))
        else:
            symbol, word, style = PHASES[status.phase]
            more = standing(status)
            name = f"{status.name} " if status.phase is not Phase.ABSENT else ""
            self.said = line((symbol + " ", style), name, (word, style), (f" · {more}" if more else "", MUTED))

    def watch_said(self) -> None:
        """Draw again."""
        self.refresh()

    def render(self) -> Content:
        """Title left, cluster right; the title gives way when it is tight."""
        width = self.content_size.width
        right = self.said.truncate(max(0, width - 12), ellipsis=True)
        left = line((self._title, "bold")).truncate(max(0, width - right.cell_length - 2), ellipsis=True)
        return line(left, " " * max(1, width - left.cell_length - right.cell_length), right)
