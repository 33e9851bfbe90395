"""The trials of one scenario on one cluster, through `Tasks`, as a learner would. `gate.py` runs them.

One round: start, untouched, the solution, every wrong fix, the solution without each of its steps, with a reset to the
exact baseline after each; then stop, and a look at what is left. The order of what is tried is random where several
scenarios are proved, and in further rounds: no reset may owe its exactness to what came before it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from grader.model import Report
from labs.attempts.service import Tasks
from labs.course.models import Fix, Scenario
from labs.errors import LabsError
from labs.events import Listener, State, Step
from labs.inject import timeline
from labs.prove import words
from labs.prove.mutants import answered, mutants, without_waits
from labs.prove.outside import Outside
from labs.prove.report import Proof, Trial
from labs.prove.verdicts import FailedTrialError, automatic, caught, solved, untouched

GONE_WITHIN = 10.0


class CancelledError(Exception):
    """Somebody wants no further trials; what ran is taken off the cluster first."""


class LostError(Exception):
    """The cluster does not answer any more, or is another one: whatever is tried on it says nothing."""


@dataclass(frozen=True, slots=True)
class How:
    """How trials are run; the same for all scenarios of a run.

    Attributes:
        rounds: How often everything is tried.
        seed: Of the order in which it is tried.
        shuffled: Whether that order is random; else the solution comes first, as an author wants it.
        cancelled: Asked before each trial; True ends the run in good order.
        emit: Told of every trial.
        detailed: Whether the steps of a start are told too; not when several scenarios are proved at once.
        clock: Monotonic seconds.
    """

    rounds: int
    seed: int
    shuffled: bool
    cancelled: Callable[[], bool]
    emit: Listener
    detailed: bool
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Try:
    """A fix that is applied, and what the report must say afterwards."""

    name: str
    fix: Fix
    judge: Callable[[Report], str]
    passes: bool = False


@dataclass(slots=True)
class Trials:
    """The trials of one scenario, in order; those after a failed start are not tried.

    Attributes:
        tasks: The tasks on the cluster.
        scenario: The scenario.
        proof: Where the trials are written.
        outside: The cluster around the scenario.
        how: How to run them.
        round: The round that is on, from 1.
    """

    tasks: Tasks
    scenario: Scenario
    proof: Proof
    outside: Outside
    how: How
    round: int = 1

    @property
    def id(self) -> str:
        """The scenario's id."""
        return self.scenario.id

    def run(self) -> None:
        """Run every round, until a start fails.

        Raises:
            CancelledError: No further trials are wanted.
            LostError: The cluster is lost.
        """
        for number in range(1, self.how.rounds + 1):
            self.round = number
            if not self._one_round():
                return

    def _one_round(self) -> bool:
        with self._trial("start"):
            self.outside.begin()
            with self.outside.acting(words.nodes_of_start(self.scenario)):
                self.tasks.start(self.id, **({"emit": self.how.emit} if self.how.detailed else {}))
        if not self.proof.trials[-1].ok:
            return False
        try:
            self._judge()
        finally:
            with self._trial("stop", always=True):
                self.tasks.stop(self.id)
        with self._trial("leftovers") as said:
            left = self._left()
            if left:
                raise FailedTrialError(f"different from before: {', '.join(left[:5])}")
            said.append("nothing is left")
        return True

    def _judge(self) -> None:
        with self._trial("untouched") as said:
            late = self.tasks.await_faults(self.id)
            said.append(untouched(self.scenario, self._check()))
            if late:
                raise FailedTrialError(f"not seen: {', '.join(late)}; `unseen: why` says that it cannot be")
        tries = self._tries()
        if self.how.shuffled:
            random.Random(f"{self.how.seed} {self.id} {self.round}").shuffle(tries)  # noqa: S311 - an order, no secret
        for number, item in enumerate(tries, 1):
            with self._trial(item.name) as said:
                self.tasks.await_started(self.id)
                if timeline.due(self.scenario):
                    self.tasks.await_faults(self.id)  # a fix that comes before its fault mends nothing
                self._apply(item.fix)
                said.append(self._guessed(item) or item.judge(self._check(stop_early=not item.passes)))
            # What the last of one round was, has been reset before: a mutant does less than the solution.
            if number < len(tries) or not item.name.startswith("without"):
                self._reset(item.name)

    def _tries(self) -> list[_Try]:
        result = [_Try("solution", self.scenario.solution, solved, passes=True)]
        for fix in (*self.scenario.wrong, *automatic(self.scenario)):
            whole = answered(without_waits(fix), self.scenario.solution)
            result.append(_Try(f"wrong {fix.id}", whole, caught))
        result += [
            _Try(f"without step {mutant.number}", mutant.fix, _needed(mutant.left_out.say))
            for mutant in mutants(self.scenario)
        ]
        return result

    def _guessed(self, item: _Try) -> str:
        """Return what is wrong with the answer, so that nothing else needs to be graded; empty when it is right."""
        attempt = None if item.passes or self.scenario.file.diagnosis is None else self.tasks.current(self.id)
        if attempt is None or attempt.diagnosis is None or attempt.diagnosis.right:
            return ""
        parts = [part.id for part in attempt.diagnosis.parts if not part.right]
        return f"caught by the diagnosis: {', '.join(parts)}"

    def _check(self, *, stop_early: bool = False) -> Report:
        with self.outside.acting(words.nodes_of_checks(self.scenario)):
            return self.tasks.check(self.id, stop_early=stop_early)

    def _apply(self, fix: Fix) -> None:
        with self.outside.acting(words.nodes_of_fix(fix)):
            self.tasks.apply_fix(self.id, fix)

    def _left(self) -> list[str]:
        """Return what is left; volumes that a provisioner takes away by itself are given a moment."""
        deadline = self.how.clock() + GONE_WITHIN
        while (left := self.outside.left()) and self.how.clock() < deadline:
            time.sleep(0.5)
        return left

    def _reset(self, after: str) -> None:
        with self._trial(f"reset after {after}"):
            self.tasks.reset(self.id)
        with self._trial(f"exact after {after}") as said:
            different = [key for key in self.tasks.differences(self.id) if not self.outside.is_anothers(key)]
            if different:
                raise FailedTrialError(f"not as at the start: {', '.join(different[:5])}")
            said.append("equal to the baseline")

    @contextmanager
    def _trial(self, name: str, *, always: bool = False) -> Iterator[list[str]]:
        """Record one trial: whatever is wrong becomes its detail, and the next trial goes on.

        Raises:
            CancelledError: No further trials are wanted.
            LostError: It went wrong, and the cluster is lost: that is why, as far as anybody can tell.
        """
        if not always and self.how.cancelled():
            raise CancelledError
        said: list[str] = []
        key, title = f"{self.id}/{self.round}/{name}", f"{self.id}: {name}"
        if self.how.rounds > 1:
            title += f" (round {self.round})"
        self.how.emit(Step(key, title, State.RUNNING))
        begin = self.how.clock()
        ok = True
        try:
            yield said
        except FailedTrialError as error:
            ok, said = False, [str(error)]
        except LabsError as error:
            ok, said = False, [f"{error}" + (f" (hint: {error.hint})" if error.hint else "")]
        lost = "" if ok else self.tasks.lost()
        if lost:
            said = [f"the cluster is lost: {lost}", *said]
        trial = Trial(name, ok, "; ".join(said), round(self.how.clock() - begin, 3), self.round, bool(lost))
        self.proof.trials.append(trial)
        self.how.emit(Step(key, title, State.DONE if ok else State.FAILED, trial.detail, trial.seconds))
        if lost:
            raise LostError


def _needed(say: str) -> Callable[[Report], str]:
    def judge(report: Report) -> str:
        what = f"the solution without the step “{say}” (say why with `optional:` if that is right)"
        return caught(report, what=what)

    return judge
