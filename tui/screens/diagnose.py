"""The form of a diagnosis: which component, which cause, and the line that proves it. Keyboard only, at any size."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Input, OptionList, RadioButton, RadioSet, Static

from labs.attempts.diagnosis import Diagnosed, Part, options
from labs.course.models import Scenario
from tui.gateway import Gateway
from tui.messages import Answered, Clued, Failed, reporting
from tui.plain import clean, line, plain
from tui.screens.base import LabScreen
from tui.widgets.clue_list import ClueList
from tui.words import ANSWERS, MUTED

_ASKED = {
    "component": "Component at fault",
    "cause": "Cause",
    "evidence": "Evidence",
}


class Cause(RadioButton):
    """A cause to choose; a long one takes as many lines as it needs. Its sign says without colour whether it is on."""

    def render(self) -> Content:
        """Return sign and words."""
        sign = ("◉", "bold $text-success") if self.value else ("○", MUTED)
        return line(sign, " ", self._label.stylize_before(self.get_visual_style("toggle--label")))

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """Return the number of lines."""
        _ = container, viewport
        return max(1, len(self.render().wrap(max(10, width))))


class DiagnoseScreen(LabScreen):
    """Asks for a diagnosis and says of each part whether it is right; the answer may be changed.

    Args:
        gateway: The core.
        scenario: The task.
        before: The diagnosis as it was answered before, or None.
        told: Hears of each answer.
    """

    heading = "Diagnosis"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "answer", "Answer", priority=True, key_display="^s"),
        Binding("ctrl+r", "again", "Read the cluster again", priority=True, key_display="^r"),
        Binding("tab", "app.focus_next", "Next field", key_display="Tab"),
        Binding("escape", "app.pop_screen", "Back", key_display="Esc"),
    ]

    def __init__(
        self,
        gateway: Gateway,
        scenario: Scenario,
        before: Diagnosed | None,
        told: Callable[[Diagnosed], None],
    ) -> None:
        super().__init__()
        self._told = told
        self._gateway = gateway
        self._scenario = scenario
        self._before = before
        self._options = options(scenario)

    def body(self) -> Iterable[Widget]:
        """Three questions under each other, and the lines to choose from."""
        said = {part.id: part.answered for part in self._before.parts} if self._before else {}
        with Vertical(id="diagnose"):
            with Horizontal(classes="question"):
                yield Static(id="said-component", classes="asked")
                hint = "Kind/name; the arrow → completes it"
                yield Input(said.get("component", ""), placeholder=hint, id="component", compact=True)
            yield Static(id="said-cause", classes="asked")
            causes = [Cause(plain(o.text), value=o.id == said.get("cause")) for o in self._options]
            yield RadioSet(*causes, id="causes", compact=True)
            with Horizontal(classes="question"):
                yield Static(id="said-evidence", classes="asked")
                hint = "words or a pasted line; Enter: choose"
                yield Input(said.get("evidence", ""), placeholder=hint, id="evidence-line", compact=True)
            yield ClueList()

    def on_mount(self) -> None:
        """Show how it stands, and read the cluster."""
        self._show(self._before)
        self.query_one("#component", Input).focus()
        self._read()

    def action_again(self) -> None:
        """Read the cluster again: logs grow, events come."""
        self._read()

    def action_answer(self) -> None:
        """Give the answer as it stands in the form; what is empty stays as it was."""
        pressed = self.query_one("#causes", RadioSet).pressed_index
        cause = self._options[pressed].id if pressed >= 0 else None
        component = self.query_one("#component", Input).value.strip() or None
        evidence = self.query_one("#evidence-line", Input).value.strip() or None
        before = {part.id: part.answered for part in self._before.parts} if self._before else {}
        changed = {"component": component, "cause": cause, "evidence": evidence}
        changed = {name: None if text == before.get(name) else text for name, text in changed.items()}
        if not any(changed.values()):
            self.notify("Nothing is new in it.", title="Not answered", markup=False)
            return
        self._answer(changed["component"], changed["cause"], changed["evidence"])

    # --- workers ------------------------------------------------------------------------------------------------------

    @work(thread=True, exit_on_error=False, exclusive=True, group="clues")
    def _read(self) -> None:
        with reporting(self, "The cluster could not be read") as post:
            post(Clued(self._gateway.clues(self._scenario.id)))

    @work(thread=True, exit_on_error=False, exclusive=True, group="answer")
    def _answer(self, component: str | None, cause: str | None, evidence: str | None) -> None:
        with reporting(self, "That was not answered") as post:
            post(Answered(self._gateway.answer(self._scenario.id, component, cause, evidence)))

    # --- handlers -----------------------------------------------------------------------------------------------------

    def on_clued(self, message: Clued) -> None:
        """Offer what there is."""
        message.stop()
        names = [clean(name) for name in message.clues.names()]
        self.query_one("#component", Input).suggester = SuggestFromList(names, case_sensitive=False)
        self.query_one(ClueList).load(message.clues)

    def on_answered(self, message: Answered) -> None:
        """Say of each part whether it is right, and hand it to the task."""
        message.stop()
        self._before = message.diagnosed
        self._told(message.diagnosed)
        self._show(message.diagnosed)
        reasons = [f"{part.id}: {part.reason}" for part in message.diagnosed.parts if part.reason]
        said = f"{message.diagnosed.points} of {message.diagnosed.possible} points"
        text = "\n".join([said, *reasons])
        if message.diagnosed.right:
            self.notify(clean(text), title="Diagnosis", markup=False)
        else:
            self.notify(clean(text), title="Diagnosis", severity="warning", timeout=12, markup=False)

    def on_failed(self, message: Failed) -> None:
        """Say what went wrong."""
        message.stop()
        self.tell_error(message.error, message.doing)

    @on(Input.Changed, "#evidence-line")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one(ClueList).filter(event.value)

    @on(Input.Submitted, "#component")
    def _component_done(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one("#causes", RadioSet).focus()

    @on(Input.Submitted, "#evidence-line")
    def _to_the_lines(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(ClueList).focus()

    @on(OptionList.OptionSelected, "#clues")
    def _taken(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        chosen = self.query_one(ClueList).lines[event.option_index]
        field = self.query_one("#evidence-line", Input)
        field.value = chosen.text
        field.cursor_position = len(chosen.text)
        field.focus()

    def _show(self, found: Diagnosed | None) -> None:
        parts = {part.id: part for part in found.parts} if found else {}
        for name in _ASKED:
            self.query_one(f"#said-{name}", Static).update(_said(name, parts.get(name)))


def _said(name: str, part: Part | None) -> Content:
    symbol, word, style = ANSWERS[part.right if part is not None else None]
    return line((_ASKED[name], "bold $text-primary"), "  ", (f"{symbol} {word}", style), ("  ", MUTED))
