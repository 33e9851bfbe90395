"""A question with two answers. Only what cannot be taken back asks one."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from tui.plain import plain, prose


class Confirm(ModalScreen[bool]):
    """Asks and returns the answer; leaving it is a no.

    Args:
        question: What is asked.
        explained: What happens after a yes.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "Yes", key_display="y"),
        Binding("n,escape,q", "answer(False)", "No", key_display="n"),
    ]

    def __init__(self, question: str, explained: str) -> None:
        super().__init__()
        self._question = question
        self._explained = explained

    def compose(self) -> ComposeResult:
        """Question, explanation, keys."""
        with Vertical(classes="dialog"):
            yield Static(plain(self._question, "bold"), classes="dialog-title")
            yield Static(prose(self._explained), classes="dialog-text")
            yield Footer(show_command_palette=False)

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)
