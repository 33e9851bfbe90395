"""Greedy batching: one thread per model that takes everything queued, at once, without ever waiting for more.

`infer` awaits `Worker.submit`; the thread runs the model and hands results back to the event loop, one call per
batch. When nothing is queued and runs are quick, the model runs in the event loop itself, which saves the hand-off.
The queue is bounded: one request too many is refused at once. Knows nothing of ONNX or HTTP.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from model_server.errors import ExecutionFailed, NotReady, Overloaded, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

    from model_server.stats import ModelStats

Feeds = dict[str, "NDArray[Any]"]
Outputs = list["NDArray[Any]"]

_SMOOTHING = 0.1  # of the moving average of run times: the last ten or so count


@dataclass(slots=True)
class Job:
    """One request on its way through the worker.

    Args:
        feeds: Input tensors by name.
        rows: Size of the first dimension.
        key: Jobs with equal keys can be joined along the first dimension; None: never.
    """

    feeds: Feeds
    rows: int
    key: Hashable | None
    queued_at: float = field(default_factory=perf_counter)
    future: asyncio.Future[Outputs] | None = None


@dataclass(slots=True)
class _Done:
    """One execution: the jobs in it, what each gets, and when it ran."""

    jobs: list[Job]
    results: list[Outputs | ServerError]
    began: float
    seconds: float


class Worker:
    """The thread and queue of one model.

    Args:
        run: Executes the model; raises ServerError when it cannot.
        stats: Where queue wait, run time and batch sizes are counted.
        batch_limit: Most rows in one execution.
        queue_size: Most requests waiting.
        inline_below_seconds: Run in the event loop below this average run time; 0 never does.
        expected_seconds: First guess of the run time, from the warm-up.
    """

    def __init__(
        self,
        run: Callable[[Feeds], Outputs],
        *,
        stats: ModelStats,
        batch_limit: int,
        queue_size: int,
        inline_below_seconds: float,
        expected_seconds: float,
    ) -> None:
        self._run = run
        self._stats = stats
        self._batch_limit = batch_limit
        self._queue_size = queue_size
        self._inline_below = inline_below_seconds
        self._average = expected_seconds
        self._queue: deque[Job] = deque()
        self._wake = threading.Condition()
        self._busy = False
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """How many requests wait."""
        return len(self._queue)

    @property
    def alive(self) -> bool:
        """Whether the thread still takes work."""
        return self._thread.is_alive() and not self._stopped

    async def submit(self, job: Job) -> Outputs:
        """Run the job and return its outputs.

        Raises:
            Overloaded: The queue is full.
            NotReady: The worker was stopped.
            ExecutionFailed: The model could not run on this input.
        """
        if self._may_run_inline(job):
            done = self._execute([job])
            self._count(done)
            result = done.results[0]
            if isinstance(result, ServerError):
                raise result
            return result
        # While the thread is idle, the first in the queue is as good as running.
        if len(self._queue) >= self._queue_size + (not self._busy):
            wait = math.ceil(len(self._queue) * self._average)
            raise Overloaded(f"queue full: {self._queue_size} requests wait", retry_after_s=max(1, wait))
        job.future = asyncio.get_running_loop().create_future()
        with self._wake:
            if self._stopped:
                raise NotReady("the model is being unloaded")
            self._queue.append(job)
            self._wake.notify()
        return await job.future

    def stop(self) -> None:
        """End the thread once the queue is empty."""
        with self._wake:
            self._stopped = True
            self._wake.notify()

    def _may_run_inline(self, job: Job) -> bool:
        return (
            not self._queue and not self._busy and self._average < self._inline_below and job.rows <= self._batch_limit
        )

    def _work(self) -> None:
        while jobs := self._take():
            done = self._execute(jobs)
            waiting = [job.future for job in jobs if job.future is not None]
            if waiting:
                try:
                    waiting[0].get_loop().call_soon_threadsafe(self._deliver, done)
                except RuntimeError:  # the loop has ended, so nobody waits any more
                    return

    def _take(self) -> list[Job]:
        """Wait for work, then take all that fits into one execution; empty means stop."""
        with self._wake:
            self._busy = False
            while not self._queue:
                if self._stopped:
                    return []
                self._wake.wait()
            self._busy = True
            jobs = [self._queue.popleft()]
            rows = jobs[0].rows
            while self._queue and jobs[0].key is not None and self._queue[0].key == jobs[0].key:
                rows += self._queue[0].rows
                if rows > self._batch_limit:
                    break
                jobs.append(self._queue.popleft())
            return jobs

    def _execute(self, jobs: list[Job]) -> _Done:
        began = perf_counter()
        results = self._run_batch(jobs) if len(jobs) > 1 else [self._run_one(jobs[0])]
        return _Done(jobs, results, began, perf_counter() - began)

    def _run_one(self, job: Job) -> Outputs | ServerError:
        try:
            return self._run(job.feeds)
        except ServerError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the thread must outlive whatever a model does
            return ExecutionFailed(f"{type(error).__name__} while running the model")

    def _run_batch(self, jobs: list[Job]) -> list[Outputs | ServerError]:
        feeds = {name: np.concatenate([job.feeds[name] for job in jobs]) for name in jobs[0].feeds}
        joined = Job(feeds, sum(job.rows for job in jobs), None)
        outputs = self._run_one(joined)
        if isinstance(outputs, ServerError) or any(len(tensor) != joined.rows for tensor in outputs):
            return [self._run_one(job) for job in jobs]  # one bad request must not fail its neighbours
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
        self._average += (done.seconds - self._average) * _SMOOTHING
        self._stats.executed(sum(job.rows for job in done.jobs), done.seconds)
        for job in done.jobs:
            self._stats.queue.observe(max(0.0, done.began - job.queued_at))
            self._stats.compute.observe(done.seconds)
