"""The app: its screens, the one long work that outlives them (bringing the cluster up), and the regular look.

`labs.cli` calls `run`. What a screen does is written there; what the core does is behind `tui.gateway`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.reactive import var
from textual.screen import Screen
from textual.worker import Worker

from labs.errors import Interrupted
from labs.providers.base import Phase
from tui.bringup import BringUp, Stage
from tui.gateway import Gateway, LiveGateway, Overview
from tui.messages import CameUp, ClusterWanted, Failed, Happened, Looked, Shown, TaskWanted, reporting, telling
from tui.screens.base import LabScreen
from tui.screens.confirm import Confirm
from tui.screens.doctor import DoctorScreen
from tui.screens.engine import EngineScreen
from tui.screens.help import help_screen
from tui.screens.home import HomeScreen
from tui.screens.task import TaskScreen

LOOK_EVERY = 5.0  # seconds between two looks at the cluster


class LabsApp(App[None]):
    """The lab on a screen. `gateway`: the core, real or fake."""

    CSS_PATH = Path(__file__).with_name("app.tcss")
    TITLE = "Kubernetes for ML services"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - Textual declares it for instances
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "quit", "Quit", show=False, priority=True)]

    overview: var[Overview | None] = var(None, always_update=True)

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self.gateway = gateway
        self.bringup = BringUp()
        self._bringing: Worker[None] | None = None
        self._wanted: str | None = None  # the task that waits for the cluster
        self._home = HomeScreen()

    def on_mount(self) -> None:
        """Open the home screen and begin to look."""
        self.push_screen(self._home)
        self.look()
        self.set_interval(LOOK_EVERY, self.look)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Add ours to the command palette."""
        yield from super().get_system_commands(screen)
        yield SystemCommand("Cluster up", "Bring the cluster up, or watch how it comes up", self.action_up)
        yield SystemCommand("Doctor", "What this machine has and lacks", self.action_doctor)
        if self.overview is not None:
            for scenario in self.overview.course.scenarios:
                open_it = partial(self.post_message, TaskWanted(scenario.id))
                yield SystemCommand(f"Task: {scenario.file.title}", f"Start or go on with {scenario.id}", open_it)

    # --- the cluster --------------------------------------------------------------------------------------------------

    @work(thread=True, exit_on_error=False, exclusive=True, group="look")
    def look(self) -> None:
        """Read the state of everything."""
        with reporting(self, "The state could not be read") as post:
            post(Looked(self.gateway.overview()))

    @work(thread=True, exit_on_error=False, exclusive=True, group="up")
    def _up(self) -> None:
        with reporting(self, "The cluster did not come up") as post:
            self.gateway.up(telling(self))
            post(CameUp())

    def action_up(self) -> None:
        """Bring the cluster up when it is not, and show how that goes on."""
        ready = self.overview is not None and self.overview.status.phase is Phase.READY
        if self.bringup.stage is not Stage.RUNNING and not ready:
            self.bringup.begin()
            self._bringing = self._up()
        if not isinstance(self.screen, EngineScreen):
            self.push_screen(EngineScreen(self.bringup))
        self._tell_screens()

    def action_cancel_up(self) -> None:
        """Stop bringing it up at the next event."""
        if self._bringing is not None and self.bringup.stage is Stage.RUNNING:
            self._bringing.cancel()
            self.bringup.stage = Stage.CANCELLED
            self._wanted = None

    def action_doctor(self) -> None:
        """Show what this machine has and lacks."""
        self.push_screen(DoctorScreen(self.gateway))

    def action_help(self) -> None:
        """Show the help."""
        self.push_screen(help_screen())

    # --- handlers -----------------------------------------------------------------------------------------------------

    def on_looked(self, message: Looked) -> None:
        """Take in the state and show it on every screen."""
        self.overview = message.overview
        self._tell_screens()

    def on_shown(self, _message: Shown) -> None:
        """Tell a screen that has just come to the front."""
        self._tell_screens()

    def on_happened(self, message: Happened) -> None:
        """Write down how bringing it up goes on."""
        if self.bringup.stage is Stage.RUNNING:
            self.bringup.take(message.event)
            self._tell_screens()

    def on_came_up(self, _message: CameUp) -> None:
        """Go on with the task that waited, if the learner still looks."""
        self.bringup.stage = Stage.DONE
        self.look()
        wanted, self._wanted = self._wanted, None
        if wanted is not None and isinstance(self.screen, EngineScreen):
            self.pop_screen()
            self._open(wanted)
        elif not isinstance(self.screen, EngineScreen):
            self.notify("The cluster is ready.", markup=False)

    def on_failed(self, message: Failed) -> None:
        """Keep the error for the engine screen, and say it wherever the learner is."""
        if self.bringup.stage is Stage.RUNNING and message.doing == "The cluster did not come up":
            self.bringup.stage = Stage.CANCELLED if isinstance(message.error, Interrupted) else Stage.FAILED
            self.bringup.error = message.error
            self._wanted = None
        if isinstance(self.screen, LabScreen):
            self.screen.tell_error(message.error, message.doing)

    def on_cluster_wanted(self, _message: ClusterWanted) -> None:
        """Bring it up, or show it."""
        self.action_up()

    @work
    async def on_task_wanted(self, message: TaskWanted) -> None:
        """Open a task; where there is no cluster, offer to bring one up first."""
        phase = self.overview.status.phase if self.overview is not None else Phase.ABSENT
        if phase in {Phase.READY, Phase.DEGRADED}:
            self._open(message.scenario_id)
            return
        said = "It takes seconds. The very first time the engine is fetched or built, which takes minutes."
        running = self.bringup.stage is Stage.RUNNING
        if running or await self.push_screen_wait(Confirm("There is no cluster yet. Bring it up now?", said)):
            self._wanted = message.scenario_id
            self.action_up()

    def _open(self, scenario_id: str) -> None:
        if self.overview is not None:
            scenario = next((s for s in self.overview.course.scenarios if s.id == scenario_id), None)
            if scenario is None:  # its files were changed while the cluster came up
                self.notify("This task is a draft now: it is not proved as it is.", markup=False)
                return
            chapter = next(c for c in self.overview.course.chapters if c.number == scenario.chapter)
            heading = f"{chapter.title} · {chapter.lessons.get(scenario.file.lesson, '')}"
            self.push_screen(TaskScreen(self.gateway, scenario, heading), lambda _result: self._left())

    def _left(self) -> None:
        self.look()

    def _tell_screens(self) -> None:
        status = self.overview.status if self.overview is not None else None
        for screen in self.screen_stack:
            if isinstance(screen, LabScreen):
                screen.show_cluster(status, self.bringup)
        if self.overview is not None:
            self._home.show(self.overview)


def run(*, cluster: str = "lab", provider: str = "auto") -> int:
    """Open the app and return the exit code when it is left.

    Args:
        cluster: Name of the cluster.
        provider: `auto`, or the name of a provider.
    """
    app = LabsApp(LiveGateway(cluster=cluster, provider=provider))
    app.run()
    return app.return_code or 0
