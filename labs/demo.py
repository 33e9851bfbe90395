"""The main job without hands, for a scenario of each chapter.

Bring up → start → grade (fails) → mend wrongly → grade (fails) → reset → mend rightly → grade (passes) → stop.
`labs demo` runs it, `labs.render.demo` prints it, the cluster test asserts its exit code. It uses the same `Tasks` as a
learner does and knows no shortcut. It tells a story (`Scene`, `Say`, `Typed`, `Graded`) through `tell`, and its work
through `emit`.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from grader.model import Report
from labs import providers
from labs.attempts.service import Tasks
from labs.course.models import Fix, FixStep, Scenario
from labs.errors import UsageError
from labs.events import Listener, Notice
from labs.providers.base import Phase, Provider

UNTOUCHED_SETTLE = 3.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A part of the story begins."""

    title: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Say:
    """A sentence of the narrator, or the scenario's own words when `quote` is set."""

    text: str
    quote: bool = False


@dataclass(frozen=True, slots=True)
class Typed:
    """What a learner would type at this point."""

    command: str


@dataclass(frozen=True, slots=True)
class Graded:
    """A verdict, and whether it is the one that was expected (`passed` or `failed`)."""

    report: Report
    expected: str
    as_expected: bool


@dataclass(slots=True)
class Row:
    """How one scenario behaved.

    Attributes:
        scenario: Its id.
        start: Seconds until it was ready to work on.
        grade: Seconds of the last grading.
        reset: Seconds of the reset.
        total: Seconds for all of it.
        untouched: Verdict before anything was done.
        wrong: Verdict after the wrong fix.
        solved: Verdict after the solution.
        problem: What did not behave; empty when all did.
        skipped: Why it was not shown.
    """

    scenario: str
    start: float = 0.0
    grade: float = 0.0
    reset: float = 0.0
    total: float = 0.0
    untouched: str = ""
    wrong: str = ""
    solved: str = ""
    problem: str = ""
    skipped: str = ""


@dataclass(slots=True)
class Result:
    """How the demo went.

    Attributes:
        cluster: Name of the cluster.
        provider: Its provider.
        up: Seconds until the cluster was ready.
        rows: One per scenario.
        seconds: Seconds for everything.
        exit_code: 0 when everything behaved, 1 when something did not, 3 when the cluster could not be asked.
    """

    cluster: str
    provider: str
    up: float
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """The last word: the table of times."""

    result: Result
    kept: bool


Beat = Scene | Say | Typed | Graded | Ended
Tell = Callable[[Beat], None]


