"""What every infer request goes through, whatever protocol brought it: finding its model, running it, telling of it.

`infer` (HTTP) and `rpc` (gRPC) share one `Predictions`, so that queue, deadlines, faults, counters, access log and
traces are the same for both. Knows no headers, no messages and no bytes.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_server import logs, traces
from model_server.errors import ExecutionFailed, NotFound, ServerError
from model_server.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_server.codec import Request
    from model_server.runtime import Model
    from model_server.state import State
    from model_server.worker import Outputs


class Predictions:
    """The part of an infer request that no protocol changes.

    Args:
        state: Models, settings, faults and the tracer.

    Attributes:
        tracer: None when nothing is traced.
        access: Says which requests are logged.
        silent: Whether `told` has never anything to do, so that need not be called.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.tracer = state.tracer
        self.access = logs.AccessLog(state.settings.access_log)
        self.silent = self.tracer is None and state.settings.access_log <= 0
        self._failures = logs.Throttle()
        self._unforeseen = logs.Throttle()

    def find(self, name: str, version: str | None) -> Model:
        """Return the model that a request names, and count it if that is not here.

        Args:
            name: Of the model.
            version: None for the highest that is ready.

        Raises:
            NotFound: There is no such model or version.
        """
        try:
            return self._state.repository.find(name, version)
        except NotFound:
            self._state.unknown_requests += 1
            raise

    async def run(
        self,
        model: Model,
        request: Request,
        began: float,
        *,
        read_s: float = 0.0,
        patience_s: float = 0.0,
        gone: Callable[[], bool] | None = None,
    ) -> Outputs:
        """Run a request: here and now where that is quicker, else in the model's queue.

        Args:
            model: Of the request.
            request: Decoded.
            began: When its waiting begins, on the performance counter.
            read_s: Seconds that reading it took.
            patience_s: Seconds that the protocol gives it; 0: no limit. The least of this, the request's own and the
                model's counts.
            gone: Says whether the client has gone; asked from the worker's thread.

        Raises:
            ServerError: It was refused, came too late or could not be run.
        """
        worker = model.worker
        self._state.faults.maybe_fail()
        if worker.may_run_inline(request.rows):
            return worker.run_inline(request.feeds, request.rows, began)
        return await worker.submit(self.job(model, request, began, read_s=read_s, patience_s=patience_s, gone=gone))

    @staticmethod
    def job(
        model: Model,
        request: Request,
        began: float,
        *,
        read_s: float = 0.0,
        patience_s: float = 0.0,
        gone: Callable[[], bool] | None = None,
    ) -> Job:
        """Return the worker's part of a request; the arguments are those of `run`."""
        limits = [limit for limit in (request.timeout_s, model.config.deadline_seconds, patience_s) if limit]
        timeout_s = min(limits, default=0.0)
        return Job(request.feeds, request.rows, request.key, began, timeout_s, gone, read_s)

    @staticmethod
    def succeeded(model: Model, decode_seconds: float, encode_seconds: float) -> None:
        """Count a success."""
        stats = model.stats
        decode, encode = stats.decode, stats.encode
        decode.count += 1
        decode.seconds += decode_seconds
        encode.count += 1
        encode.seconds += encode_seconds
        stats.outcomes["success"] += 1
        stats.last_inference = time.time()

    def failed(self, model: Model | None, error: Exception, seconds: float) -> ServerError:
        """Count a failure, log it if it is ours, and return what to tell the client.

        Args:
            model: None when the request found none.
            error: Of which only a ServerError's words are for the client.
            seconds: From the request's begin to its failure.
        """
        told = error if isinstance(error, ServerError) else self._internal(error)
        if model is not None:
            model.stats.outcomes[told.outcome] += 1
            model.stats.failures.add(seconds)
            if told.status >= 500:  # noqa: PLR2004 - ours, not the client's
                self._failures.event(
                    logging.WARNING, "request failed", model=model.name, version=model.version, status=told.status,
                    outcome=told.outcome, error=told.message,
                )  # fmt: skip
        return told

    def _internal(self, error: Exception) -> ServerError:
        """Log where an error came from that nobody foresaw; its words may quote the request, so they stay out."""
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = "" if place is None else f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}"
        self._unforeseen.event(logging.ERROR, "unforeseen error", error=type(error).__name__, where=where)
        return ExecutionFailed("internal error")

    def told(
        self, status: int, model: Model | None, traceparent: str, seconds: float, size: int, **more: str | int
    ) -> None:
        """Log and trace a request that has ended, if it is among those.

        Args:
            status: Of the answer, as HTTP has it.
            model: None when the request found none.
            traceparent: W3C trace context, as the client sent it.
            seconds: From its begin to its end.
            size: Bytes of the answer.
            more: Fields for log and trace that only this protocol has.
        """
        logged = self.access.wants()
        if not logged and self.tracer is None:
            return
        parent = traces.parse(traceparent)
        about: dict[str, Any] = {} if model is None else {"model": model.name, "version": model.version}
        about |= more
        trace_id = parent.trace_id if parent else ""
        if self.tracer is not None and self.tracer.wants(parent):
            named = {f"inference.{key}": value for key, value in about.items()}
            trace_id = self.tracer.record(parent, seconds, status, named).trace_id
        if not logged:
            return
        if trace_id:
            about["trace_id"] = trace_id
        self.access.write(status=status, duration_ms=round(seconds * 1000, 3), response_bytes=size, **about)
