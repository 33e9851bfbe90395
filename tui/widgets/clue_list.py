"""What there is to point at: events, lines of logs and fields of the task's namespaces, filtered by what is typed."""

from __future__ import annotations

from textual.content import Content
from textual.events import Resize
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from labs.attempts.clues import Clues, Line
from tui.plain import cell, line, plain
from tui.words import MUTED

MOST = 200
_SOURCE, _PLACE = 6, 26


class ClueList(OptionList):
    """One row for each line; `Enter` takes it."""

    def __init__(self) -> None:
        super().__init__(id="clues", markup=False)
        self._clues: Clues | None = None
        self._words = ""
        self.lines: list[Line] = []

    def load(self, clues: Clues) -> None:
        """Take in what there is."""
        self._clues = clues
        self._fill()

    def filter(self, words: str) -> None:
        """Show only lines that hold all of the words."""
        self._words = words
        self._fill()

    def on_resize(self, _event: Resize) -> None:
        """Set the columns anew."""
        self._fill()

    def _fill(self) -> None:
        width = max(30, self.scrollable_content_region.width - 2)
        if self._clues is None:
            self.set_options([Option(plain("reading events, logs and fields …", MUTED), disabled=True)])
            return
        self.lines = self._clues.search(self._words)[:MOST]
        rows = [Option(self._row(each, width)) for each in self.lines]
        said = "no line has all of these words; it is answered as it stands"
        self.set_options(rows or [Option(plain(said, MUTED), disabled=True)])
        if rows:
            self.highlighted = 0

    @staticmethod
    def _row(each: Line, width: int) -> Content:
        place = min(_PLACE, width // 3)
        words = f"{each.more}: {each.text}" if each.source == "event" else each.text
        return line(
            cell((each.source, MUTED), _SOURCE),
            cell((each.place, "$text-primary"), place),
            " ",
            cell(words, width - _SOURCE - place - 1),
        )
