"""Looks at the cluster until the verdict is certain, then holds what must be sustained. The engine of `grader.runner`.

One *look* reads every observed list once and runs the checks beside it, so that lists and answers are of one moment.
Looks repeat until all checks pass, or every failure is certain, or `settle` seconds are over. A failure is certain when
only the learner can change it (`grader.definite`), or when nothing is in motion (`grader.settle`) and a second look a
second later says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from grader import guards as guarding
from grader import settle as settling
from grader.checks import OPERATIONS
from grader.checks.sustained import Clock, Held, hold, not_worth_it
from grader.checks.triggered import Trigger
from grader.cluster import Cluster
from grader.errors import ExpressionError, GraderError, Unanswered
from grader.finding import Finding, Scene
from grader.guards import Baseline
from grader.model import TIMED_KINDS, Check, Guard, Outcome, Sustained, Triggered
from grader.settle import BUDGET, LOGGED, QUIET, SCRAPED, Pace, Watch
from grader.snapshot import Question, Snapshot
from grader.text import clean
from grader.track import CONFIRM, Track

POLL = 0.5
"""Seconds between two looks."""

PATIENCE = 5.0
"""Seconds an API server that does not answer is waited for, after the look that found it so; a supervisor has it back
within two. A command in a pod may take longer than that to be given up, and is tried once more."""

BRISK = 0.7
"""Seconds in which a machine that is not overloaded has read the lists; a slower one gets more patience."""

SLOWEST = 3.0

GLANCES = 3
"""Most looks at what is written alone, before servers are asked: the second confirms the first."""

ENDED = "ended at the first certain failure: the other checks may not be final"

LISTS_ONLY = frozenset({"match", "cel", "condition", "event", "helm"})
"""Kinds that send nothing: they begin last in a look, so that the requests go out beside the lists."""


@dataclass(slots=True)
class Grading:
    """One grading in progress.

    Attributes:
        cluster: Whom to ask.
        namespaces: The scenario's.
        tracks: One for each check, in order.
        guards: In order.
        baseline: What the guards compare with.
        settle: Seconds to wait at most.
        clock: Time.
        say: Told what is waited for.
        pool: Runs lists and checks side by side.
        stop: Whether the first certain failure ends it.
    """

    cluster: Cluster
    namespaces: tuple[str, ...]
    tracks: tuple[Track, ...]
    guards: tuple[Guard, ...]
    baseline: Baseline | None
    settle: float
    clock: Clock
    say: Callable[[str], None]
    pool: ThreadPoolExecutor
    stop: bool = False
    _watch: Watch = field(init=False)
    _slow: float = 1.0
    _unanswered: float | None = None

    def __post_init__(self) -> None:
        self._watch = Watch(self.namespaces)

    @property
    def plain(self) -> list[Track]:
        """The checks that a look judges."""
        return [track for track in self.tracks if track.check.kind not in TIMED_KINDS]

    # --- one look ----------------------------------------------------------------------------------------------------

    def look(self, only: Sequence[Track] | None = None) -> Snapshot:
        """Read every list once and judge every check, or only some, all at the same time."""
        begin = self.clock.monotonic()
        snapshot = Snapshot(self.cluster)
        looked_at = self.plain if only is None else only
        tracks = sorted(looked_at, key=lambda track: track.check.kind in LISTS_ONLY)
        judged: list[tuple[Track, Future[tuple[Finding, float]]]] = []
        lists: list[Future[Future[list[dict[str, object]]]]] = []
        for track in tracks:
            if track.check.kind in LISTS_ONLY and not lists:
                lists = snapshot.fetch(self._questions(tracks), self.pool)
            judged.append((track, self.pool.submit(self._judge, track.check, snapshot)))
        lists = lists or snapshot.fetch(self._questions(tracks), self.pool)
        for reading in lists:
            reading.result()
        self._slow = min(max((self.clock.monotonic() - begin) / BRISK, 1.0), SLOWEST)
        for track, done in judged:
            track.add(*done.result())
        now = self.cluster.now()
        for track in tracks:
            track.weigh(snapshot, now, begin)
        return snapshot

    def glance(self) -> Snapshot | None:
        """Look only at guards and at what the learner has written, without a request to any server.

        Returns:
            The look that shows for certain that the task is not solved; None when only a whole look can tell.
        """
        written = [track for track in self.plain if track.written]
        for _ in range(GLANCES):
            start = self.clock.monotonic()
            snapshot = self.look(written)
            if self.is_lost(snapshot):
                return snapshot
            if all(track.finding.outcome is not Outcome.FAILED for track in written):
                return None
            self.clock.sleep(max(CONFIRM - (self.clock.monotonic() - start), 0.05))
        return None

    def _questions(self, tracks: Iterable[Track]) -> Iterable[Question]:
        for track in tracks:
            yield from track.questions
        for guard in self.guards:
            yield from guarding.reads(guard)
        yield from settling.needed_to_pass(self.namespaces)

    def _see_motion(self, snapshot: Snapshot) -> None:
        """Read what tells of motion too: only a look that is no pass yet needs it, right after what it judged."""
        for reading in snapshot.fetch(settling.questions(self.namespaces), self.pool):
            reading.result()

    def _judge(self, check: Check, snapshot: Snapshot) -> tuple[Finding, float]:
        begin = self.clock.monotonic()
        finding = _safely(check, Scene(snapshot, self.cluster, self.namespaces))
        return finding, self.clock.monotonic() - begin

    # --- looking until it is certain ---------------------------------------------------------------------------------

    def until_certain(self, *, calm: bool = False) -> tuple[Snapshot, list[str]]:
        """Look until the verdict is certain; return the last look and remarks.

        Args:
            calm: Whether to wait even for a pass until nothing is in motion.
        """
        begin = self.clock.monotonic()
        self._unanswered = None  # each waiting has its own patience
        first = ""
        while True:
            start = self.clock.monotonic()
            snapshot = self.look()
            waited = self.clock.monotonic() - begin
            if self.stop and self.is_lost(snapshot):
                return snapshot, [ENDED]
            reason, moves = self._unsettled(snapshot, calm=calm)
            first = first or moves
            if not reason or waited >= self.settle:
                notes = [f"waited {waited:.0f} s for {first}"] if first and waited >= 1 else []
                return snapshot, notes + self._doubt(snapshot)
            spent = f"{waited:.0f} s so far, " if waited >= 1 else ""
            self.say(f"waiting for {reason} ({spent}at most {self.settle:.0f} s)")
            pause = POLL if moves else max(CONFIRM - (self.clock.monotonic() - start), 0.05)
            self.clock.sleep(min(pause, max(self.settle - waited, 0.05)))

    def is_lost(self, snapshot: Snapshot) -> bool:
        """Return whether this look shows for certain that the task is not solved."""
        if any(track.definite for track in self.plain):
            return True
        looks = (guarding.look(guard, snapshot, self.baseline) for guard in self.guards)
        return any(verdict.outcome is Outcome.FAILED for verdict in looks)

    def _unsettled(self, snapshot: Snapshot, *, calm: bool) -> tuple[str, str]:
        """Return what to wait for, or nothing when this look is the verdict; and, if things are in motion, which."""
        if any(track.finding.transient for track in self.plain):
            now = self.clock.monotonic()
            self._unanswered = now if self._unanswered is None else self._unanswered
            words = "the cluster to answer" if now - self._unanswered < PATIENCE else ""
            return words, words
        self._unanswered = None
        failing = [track for track in self.plain if track.finding.outcome is Outcome.FAILED]
        lag = settling.rolling(snapshot, self.namespaces)
        if not failing and not calm:
            return lag, lag
        self._see_motion(snapshot)
        moves = self._watch.moving(snapshot, self.cluster.now(), self.clock.monotonic(), self._pace)
        if not failing:
            return lag or moves, lag or moves
        open_ = [track for track in failing if not track.definite]
        if not open_:
            return "", ""
        moves = moves or next((track.finding.early for track in open_ if track.finding.early), "")
        if moves:
            return moves, moves
        return ("" if all(track.confirmed for track in open_) else "a second look"), ""

    @property
    def _pace(self) -> Pace:
        # An author whose servers start slowly says so with `settle_seconds`: a third of it may go into one start.
        rest = max((_rest(track.check) for track in self.plain if not track.finding.passed), default=QUIET)
        return Pace(max(BUDGET, self.settle / 3), self._slow, rest)

    def _doubt(self, snapshot: Snapshot) -> list[str]:
        """Take back passes that may rest on pods of an older spec, because no controller has seen the new one."""
        lag = settling.rolling(snapshot, self.namespaces)
        if not lag:
            return []
        observed = f"still waiting for {lag}"
        for track in self.plain:
            if track.finding.passed:
                track.finding = replace(track.finding, outcome=Outcome.UNKNOWN, observed=observed)
        return [f"{observed}: nothing counts as passed until then"]

    # --- holding -----------------------------------------------------------------------------------------------------

    def finish(self) -> tuple[Snapshot, list[str]]:
        """Look until it is certain, hold what must be sustained; return the look that guards are judged on, remarks."""
        if self.stop and (early := self.glance()):
            self._skip()
            return early, [ENDED]
        snapshot, notes = self.until_certain()
        if self.stop and self.is_lost(snapshot):
            self._skip()
            return snapshot, notes
        moves = ""
        if any(track.check.sustained is not None for track in self.tracks):
            self._see_motion(snapshot)
            moves = settling.motion(snapshot, self.namespaces, self.cluster.now(), self._pace)
        passed_time = self.sustain()
        if moves and self._broke() and self.settle > 0:
            # What broke while a rollout was not over yet may be the rollout's doing: held once more when it is.
            snapshot, more = self.until_certain(calm=True)
            self.sustain()
            notes = [*notes, *more, f"held a second time, after {moves.removeprefix('the ')} was waited for"]
        passed_time |= self.trigger()
        # Guards hold to the end, not only until the holding began.
        return Snapshot(self.cluster) if passed_time else snapshot, notes

    def _broke(self) -> bool:
        return any(
            track.check.sustained is not None and track.looks > 1 and track.finding.outcome is Outcome.FAILED
            for track in self.tracks
        )

    def _skip(self) -> None:
        for track in self.tracks:
            if track.looks == 0:
                track.add(Finding(Outcome.UNKNOWN, "not tried, because another failure is certain"), 0.0, 0)

    def sustain(self) -> bool:
        """Hold what must be sustained, all at once; return whether time has passed."""
        held = [track for track in self.tracks if track.check.sustained is not None]
        known = {track.check.id: track for track in self.plain}
        longest = max((t.check.sustained.seconds for t in held if t.check.sustained), default=0.0)
        if held and longest:
            self.say(f"holding for {longest:g} s")
        for track, (result, seconds) in zip(
            held, self.pool.map(lambda t: self._hold(t.check, known), held), strict=True
        ):
            track.add(result.finding, seconds, result.looks)
        return any(track.looks > 1 for track in held)

    def _hold(self, check: Check, known: dict[str, Track]) -> tuple[Held, float]:
        begin = self.clock.monotonic()
        wanted = check.sustained or Sustained(seconds=1, check="")
        other = known.get(wanted.check)
        if other is None:
            mistake = f"there is no check `{wanted.check}` that could be sustained"
            return Held(Finding(Outcome.UNKNOWN, mistake), 1), 0.0
        if not other.finding.passed:
            return not_worth_it(wanted.check, other.finding, f"`{wanted.check}` holds for {wanted.seconds:g} s"), 0.0
        held = hold(wanted, lambda: self._judge(other.check, Snapshot(self.cluster))[0], self.clock)
        return held, self.clock.monotonic() - begin

    # --- triggering --------------------------------------------------------------------------------------------------

    def trigger(self) -> bool:
        """Pull the triggers one after the other; return whether anything was done."""
        known = {track.check.id: track for track in self.plain}
        done = False
        for track in self.tracks:
            wanted = track.check.triggered
            if wanted is None:
                continue
            begin = self.clock.monotonic()
            held = self._pull(wanted, known.get(wanted.then))
            track.add(held.finding, self.clock.monotonic() - begin, held.looks)
            done = True
        return done

    def _pull(self, wanted: Triggered, other: Track | None) -> Held:
        if other is None:
            return Held(Finding(Outcome.UNKNOWN, f"there is no check `{wanted.then}` that could be looked at"), 1)
        if not other.finding.passed:
            return not_worth_it(wanted.then, other.finding, f"`{wanted.then}` passes within {wanted.within:g} s")
        self.say(f"doing {wanted.do.kind if wanted.do else 'load'}, then looking for at most {wanted.within:g} s")
        trigger = Trigger(
            wanted=wanted,
            scene=Scene(Snapshot(self.cluster), self.cluster, self.namespaces),
            look=lambda: self._judge(other.check, Snapshot(self.cluster))[0],
            moves=self._moves,
            clock=self.clock,
            pool=self.pool,
        )
        try:
            return trigger.pull()
        except GraderError as error:
            return Held(Finding(Outcome.UNKNOWN, _with_hint(error)), 1)

    def _moves(self) -> bool:
        snapshot = Snapshot(self.cluster)
        self._see_motion(snapshot)
        return bool(settling.motion(snapshot, self.namespaces, self.cluster.now(), self._pace))


def questions_of(check: Check, namespaces: tuple[str, ...]) -> tuple[Question, ...]:
    """Return the lists that a check reads; none for one that is wrong, which says so itself when it is judged."""
    if check.kind in TIMED_KINDS:
        return ()
    try:
        return tuple(OPERATIONS[check.kind].reads(check, namespaces))
    except ExpressionError:
        return ()


def _safely(check: Check, scene: Scene) -> Finding:
    """Look once; whatever is not the learner's doing is `unknown` and costs nothing."""
    try:
        return OPERATIONS[check.kind].look(check, scene)
    except Unanswered as error:
        return Finding(Outcome.UNKNOWN, _with_hint(error), check.expected, transient=True)
    except GraderError as error:
        return Finding(Outcome.UNKNOWN, _with_hint(error), check.expected)
    except Exception as error:  # noqa: BLE001 - a fault of ours must neither cost points nor end an exam
        return Finding(Outcome.UNKNOWN, f"the grader failed on this check: {type(error).__name__}: {clean(str(error))}")


def _with_hint(error: GraderError) -> str:
    return clean(f"{error.message}{f' (hint: {error.hint})' if error.hint else ''}", 600)


def _rest(check: Check) -> float:
    """Return how many seconds after the last change a check that fails may still pass by itself."""
    if check.metric is not None:
        return SCRAPED
    return LOGGED if check.log is not None and check.log.present else QUIET
