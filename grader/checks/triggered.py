"""`triggered`: something is done to the cluster, or load is put on it, and another check must pass afterwards.

Driven by `grader.looking` once the others have their verdict, one after the other: two would disturb each other.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from grader import targets
from grader.checks import infer
from grader.checks.sustained import Clock, Held
from grader.cluster import Acted, LoadAnswer
from grader.errors import Refused, Unanswered
from grader.finding import Finding, Scene
from grader.model import Infer, Outcome, Triggered
from grader.text import clean

EVERY = 0.5

STARVED = 1000.0
"""Milliseconds by which a client is sent late only where the machine has no time for it."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One thing to do.

    Attributes:
        wanted: What.
        scene: Where.
        look: One look of the check that must pass afterwards.
        moves: Whether something is still in motion; a pass before the act shows its effect proves nothing.
        clock: Time.
        pool: Runs the load meanwhile.
    """

    wanted: Triggered
    scene: Scene
    look: Callable[[], Finding]
    moves: Callable[[], bool]
    clock: Clock
    pool: Executor

    def pull(self) -> Held:
        """Do it, wait for the check, undo what can be undone, and judge the load.

        Raises:
            Unanswered: The cluster could not be asked.
        """
        load = self._load()
        acted = Acted("the load")
        try:
            if self.wanted.do is not None:
                spaces = self.scene.namespaces
                acted = self.scene.cluster.act(self.wanted.do, spaces[0] if spaces else "default")
            finding, looks, seconds = self._until_it_passes(load)
        except Refused as refusal:
            return Held(Finding(Outcome.FAILED, clean(refusal.message), self._expected), 1)
        finally:
            acted.undo()
        if not finding.passed:
            # A check that could not be asked stays unknown.
            observed = f"{seconds:.0f} s after {acted.words}: {finding.observed}"
            return Held(Finding(finding.outcome, observed, self._expected, finding.mismatches), looks)
        judged = load.result() if load else None
        if judged is not None and not judged.passed:
            observed = f"while and after {acted.words}: {judged.observed}"
            return Held(Finding(judged.outcome, observed, self._expected, judged.mismatches), looks)
        said = f"passed {seconds:.0f} s after {acted.words}"
        said += f"; meanwhile {judged.observed}" if judged else ""
        return Held(Finding(Outcome.PASSED, said, self._expected), looks)

    @property
    def _expected(self) -> str:
        under = f"; meanwhile {infer.expected_of(self.wanted.under)}" if self.wanted.under else ""
        return f"`{self.wanted.then}` passes within {self.wanted.within:g} s{under}"

    def _load(self) -> Future[Finding] | None:
        if self.wanted.under is None:
            return None
        load = self.pool.submit(self._send, self.wanted.under)
        self.clock.sleep(self.wanted.lead)
        return load

    def _send(self, wanted: Infer) -> Finding:
        url = targets.url(wanted, self.scene)
        if url is None:
            return Finding(Outcome.FAILED, f"{targets.place(wanted, self.scene)}: {targets.NOWHERE}")
        answer = self.scene.cluster.load(infer.request_of(wanted, url))
        finding = infer.judge(wanted, answer)
        if not finding.passed and _is_starved(wanted, answer):
            late = f"the client was late by up to {answer.behind:.0f} ms and no server said no"
            hint = "grade again when less runs beside the lab"
            raise Unanswered(f"this machine is too busy to measure: {late}; {finding.observed}", hint=hint)
        return finding

    def _until_it_passes(self, load: Future[Finding] | None) -> tuple[Finding, int, float]:
        begin = self.clock.monotonic()
        if load is not None and self.wanted.do is None:
            load.result()  # load alone: what counts is the state after it
        looks = 0
        while True:
            finding = self.look()
            looks += 1
            seconds = self.clock.monotonic() - begin
            if seconds >= self.wanted.within or (finding.passed and not self.moves()):
                return finding, looks, seconds
            self.clock.sleep(EVERY)


def _is_starved(wanted: Infer, answer: LoadAnswer) -> bool:
    """Return whether a load tells of the machine rather than of the task.

    A client that does no more than wait for its turn, and gets it a second late, stands beside servers and packet rules
    that get theirs as late. What a server has answered counts all the same: it was there to say it.
    """
    return answer.behind >= STARVED and set(answer.statuses) <= {wanted.expect}
