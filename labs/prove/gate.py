"""Tries every promise of a scenario on a real cluster.

Untouched it fails, solved it passes, every wrong fix and every solution with a step missing fails, a reset is exact,
nothing is left. `labs prove` and the cluster tests call `prove`; a scenario that is not proved is not served.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from labs.attempts.service import Tasks
from labs.course.models import Scenario
from labs.errors import UsageError
from labs.events import Listener, State, Step, silent
from labs.prove import words
from labs.prove.outside import Outside, around
from labs.prove.report import Proof, ProveReport
from labs.prove.trials import CancelledError, How, LostError, Trials
from labs.providers.base import ClusterHandle

Done = Callable[[Scenario, Proof], None]
Look = Callable[[ClusterHandle, Scenario], Outside]


def prove(
    tasks: Tasks,
    ids: Sequence[str] | None = None,
    *,
    repeat: int = 1,
    parallel: int = 1,
    seed: int = 0,
    cancelled: Callable[[], bool] = lambda: False,
    done: Done = lambda _scenario, _proof: None,
    emit: Listener = silent,
    look: Look = around,
    clock: Callable[[], float] = time.monotonic,
) -> ProveReport:
    """Prove scenarios.

    Args:
        tasks: The tasks on a running cluster.
        ids: Scenarios; default: all.
        repeat: How often everything is tried; more than once: in random order of scenarios, too.
        parallel: How many scenarios are proved at once, each in its own namespaces. Those that move pods off nodes or
            measure times run alone after the others, those that act on objects of the whole cluster one at a time.
        seed: Of the order.
        cancelled: Asked before each trial; True ends the run in good order, with what was found until then.
        done: Told of each scenario whose trials have ended, from the thread that ran them.
        emit: Told of every trial.
        look: Makes what is compared around a scenario.
        clock: Monotonic seconds.

    Raises:
        UsageError: An id is unknown, or a task among them runs: proving would take it from its learner.
    """
    chosen = [tasks.scenario(name) for name in dict.fromkeys(ids or [s.id for s in tasks.course.scenarios])]
    busy = [s.id for s in chosen if tasks.current(s.id) is not None]
    if busy:
        hint = f"labs scenarios stop {busy[0]}"
        raise UsageError(f"running tasks cannot be proved: {', '.join(busy)}", hint=hint)
    handle = tasks.handle
    begin = clock()
    proofs = {s.id: Proof(s.id, s.digest, skipped="; ".join(tasks.lacking(s.id))) for s in chosen}
    detailed, shuffled = min(parallel, len(chosen)) == 1, repeat > 1 or len(chosen) > 1
    how = How(repeat, seed, shuffled, cancelled, emit, detailed=detailed, clock=clock)
    run = _Run(tasks, proofs, done, look, how)
    if repeat > 1:
        random.Random(seed).shuffle(chosen)  # noqa: S311 - an order, no secret
    elif parallel > 1:
        chosen.sort(key=_size, reverse=True)  # the long ones first, so that none is still on when the others have ended
    beside = [s for s in chosen if parallel > 1 and not runs_alone(s)]
    alone = [s for s in chosen if s not in beside]
    try:
        run.together(beside, parallel)
        for scenario in alone:
            run.one(scenario, how)
    except CancelledError:
        pass
    found = list(proofs.values())
    return ProveReport(handle.name, handle.provider, handle.capabilities.gpu, found, clock() - begin, parallel)


def runs_alone(scenario: Scenario) -> bool:
    """Return whether a scenario is not proved beside others: it moves their pods off nodes, or measures times.

    A label moves no pod that runs; those who look at nodes are proved one at a time (`words.acts_on_cluster`).
    """
    asked = [check.infer for check in scenario.file.checks if check.infer]
    return any(infer.p95_ms or infer.p99_ms for infer in asked) or bool(words.nodes_of(scenario) - {words.LABEL})


def measures(scenario: Scenario) -> bool:
    """Return whether verdicts of a scenario rest on how the machine behaves over a while: load, rates, what is done."""
    return any(check.infer or check.triggered or check.metric for check in scenario.file.checks)


def _size(scenario: Scenario) -> int:
    """Return about how much there is to try."""
    return len(scenario.wrong) + len(scenario.solution.file.steps)


@dataclass(frozen=True, slots=True)
class _Run:
    tasks: Tasks
    proofs: dict[str, Proof]
    done: Done
    look: Look
    how: How
    whole_cluster: threading.Lock = field(default_factory=threading.Lock)

    def one(self, scenario: Scenario, how: How) -> None:
        proof = self.proofs[scenario.id]
        if proof.skipped:
            how.emit(Step(scenario.id, f"{scenario.id}: not applicable", State.SKIPPED, proof.skipped))
            return
        alike = self.whole_cluster if words.acts_on_cluster(scenario) else nullcontext()
        try:
            with alike:
                Trials(self.tasks, scenario, proof, self.look(self.tasks.handle, scenario), how).run()
        except CancelledError:
            proof.cancelled = True
            raise
        except LostError:
            self.done(scenario, proof)
            raise CancelledError from None  # what else is tried on it would fail as well
        self.done(scenario, proof)

    def together(self, scenarios: Sequence[Scenario], workers: int) -> None:
        """Prove scenarios side by side; when one thread ends badly, or Ctrl-C comes, the others end in good order."""
        if not scenarios:
            return
        enough = threading.Event()
        how = replace(self.how, cancelled=lambda: enough.is_set() or self.how.cancelled())
        with ThreadPoolExecutor(workers, thread_name_prefix="prove") as pool:
            try:
                waiting: list[Future[None]] = [pool.submit(self.one, scenario, how) for scenario in scenarios]
                wait(waiting, return_when=FIRST_EXCEPTION)
            finally:
                enough.set()
        ended = [future.exception() for future in waiting if not future.cancelled()]
        for error in sorted((e for e in ended if e is not None), key=lambda e: isinstance(e, CancelledError)):
            raise error
