"""A text to read over the screen below: the solution, the help."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from tui.plain import plain


class Reading(ModalScreen[None]):
    """Shows a text.

    Args:
        heading: What it is.
        content: The text.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,escape,enter,question_mark", "close", "Back", key_display="q")]

    def __init__(self, heading: str, content: Content) -> None:
        super().__init__()
        self._heading = heading
        self._content = content

    def compose(self) -> ComposeResult:
        """Heading, text, keys."""
        with Vertical(classes="dialog reading"):
            yield Static(plain(self._heading, "bold"), classes="dialog-title")
            with VerticalScroll(classes="dialog-text"):
                yield Static(self._content)
            yield Footer(show_command_palette=False)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()
