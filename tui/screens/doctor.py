"""What this machine has and lacks, in the eyes of each provider of clusters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from labs.providers.base import Finding
from tui.gateway import Gateway
from tui.messages import Examined, Failed, reporting
from tui.plain import cell, line, lines, plain
from tui.screens.base import LabScreen
from tui.words import FINDINGS, MUTED

PROVIDERS = {"engine": "Embedded engine (Linux, no Docker)", "kind": "kind (Docker or Podman)"}
_WORD, _TITLE = 16, 24


class DoctorScreen(LabScreen):
    """Findings of all providers; one that can run is enough.

    Args:
        gateway: The core.
    """

    heading = "Doctor"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "Look again"),
        Binding("question_mark", "app.help", "Help", key_display="?"),
        Binding("q,escape", "app.pop_screen", "Back", key_display="q"),
    ]

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self._gateway = gateway

    def body(self) -> Iterable[Widget]:
        """One text that scrolls."""
        with VerticalScroll(id="doctor"):
            yield Static(plain("Looking at this machine …", MUTED), id="findings")

    def on_mount(self) -> None:
        """Look."""
        self._look()

    def action_again(self) -> None:
        """Look again."""
        self.query_one("#findings", Static).update(plain("Looking at this machine …", MUTED))
        self._look()

    @work(thread=True, exit_on_error=False, exclusive=True)
    def _look(self) -> None:
        with reporting(self, "The machine could not be looked at") as post:
            post(Examined(self._gateway.findings()))

    def on_examined(self, message: Examined) -> None:
        """Show the findings."""
        parts: list[Content] = []
        for provider, findings in message.findings.items():
            bad = sum(finding.ok is False for finding in findings)
            verdict = ("can run here", "$text-success") if not bad else (f"{bad} in the way", "$text-error")
            parts.append(line((PROVIDERS.get(provider, provider), "bold"), ("  ", MUTED), verdict))
            parts += [_finding(finding) for finding in findings]
            parts.append(plain(""))
        parts.append(plain("One provider that can run is enough.", MUTED))
        self.query_one("#findings", Static).update(lines(*parts))

    def on_failed(self, message: Failed) -> None:
        """Say it, and do not pretend to be looking still."""
        self.query_one("#findings", Static).update(plain("Nothing was found out. Press r to look again.", MUTED))
        super().on_failed(message)


def _finding(finding: Finding) -> Content:
    symbol, word, style = FINDINGS[finding.ok]
    said = line(
        cell((f"  {symbol} {word}", style), _WORD + 2), cell(finding.title, _TITLE), " ", (finding.observed, MUTED)
    )
    if not finding.hint or finding.ok is True:
        return said
    return lines(said, line(" " * (_WORD + 2), ("hint: ", "bold"), finding.hint))
