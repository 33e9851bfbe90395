"""How long the engine takes to a cluster that serves, how long a reset takes, and what memory it needs.

Called by `labs bench engine`. It makes a cluster of its own, so that nobody's work is lost, and removes it.
"""

from __future__ import annotations

import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable

from labs.bench.figures import Figure, Measured
from labs.bench.yardstick import Yardstick
from labs.events import Event, Listener, State, Step, silent
from labs.providers.engine import cgroups
from labs.providers.engine.layout import Layout
from labs.providers.engine.processes import marked, memory
from labs.providers.engine.provider import EngineProvider

NAME = "bench"
START_LIMIT = 6.0
RESET_LIMIT = 6.0
MEMORY_LIMIT = 1100.0
SETTLE_SECONDS = 20.0
STEPS_SHOWN = 5
_PATIENCE = re.compile(r" ≤ [0-9]+ s")


class Stopwatch:
    """Hears the steps of several runs and says where the time went.

    Args:
        emit: Hears everything, too.
    """

    def __init__(self, emit: Listener) -> None:
        self._emit = emit
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self.runs: list[float] = []

    def hear(self, event: Event) -> None:
        """Take a step's time down and pass the event on."""
        if isinstance(event, Step) and event.state is State.DONE and event.seconds is not None:
            self._seconds[_PATIENCE.sub("", event.title)].append(event.seconds)
        self._emit(event)

    def time(self, work: Callable[[], object]) -> None:
        """Run something once and take its time."""
        began = time.monotonic()
        work()
        self.runs.append(time.monotonic() - began)

    @property
    def note(self) -> str:
        """The longest steps with the median of each."""
        medians = sorted(((statistics.median(s), title) for title, s in self._seconds.items()), reverse=True)
        return "; ".join(f"{title} {seconds:.1f} s" for seconds, title in medians[:STEPS_SHOWN])


def measure(*, runs: int = 5, emit: Listener = silent) -> Measured:
    """Measure start, reset and memory.

    Args:
        runs: How often a start and a reset are made; the medians count.
        emit: Hears of every step.

    Raises:
        LabsError: The cluster does not come up.
    """
    provider = EngineProvider()
    starts, resets = Stopwatch(emit), Stopwatch(emit)
    try:
        yardstick = Yardstick(provider.up(NAME, emit=emit).kubeconfig)  # makes the bake where there is none
        for _ in range(runs):
            yardstick.take()
            provider.down(NAME, emit=emit)
            starts.time(lambda: provider.up(NAME, emit=starts.hear))
        for _ in range(runs):
            yardstick.take()
            resets.time(lambda: provider.reset(NAME, emit=resets.hear))
        used, note = _idle_memory(Layout.of(NAME), runs)
    finally:
        provider.down(NAME, emit=emit)
    figures = (
        Figure("warm start to nodes Ready and DNS serving", "s", tuple(starts.runs), START_LIMIT, starts.note),
        Figure("reset to the baked state", "s", tuple(resets.runs), RESET_LIMIT, resets.note),
        Figure("idle memory, control plane, nodes and add-ons", "MB", used, MEMORY_LIMIT, note),
    )
    return Measured(figures, yardstick.figure())


def _idle_memory(layout: Layout, runs: int) -> tuple[tuple[float, ...], str]:
    """Return the proportional set size of all processes in MB, taken a second apart once the start has settled."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(0.5)  # the figure is about a cluster that has been idle for a while
    taken = []
    pods = 0
    for _ in range(runs):
        in_pods = cgroups.pids(f"/{layout.tag}")
        pods = sum(memory(pid) for pid in in_pods)
        taken.append((pods + sum(memory(pid) for pid in marked(layout.root) - in_pods)) / 1e6)
        time.sleep(1)
    return tuple(taken), f"proportional set size of every process, supervisor included; pods {pods / 1e6:.0f} MB of it"