class Demo:
    """The demo on one cluster.

    Args:
        provider: `auto`, `engine` or `kind`.
        cluster: Name of the cluster; it is made when it does not run.
        tell: Hears the story.
        emit: Hears the steps.
    """

    def __init__(self, provider: str, cluster: str, *, tell: Tell, emit: Listener) -> None:
        self._choice = provider
        self._cluster = cluster
        self._tell = tell
        self._emit = emit

    def run(self, ids: Sequence[str] = (), *, every: bool = False, down: bool = False) -> Result:
        """Show it all.

        Args:
            ids: Scenarios; none means the showcase of each chapter.
            every: Whether none means every scenario of the course.
            down: Whether the cluster is taken away at the end.

        Raises:
            UsageError: An unknown scenario.
            LabsError: The cluster could not be brought up, or a step of the lab itself failed.
        """
        chosen = self._chosen(ids, every=every)
        began = time.monotonic()
        result, provider = self._up()
        tasks = Tasks(provider.handle(self._cluster))
        for number, scenario in enumerate(chosen, 1):
            self._tell(Scene(scenario.file.title, f"scenario {number} of {len(chosen)}: {scenario.id}"))
            result.rows.append(self._show(tasks, scenario))
        if down:
            self._tell(Typed(self._labs("down")))
            provider.down(self._cluster, emit=self._emit)
        result.seconds = time.monotonic() - began
        result.exit_code = _exit_code(result.rows)
        self._tell(Ended(result, kept=not down))
        return result

    def _chosen(self, ids: Sequence[str], *, every: bool) -> list[Scenario]:
        """Check the names before the first side effect."""
        reader = Tasks(None)
        shown = [chapter.showcase for chapter in reader.course.chapters if chapter.showcase]
        chosen = [reader.scenario(name) for name in ids or ([] if every else shown)] or list(reader.course.scenarios)
        if not chosen:
            raise UsageError("the course has no scenario", hint="LABS_SCENARIOS may point at an empty folder")
        return chosen

    def _up(self) -> tuple[Result, Provider]:
        self._tell(Scene("A real cluster", "everything below happens on it; nothing is simulated"))
        provider = providers.select(self._choice, cluster=self._cluster)
        running = provider.status(self._cluster).phase is Phase.READY
        self._tell(Say("It runs already." if running else "Nothing runs yet: bring it up."))
        self._tell(Typed(self._labs("up")))
        began = time.monotonic()
        provider.up(self._cluster, emit=self._emit)
        return Result(self._cluster, provider.name, time.monotonic() - began), provider

    def _labs(self, command: str) -> str:
        return f"labs {command}" + ("" if self._cluster == "lab" else f" --cluster {self._cluster}")

    def _show(self, tasks: Tasks, scenario: Scenario) -> Row:
        row = Row(scenario.id)
        lacking = tasks.lacking(scenario.id)
        if lacking or tasks.current(scenario.id) is not None:
            row.skipped = "; ".join(lacking) or "you are working on it; the demo leaves it alone"
            self._emit(Notice(f"{scenario.id} is not shown: {row.skipped}"))
            return row
        began = time.monotonic()
        try:
            self._play(tasks, scenario, row)
        finally:
            # Also after Ctrl-C or a failure: the cluster is left as it was found.
            if tasks.current(scenario.id) is not None:
                tasks.stop(scenario.id, emit=self._emit)
        row.total = time.monotonic() - began
        return row

    def _play(self, tasks: Tasks, scenario: Scenario, row: Row) -> None:
        name = scenario.id
        self._tell(Say(scenario.file.situation, quote=True))
        self._tell(Typed(self._labs(f"scenarios start {name}")))
        with _timed(row, "start"):
            tasks.start(name, emit=self._emit)
        self._tell(Say("The task:"))
        self._tell(Say(scenario.file.task, quote=True))

        self._tell(Say("Nothing was done yet, so grading has to fail, and say why:"))
        row.untouched = self._grade(tasks, row, "failed", settle=UNTOUCHED_SETTLE)

        for wrong in scenario.wrong[:1]:
            self._tell(Say(f"A fix that tempts: {wrong.file.about}"))
            self._apply(tasks, name, wrong)
            row.wrong = self._grade(tasks, row, "failed")

        self._tell(Say("Start over: this task alone goes back to its broken state."))
        self._tell(Typed(self._labs(f"scenarios reset {name}")))
        with _timed(row, "reset"):
            tasks.reset(name, emit=self._emit)

        self._tell(Say(f"The solution: {scenario.solution.file.about}"))
        self._apply(tasks, name, scenario.solution)
        row.solved = self._grade(tasks, row, "passed")

    def _apply(self, tasks: Tasks, name: str, fix: Fix) -> None:
        """Apply a fix one step at a time, so that each command stands above what it did."""
        for step in fix.file.steps:
            self._tell(Typed(_typed(step, name)))
            tasks.apply_fix(name, fix.with_steps((step,)), emit=self._emit)

    def _grade(self, tasks: Tasks, row: Row, expected: str, *, settle: float | None = None) -> str:
        self._tell(Typed(self._labs(f"scenarios check {row.scenario}")))
        report = tasks.check(row.scenario, settle=settle, emit=self._emit)
        if _verdict(report) == "unknown":
            self._tell(Say("Something could not be asked just now. That costs nothing: grade again."))
            report = tasks.check(row.scenario, settle=settle, emit=self._emit)
        verdict = _verdict(report)
        row.grade = report.seconds
        if verdict != expected and not row.problem:
            row.problem = f"expected to be {expected}, was {verdict}"
        self._tell(Graded(report, expected, verdict == expected))
        return verdict


def _typed(step: FixStep, scenario: str) -> str:
    if step.command:
        return shlex.join(step.command)
    if step.answer is None:
        return f"cp -r {step.copy_} ."
    said = step.answer
    words = ["--component", said.component, "--cause", said.cause, "--evidence", said.evidence]
    return shlex.join(["labs", "scenarios", "answer", scenario, *words])


def _verdict(report: Report) -> str:
    if report.passed:
        return "passed"
    # A broken guard decides, whatever else could not be asked.
    return "unknown" if report.unknown and not report.broken_guards else "failed"


@contextmanager
def _timed(row: Row, what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    setattr(row, what, time.monotonic() - began)


def _exit_code(rows: Sequence[Row]) -> int:
    if any("unknown" in {row.untouched, row.wrong, row.solved} for row in rows):
        return 3
    shown = [row for row in rows if not row.skipped]
    return 0 if shown and not any(row.problem for row in shown) else 1
