"""Greedy batching: a thread per model instance that takes everything queued, at once, without ever waiting for more.

`infer` awaits `Worker.submit`; a thread runs the model and hands results back to the event loop, one call per batch.
When nothing is queued and runs are quick, `infer` calls `Worker.run_inline`, in the event loop itself, which saves the
hand-off. What a model has in hand, waiting or running, is bounded: one request too many is refused at once, and while
that goes on, the bound is lower (see `Worker.limit`). A request whose client has gone or whose deadline is over when
its turn comes is not run. Knows nothing of ONNX or HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections import deque
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from model_server.errors import ClientGone, DeadlineExceeded, ExecutionFailed, NotReady, Overloaded, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

    from model_server.stats import ModelStats

Feeds = dict[str, "NDArray[Any]"]
Outputs = list["NDArray[Any]"]

_SMOOTHING = 0.1  # of the moving average of run times: the last ten or so count
_OUTLIER = 4.0  # times the average: more than that counts as that much
_STANDING_S = 1.0  # after a refusal the short queue holds for so long
_SHORT_WAIT_S = 0.02  # the short queue is worked off in about this time
_SHORT_SHARE = 4  # and never shorter than this part of the whole one


@dataclass(slots=True)
class Job:
    """One request on its way through the worker.

    Args:
        feeds: Input tensors by name.
        rows: Size of the first dimension.
        key: Jobs with equal keys can be joined along the first dimension; None: never.
        timeout_s: Seconds after which the answer is of no use; 0: none.
        gone: Says whether the client has gone; asked from the worker's thread.
        read_s: Seconds that reading it took.
    """

    feeds: Feeds
    rows: int
    key: Hashable | None
    queued_at: float = field(default_factory=perf_counter)
    timeout_s: float = 0.0
    gone: Callable[[], bool] | None = None
    read_s: float = 0.0
    future: asyncio.Future[Outputs] | None = None


@dataclass(slots=True)
class _Done:
    """One execution: the jobs in it, what each gets, when it ran, and how long it kept its thread busy."""

    jobs: list[Job]
    results: list[Outputs | ServerError]
    began: float
    seconds: float
    busy: float


class Worker:
    """The threads and the queue of one model.

    Args:
        run: Executes the model; raises ServerError when it cannot.
        stats: Where queue wait, run time and batch sizes are counted.
        batch_limit: Most rows in one execution.
        queue_size: Most requests in hand, above one per instance. Those that were joined into one execution count one
            by one: each makes the others wait.
        instances: Threads, each with an execution of its own.
        inline_below_seconds: Run in the event loop below this average run time; 0 never does.
        expected_seconds: First guess of the run time, from the warm-up.
        gather: Start when the event loop has read all that has arrived, not at the first request of it. On one CPU
            reading and running take turns anyway; so they do it in larger pieces, and more requests are joined.
        clock: Seconds that a thread was busy: its CPU time, where the CPU does the work. A thread that waits for the
            interpreter's lock or for a core must not make a quick model look slow for ever.
    """

    def __init__(
        self,
        run: Callable[[Feeds], Outputs],
        *,
        stats: ModelStats,
        batch_limit: int,
        queue_size: int,
        instances: int,
        inline_below_seconds: float,
        expected_seconds: float,
        gather: bool,
        clock: Callable[[], float],
    ) -> None:
        self._run = run
        self._stats = stats
        self._batch_limit = batch_limit
        self._queue_size = queue_size
        self._inline_below = inline_below_seconds
        self._average = max(expected_seconds, 1e-6)
        self._quick = self._average
        self._gather = gather
        self._gathering = False
        self._clock = clock
        self._queue: deque[Job] = deque()
        self._wake = threading.Condition()
        self._running = 0  # requests in executions
        self._short_until = 0.0
        self._busy = instances  # until each thread waits for the first time
        self._stopped = False
        self._instances = instances
        self._threads = [threading.Thread(target=self._work, name="batcher", daemon=True) for _ in range(instances)]
        for thread in self._threads:
            thread.start()

    @property
    def pending(self) -> int:
        """How many requests wait."""
        return len(self._queue)

    @property
    def alive(self) -> bool:
        """Whether all threads still take work."""
        return not self._stopped and all(thread.is_alive() for thread in self._threads)

    @property
    def full(self) -> bool:
        """Whether the next request would be refused."""
        return len(self._queue) + self._running >= self.limit + self._instances

    @property
    def limit(self) -> int:
        """How many requests may be in hand beside one per instance.

        `queue_size` of them may come at once. A queue that has been full is another matter: what is too much stays too
        much until the load falls, and then a long queue refuses as many as a short one and answers the others later.
        So for a second after every refusal it is only as long as can be worked off soon.
        """
        size = self._queue_size
        if perf_counter() >= self._short_until:
            return size
        return min(size, max(1, size // _SHORT_SHARE, int(_SHORT_WAIT_S / self._average)))

    def refusal(self) -> Overloaded:
        """Return the error for one request too many, and keep the queue short from now on."""
        self._short_until = perf_counter() + _STANDING_S
        wait = math.ceil((len(self._queue) + self._running) * self._average)
        return Overloaded(f"queue full: {len(self._queue)} requests wait", retry_after_s=max(1, wait))

    async def submit(self, job: Job) -> Outputs:
        """Queue the job, and return its outputs when it has run.

        Raises:
            Overloaded: The queue is full.
            NotReady: The worker was stopped.
            DeadlineExceeded: The answer did not come in time.
            ClientGone: Nobody waits for it any more.
            ExecutionFailed: The model could not run on this input.
        """
        return await self.queue(job)

    def queue(self, job: Job) -> asyncio.Future[Outputs]:
        """Queue the job, and return what its outputs or one of the errors of `submit` will be in.

        Raises:
            Overloaded: The queue is full.
            NotReady: The worker was stopped.
        """
        if self.full:
            raise self.refusal()
        loop = asyncio.get_running_loop()
        future = job.future = loop.create_future()
        with self._wake:
            if self._stopped:
                raise NotReady("the model is being unloaded")
            self._queue.append(job)
            if not self._gather:
                self._wake.notify()
        if self._gather and not self._gathering:
            self._gathering = True
            loop.call_soon(self._gathered)
        if job.timeout_s:
            timer = loop.call_later(job.timeout_s, _expire, future)
            future.add_done_callback(lambda _: timer.cancel())
        return future

    def _gathered(self) -> None:
        """In the event loop's next turn: start."""
        self._gathering = False
        with self._wake:
            self._wake.notify(len(self._queue))

    def stop(self) -> None:
        """End the threads once the queue is empty, and wait for that; not from the event loop."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()

    def may_run_inline(self, rows: int) -> bool:
        """Whether running in the event loop beats the hand-off to a thread.

        Args:
            rows: Of the job.
        """
        return not self._queue and not self._busy and self._quick < self._inline_below and rows <= self._batch_limit

    def run_inline(self, feeds: Feeds, rows: int, began: float) -> Outputs:
        """Run here and now; only where `may_run_inline` allows it.

        Args:
            feeds: Input tensors by name.
            rows: Size of the first dimension.
            began: Now, on the performance counter.

        Raises:
            ServerError: It could not be run.
        """
        try:
            return self._run(feeds)
        except ServerError:
            raise
        except Exception as error:
            raise _failure(error) from error
        finally:
            seconds = perf_counter() - began
            self._average_in(seconds, seconds)
            self._stats.ran_at_once(rows, seconds)

    def _average_in(self, seconds: float, busy: float) -> None:
        """Move the averages; one run that the kernel interrupted must not look like a slow model.

        Args:
            seconds: By which each request in it makes the others wait.
            busy: That the execution kept its thread busy.
        """
        self._average = max(1e-6, self._average + (min(seconds, self._average * _OUTLIER) - self._average) * _SMOOTHING)
        self._quick = max(1e-6, self._quick + (min(busy, self._quick * _OUTLIER) - self._quick) * _SMOOTHING)

    def _work(self) -> None:
        while jobs := self._take():
            done = self._execute(jobs)
            with self._wake:  # other instances count as well
                self._running -= len(jobs)
            self._in_loop(jobs[0], self._deliver, done)

    def _take(self) -> list[Job]:
        """Wait for work, then take all that fits into one execution; empty means stop."""
        with self._wake:
            self._busy -= 1
            try:
                while True:
                    while self._queue and not self._wanted(self._queue[0]):
                        self._queue.popleft()
                    if self._queue:
                        jobs = self._batch()
                        self._running += len(jobs)
                        return jobs
                    if self._stopped:
                        return []
                    self._wake.wait()
            finally:
                self._busy += 1

    def _batch(self) -> list[Job]:
        jobs = [self._queue.popleft()]
        rows = jobs[0].rows
        while self._queue and jobs[0].key is not None and self._queue[0].key == jobs[0].key:
            if not self._wanted(self._queue[0]):
                self._queue.popleft()
                continue
            rows += self._queue[0].rows
            if rows > self._batch_limit:
                break
            jobs.append(self._queue.popleft())
        return jobs

    def _wanted(self, job: Job) -> bool:
        """Whether anybody still waits for a job; a client that has gone is told to its coroutine."""
        if job.future is not None and job.future.done():
            return False
        if job.gone is not None and job.gone():
            self._in_loop(job, _abandon, job)
            return False
        return True

    @staticmethod
    def _in_loop(job: Job, call: Callable[[Any], None], argument: Any) -> None:
        if job.future is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, so nobody waits any more
                job.future.get_loop().call_soon_threadsafe(call, argument)

    def _execute(self, jobs: list[Job]) -> _Done:
        began, busy = perf_counter(), self._clock()
        results = self._run_batch(jobs) if len(jobs) > 1 else [self._run_one(jobs[0].feeds)]
        return _Done(jobs, results, began, perf_counter() - began, self._clock() - busy)

    def _run_one(self, feeds: Feeds) -> Outputs | ServerError:
        try:
            return self._run(feeds)
        except ServerError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the thread must outlive whatever a model does
            return _failure(error)

    def _run_batch(self, jobs: list[Job]) -> list[Outputs | ServerError]:
        feeds = {name: np.concatenate([job.feeds[name] for job in jobs]) for name in jobs[0].feeds}
        rows = sum(job.rows for job in jobs)
        outputs = self._run_one(feeds)
        if isinstance(outputs, ServerError) or any(len(tensor) != rows for tensor in outputs):
            return [self._run_one(job.feeds) for job in jobs]  # one bad request must not fail its neighbours
        results: list[Outputs | ServerError] = []
        start = 0
        for job in jobs:
            results.append([tensor[start : start + job.rows] for tensor in outputs])
            start += job.rows
        return results

    def _deliver(self, done: _Done) -> None:
        """In the event loop: count, and wake the requests."""
        self._count(done)
        for job, result in zip(done.jobs, done.results, strict=True):
            if job.future is None or job.future.done():
                continue
            if isinstance(result, ServerError):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)

    def _count(self, done: _Done) -> None:
        each = (done.seconds / self._instances + sum(job.read_s for job in done.jobs)) / len(done.jobs)
        self._average_in(each, done.busy)
        self._stats.executed(sum(job.rows for job in done.jobs), done.seconds)
        for job in done.jobs:
            self._stats.queue.observe(max(0.0, done.began - job.queued_at))
            self._stats.compute.observe(done.seconds)


def _failure(error: Exception) -> ExecutionFailed:
    return ExecutionFailed(f"{type(error).__name__} while running the model")


def _expire(future: asyncio.Future[Outputs]) -> None:
    if not future.done():
        future.set_exception(DeadlineExceeded("the deadline is over"))


def _abandon(job: Job) -> None:
    if job.future is not None and not job.future.done():
        job.future.set_exception(ClientGone("the client has gone"))
