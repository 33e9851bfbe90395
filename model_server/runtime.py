"""One version of one model in memory: its ONNX Runtime session, its signature, its worker.

`repository` makes and loads them, `infer` runs them, `app` describes them. Loading happens in a thread of the
repository; nothing here knows HTTP.
"""

from __future__ import annotations

import logging
import statistics
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from model_server import datatypes, logs
from model_server.errors import BadRequest, ExecutionFailed, NotReady
from model_server.stats import ModelStats
from model_server.worker import Feeds, Outputs, Worker

if TYPE_CHECKING:
    from pathlib import Path

    from model_server.config import Settings
    from model_server.faults import Faults

PROVIDER = "CPUExecutionProvider"
PLATFORM = "onnxruntime_onnx"
_WARM_UP_RUNS = 4


class LoadError(Exception):
    """The file is there, but no requests could be answered with it."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output.

    Attributes:
        name: In the model.
        datatype: Row of the datatype table.
        shape: Size by dimension, -1 where it may vary.
        first: Name of the first dimension when it may vary and has one.
    """

    name: str
    datatype: datatypes.Datatype
    shape: tuple[int, ...]
    first: str | None

    def zeros(self, rows: int) -> Any:
        """Return a tensor for the warm-up: `rows` in the first dimension if it may vary, 1 in others that may."""
        shape = [size if size >= 0 else 1 for size in self.shape]
        if self.shape and self.shape[0] < 0:
            shape[0] = rows
        if self.datatype.name == "BYTES":
            return np.full(shape, "", dtype=object)
        return np.zeros(shape, dtype=self.datatype.dtype)


def _tensor(described: Any) -> Tensor:
    datatype = datatypes.from_onnxruntime(described.type)
    if datatype is None:
        raise LoadError(f"{described.name}: {described.type} cannot be served")
    shape = tuple(size if isinstance(size, int) else -1 for size in described.shape)
    first = described.shape[0] if described.shape and isinstance(described.shape[0], str) else None
    return Tensor(described.name, datatype, shape, first)


def _same_first_dimension(tensors: list[Tensor]) -> bool:
    """Whether all tensors agree on a first dimension that may vary: only then can requests be joined."""
    return all(tensor.shape and tensor.shape[0] < 0 and tensor.first == tensors[0].first for tensor in tensors)


class Model:
    """One version of one model, from the moment it was found on disk.

    Args:
        name: The folder's name.
        version: Number of the version's folder.
        file: The ONNX file.
        settings: Threads, batch and queue limits.
        faults: Switches that slow it down or fail it.

    Attributes:
        problem: Why it is not ready; None when it is.
    """

    def __init__(self, name: str, version: int, file: Path, settings: Settings, faults: Faults) -> None:
        self.name = name
        self.version = version
        self.file = file
        self.stats = ModelStats()
        self.problem: str | None = "loading"
        self.inputs: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}
        self.batchable = False
        self.provider = PROVIDER
        self._settings = settings
        self._faults = faults
        self._session: Any = None
        self._worker: Worker | None = None

    @property
    def label(self) -> str:
        """Name and version, for people."""
        return f"{self.name}/{self.version}"

    @property
    def max_batch_size(self) -> int:
        """As `/config` says it: 0 for a model whose requests are never joined."""
        return self._settings.batch_limit if self.batchable else 0

    @property
    def pending(self) -> int:
        """Requests in the queue."""
        return self._worker.pending if self._worker else 0

    @property
    def worker(self) -> Worker:
        """The way to run it.

        Raises:
            NotReady: It is not loaded.
        """
        if self._worker is None or self.problem is not None:
            raise NotReady(f"model {self.label} is not ready: {self.problem}")
        return self._worker

    def load(self) -> None:
        """Load, warm up and start the worker; a failure is logged and becomes `problem`, it is never raised."""
        began = perf_counter()
        try:
            self._open()
            seconds_per_run = self._warm_up()
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no base, and no file may end the server
            self.problem = f"failed to load: {' '.join(str(error).split())}"
            logs.event(
                logging.ERROR, "model failed to load", model=self.name, version=self.version, path=str(self.file),
                reason=self.problem.removeprefix("failed to load: "),
            )  # fmt: skip
            return
        self._worker = Worker(
            self._run_with_faults,
            stats=self.stats,
            batch_limit=self._settings.batch_limit,
            queue_size=self._settings.queue_size,
            inline_below_seconds=0 if self._faults.latency_seconds else self._settings.inline_below_seconds,
            expected_seconds=seconds_per_run + self._faults.latency_seconds,
        )
        self.stats.load_seconds = perf_counter() - began
        self.problem = None
        logs.event(
            logging.INFO, "model loaded", model=self.name, version=self.version, provider=self.provider,
            threads=self._settings.session_threads, batching=self.batchable, seconds=round(self.stats.load_seconds, 4),
        )  # fmt: skip

    def _open(self) -> None:
        import onnxruntime  # noqa: PLC0415 - a third of the cold start; liveness answers before it is through

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._settings.session_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # its lines are not JSON; errors come as exceptions as well
        if self._settings.cpu_quota is not None:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(self.file), options, providers=[PROVIDER])
        self.provider = self._session.get_providers()[0]
        self.inputs = {tensor.name: _tensor(tensor) for tensor in self._session.get_inputs()}
        self.outputs = {tensor.name: _tensor(tensor) for tensor in self._session.get_outputs()}
        everything = [*self.inputs.values(), *self.outputs.values()]
        self.batchable = self._settings.batch_limit > 1 and _same_first_dimension(everything)

    def _warm_up(self) -> float:
        """Prove that a request would succeed, and that two can be joined; return the seconds of a run."""
        if not self._settings.warm_up:
            return 1.0  # unknown: not inline until it has shown to be quick
        times = []
        for _ in range(_WARM_UP_RUNS):
            began = perf_counter()
            self._session.run(None, {name: tensor.zeros(1) for name, tensor in self.inputs.items()})
            times.append(perf_counter() - began)
        if self.batchable:
            self.batchable = self._joins()
        return statistics.median(times)

    def _joins(self) -> bool:
        try:
            outputs = self.run({name: tensor.zeros(2) for name, tensor in self.inputs.items()})
        except (BadRequest, ExecutionFailed):
            return False
        return all(len(output) == 2 for output in outputs)  # noqa: PLR2004 - the two rows put in

    def run(self, feeds: Feeds) -> Outputs:
        """Execute the model, all outputs.

        Raises:
            BadRequest: ONNX Runtime says that the input does not fit.
            ExecutionFailed: It could not run for another reason.
        """
        try:
            outputs: Outputs = self._session.run(None, feeds)
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            if type(error).__name__ == "InvalidArgument":  # a class of the compiled module, without a stable import
                raise BadRequest(f"the model refuses this input: {reason}") from error
            raise ExecutionFailed(f"the model could not be run: {reason}") from error
        return outputs

    def _run_with_faults(self, feeds: Feeds) -> Outputs:
        self._faults.before_run()
        return self.run(feeds)
