"""Counters of one model: what `/metrics` and `/v2/models/M/stats` are made of.

Only the event loop's thread writes and reads them, so there is no lock; that and plain integers keep the price of
observability at about a microsecond per request. `infer` and `worker` write, `metrics` and `app` read.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
OUTCOMES = ("success", "invalid", "rejected", "cancelled", "failed")


class Histogram:
    """Counts by upper bound.

    Args:
        bounds: Upper bounds, rising; everything above the last is counted too.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, in the unit of the bounds, once or more often."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    @property
    def count(self) -> int:
        """How many values were observed."""
        return sum(self.counts)


@dataclass(slots=True)
class Span:
    """Number and total seconds of something of which the distribution does not matter."""

    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.count += 1
        self.seconds += seconds


@dataclass(slots=True)
class ModelStats:
    """Everything counted for one version of one model; durations in seconds.

    Attributes:
        outcomes: Requests by how they ended.
        request: Whole requests, from the first byte of the body to the encoded answer.
        queue: Waiting for the worker, per request.
        compute: The execution that carried the request, per request.
        batches: Executions and their time by number of rows.
        decode: Reading requests.
        encode: Writing answers.
        load_seconds: From the file to the end of the warm-up.
        last_inference: Unix time of the last success; 0 for never.
    """

    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    request: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    queue: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    compute: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    batches: dict[int, Span] = field(default_factory=dict)
    decode: Span = field(default_factory=Span)
    encode: Span = field(default_factory=Span)
    failures: Span = field(default_factory=Span)
    load_seconds: float = 0.0
    last_inference: float = 0.0

    def ran_at_once(self, rows: int, seconds: float) -> None:
        """Count an execution for one request that did not wait for it; in one call, since small models live from it."""
        self.executed(rows, seconds)
        self.queue.counts[0] += 1
        compute = self.compute
        compute.counts[bisect_left(compute.bounds, seconds)] += 1
        compute.total += seconds

    def executed(self, rows: int, seconds: float) -> None:
        """Count one execution."""
        span = self.batches.get(rows)
        if span is None:
            span = self.batches[rows] = Span()
        span.count += 1
        span.seconds += seconds

    @property
    def batch_rows(self) -> Histogram:
        """Rows per execution."""
        histogram = Histogram(ROWS)
        for rows, span in list(self.batches.items()):
            histogram.observe(rows, span.count)
        return histogram
