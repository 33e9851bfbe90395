"""One task: its story, its shell, its checks. Whatever asks the cluster runs in workers; the screen never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from textual import work
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.worker import Worker

from labs.attempts.diagnosis import Diagnosed
from labs.attempts.service import Attempt
from labs.course.models import Scenario
from labs.errors import LabsError, MachineError
from labs.events import Step
from tui.gateway import Gateway
from tui.messages import Began, Failed, Graded, Happened, Hinted, Solved, Stopped, reporting, telling
from tui.plain import clean
from tui.screens.base import LabScreen
from tui.screens.confirm import Confirm
from tui.screens.diagnose import DiagnoseScreen
from tui.screens.solution import solution_screen
from tui.widgets.brief import Brief
from tui.widgets.task_head import TaskHead
from tui.widgets.verdict import Checks, VerdictPane

WATCH_EVERY = 15.0  # seconds between two looks for evidence, of a task that asks for a diagnosis


class TaskScreen(LabScreen):
    """A task, started when the screen opens.

    Args:
        gateway: The core.
        scenario: The task.
        heading: Where it stands in the course.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "shell", "Shell"),
        Binding("c", "check", "Check"),
        Binding("d", "diagnose", "Diagnose"),
        Binding("h", "hint", "Hint"),
        Binding("o", "solution", "Solution"),
        Binding("r", "reset", "Reset"),
        Binding("x", "stop", "Stop"),
        Binding("question_mark", "app.help", "Help", key_display="?"),
        Binding("q,escape", "back", "Back", key_display="q"),
    ]

    def __init__(self, gateway: Gateway, scenario: Scenario, heading: str) -> None:
        super().__init__()
        self.heading = heading
        self.gateway = gateway
        self.scenario = scenario
        self.attempt: Attempt | None = None
        self.busy: Worker[None] | None = None
        self._saw_solution = False

    def body(self) -> Iterable[Widget]:
        """Head, story and checks."""
        yield TaskHead(self.scenario)
        with Horizontal(id="task-body"):
            yield Brief(self.scenario)
            yield VerdictPane(self.scenario)

    def on_mount(self) -> None:
        """Start the task and the clock."""
        self.set_interval(1.0, self._tick)
        if self.scenario.file.diagnosis:
            self.set_interval(WATCH_EVERY, self._watch)
        self._run(self._begin(), "preparing the task")

    # --- keys ---------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dim what cannot be done right now; hide what the task does not ask for."""
        if action == "diagnose":
            return (True if self.attempt is not None else None) if self.scenario.file.diagnosis else False
        if action in {"shell", "check", "hint", "solution", "reset", "stop"}:
            started = self.attempt is not None or action in {"reset", "stop"}  # these mend a task that cannot start
            idle = self.busy is None or action in {"hint", "solution"}
            return True if started and idle else None
        return super().check_action(action, parameters)

    def action_check(self) -> None:
        """Grade."""
        self._run(self._check(), "grading · q cancels")

    def action_diagnose(self) -> None:
        """Open the form of the diagnosis."""
        before = self.attempt.diagnosis if self.attempt is not None else None
        self.app.push_screen(DiagnoseScreen(self.gateway, self.scenario, before, self._diagnosed))

    def action_hint(self) -> None:
        """Take the next hint."""
        self._hint()

    @work
    async def action_reset(self) -> None:
        """Put the task back to its start, after a question."""
        said = "Everything you changed in its namespaces is lost. The clock goes on."
        if await self.app.push_screen_wait(Confirm("Reset this task to its broken start?", said)):
            self._run(self._reset(), "putting the task back")

    @work
    async def action_stop(self) -> None:
        """End the attempt, after a question."""
        said = "Its namespaces and your shell are removed. Your progress is kept."
        if await self.app.push_screen_wait(Confirm("Stop this task?", said)):
            self._run(self._stop(), "removing the task")

    @work
    async def action_solution(self) -> None:
        """Show the solution; the first time it asks."""
        said = "It is noted that you saw it. A hint (h) costs nothing."
        if not self._saw_solution and not await self.app.push_screen_wait(Confirm("Show the solution?", said)):
            return
        self._saw_solution = True
        self._solution()

    def action_back(self) -> None:
        """Cancel what runs, else go home."""
        if self.busy is not None and self.attempt is not None:
            self.busy.cancel()
            self._idle()
            self.notify("Nothing was changed by it.", title="Cancelled", markup=False)
            return
        self.dismiss()

    @work(exit_on_error=False)
    async def action_shell(self) -> None:
        """Give the terminal to the learner's shell until they come back; the clock goes on meanwhile."""
        trouble: BaseException | None = None
        try:
            shell = await asyncio.to_thread(self.gateway.shell, self.scenario.id)
            with self.app.suspend():
                # the suspended app has no way back but through the end of this block: nothing may escape from it
                try:
                    child = await asyncio.create_subprocess_exec(*shell.argv, env=shell.env, cwd=shell.cwd)
                    await child.wait()
                except BaseException as error:  # noqa: BLE001 - told or raised again below
                    trouble = error
        except SuspendNotSupported:
            trouble = MachineError(
                "this terminal cannot be handed over", hint=f"in another terminal: labs shell {self.scenario.id}"
            )
        except LabsError as error:
            trouble = error
        if isinstance(trouble, OSError):
            trouble = MachineError(f"the shell did not start: {trouble}", hint="run: labs doctor")
        if isinstance(trouble, LabsError):
            self.tell_error(trouble, "The shell did not open")
        elif trouble is not None:
            raise trouble

    # --- workers: ask the core, post what came ------------------------------------------------------------------------

    @work(thread=True, exit_on_error=False)
    def _begin(self) -> None:
        with reporting(self, "The task did not start") as post:
            lacking = self.gateway.lacking(self.scenario.id)
            post(Began(self.gateway.start(self.scenario.id, telling(self)), lacking=lacking))

    @work(thread=True, exit_on_error=False)
    def _check(self) -> None:
        with reporting(self, "The task could not be graded") as post:
            post(Graded(self.gateway.check(self.scenario.id, telling(self))))

    @work(thread=True, exit_on_error=False, exclusive=True, group="watch")
    def _watch(self) -> None:
        """Let the core remember what proves the cause, while the learner works in the shell and repairs it away."""
        with suppress(LabsError):
            self.gateway.clues(self.scenario.id)

    @work(thread=True, exit_on_error=False)
    def _hint(self) -> None:
        with reporting(self, "There is no hint now") as post:
            post(Hinted(*self.gateway.hint(self.scenario.id)))

    @work(thread=True, exit_on_error=False)
    def _solution(self) -> None:
        with reporting(self, "The solution cannot be shown") as post:
            post(Solved(self.gateway.solution(self.scenario.id)))

    @work(thread=True, exit_on_error=False)
    def _reset(self) -> None:
        with reporting(self, "The task could not be reset") as post:
            post(Began(self.gateway.reset(self.scenario.id, telling(self)), again=True))

    @work(thread=True, exit_on_error=False)
    def _stop(self) -> None:
        with reporting(self, "The task could not be removed") as post:
            self.gateway.stop(self.scenario.id, telling(self))
            post(Stopped())

    # --- handlers: only these touch widgets ---------------------------------------------------------------------------

    def on_happened(self, message: Happened) -> None:
        """Say what the worker does right now."""
        message.stop()
        if self.busy is not None and isinstance(message.event, Step):
            self.query_one(TaskHead).doing = message.event.title

    def on_began(self, message: Began) -> None:
        """Take in the attempt, new, resumed or reset."""
        self._idle()
        self.attempt = message.attempt
        self._saw_solution = message.attempt.saw_solution
        head, brief, verdict = self.query_one(TaskHead), self.query_one(Brief), self.query_one(VerdictPane)
        head.solved = message.attempt.solved
        verdict.show(None if message.again else message.attempt.last)
        self.set_class(message.attempt.last is not None and not message.again, "-graded")
        if message.again:
            brief.forget_debrief()
            self.notify("The task is back at its start.", title="Reset", markup=False)
        elif message.attempt.solved:
            brief.debrief()
        for level in message.attempt.hints:
            brief.hint(level, self.scenario.hints.get(level, ""), follow=False)
        if message.lacking:
            self.notify(
                clean("\n".join(message.lacking)),
                title="Some checks do not apply here",
                severity="warning",
                markup=False,
            )
        self._tick()
        self.refresh_bindings()

    def on_graded(self, message: Graded) -> None:
        """Show the verdict; when it is solved, the debrief too."""
        self._idle()
        report = message.report
        self.query_one(VerdictPane).show(report)
        self.query_one(Checks).focus()
        self.add_class("-graded")
        if self.attempt is not None:
            ended = self.gateway.now() if report.passed else None
            self.attempt = replace(self.attempt, last=report, solved=report.passed, ended=self.attempt.ended or ended)
            self._tick()
        if report.passed:
            self.query_one(TaskHead).solved = True
            self.query_one(Brief).debrief()

    def on_hinted(self, message: Hinted) -> None:
        """Show the hint."""
        self.query_one(Brief).hint(message.level, message.text)

    def on_solved(self, message: Solved) -> None:
        """Show the solution."""
        self.app.push_screen(solution_screen(message.fix))

    def on_stopped(self, _message: Stopped) -> None:
        """Go home: there is nothing left here."""
        self._idle()
        self.dismiss()

    def on_failed(self, message: Failed) -> None:
        """Say what went wrong; a task that did not start has nothing to stay for, but its story."""
        self._idle()
        if self.attempt is None:
            self.query_one(TaskHead).doing = "not started; q goes back"
        super().on_failed(message)

    def _diagnosed(self, diagnosed: Diagnosed) -> None:
        if self.attempt is not None:
            self.attempt = replace(self.attempt, diagnosis=diagnosed)

    def _run(self, worker: Worker[None], doing: str) -> None:
        self.busy = worker
        self.query_one(TaskHead).doing = doing
        self.refresh_bindings()

    def _idle(self) -> None:
        self.busy = None
        self.query_one(TaskHead).doing = ""
        self.refresh_bindings()

    def _tick(self) -> None:
        if self.attempt is not None:
            end = self.attempt.ended or self.gateway.now()
            self.query_one(TaskHead).elapsed = (end - self.attempt.started).total_seconds()
