"""One version of one model in memory: its ONNX Runtime session, its signature, its worker.

`repository` makes, loads and closes them, `infer` runs them, `app` describes them. Loading happens in a thread of the
repository; nothing here knows HTTP. `session` opens ONNX Runtime.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from model_server import cgroup, datatypes, guard, logs, providers
from model_server.errors import BadRequest, ExecutionFailed, NotReady
from model_server.stats import ModelStats
from model_server.worker import Feeds, Outputs, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_server.config import Settings
    from model_server.faults import Faults
    from model_server.model_config import Artifact, ModelConfig

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

    @property
    def least_bytes(self) -> int:
        """How large the smallest tensor of this shape is."""
        return math.prod(abs(size) for size in self.shape) * self.datatype.dtype.itemsize

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
    """One version of one model, from the moment it was found.

    Args:
        name: The folder's name.
        version: Number of the version.
        source: The ONNX file, or where to fetch it.
        config: This model's settings.
        settings: The server's.
        faults: Switches that slow it down or fail it.

    Attributes:
        stats: Counters; they go on when the same version is loaded again.
        in_flight: Requests that have begun and not ended.
        problem: Why it is not ready; None when it is.
        required: Whether the server is not ready without it: true for what was there at the start.
    """

    def __init__(
        self,
        name: str,
        version: int,
        source: Path | Artifact,
        *,
        config: ModelConfig,
        settings: Settings,
        faults: Faults,
    ) -> None:
        self.name = name
        self.version = version
        self.source = source
        self.config = config
        self.stats = ModelStats()
        self.in_flight = 0
        self.problem: str | None = "loading"
        self.required = False
        self.fingerprint: tuple[int, ...] = ()
        self.inputs: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}
        self.batchable = False
        self.active_providers: list[str] = []
        self._settings = settings
        self._faults = faults
        self._session: Any = None
        self._execute: Callable[[list[str], Feeds, None], Outputs] = _not_open
        self._names: list[str] = []
        self._worker: Worker | None = None
        self._halves = False

    @property
    def label(self) -> str:
        """Name and version, for people."""
        return f"{self.name}/{self.version}"

    @property
    def provider(self) -> str:
        """The execution provider that runs it; before it is loaded, the one that is wanted."""
        return self.active_providers[0] if self.active_providers else self.config.providers[0].full_name

    @property
    def max_batch_size(self) -> int:
        """As `/config` says it: 0 for a model whose requests are never joined."""
        return self.config.batch_limit if self.batchable else 0

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
            file = self._locate()
            guard.inspect(file, self._settings.max_model_bytes)
            self._open(file)
            seconds_per_run = self._warm_up()
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no base, and no file may end the server
            self.fail(" ".join(str(error).split()) or type(error).__name__)
            return
        self._worker = Worker(
            self._run_with_faults if self._faults.latency_seconds or self.config.pad_batches else self.run,
            stats=self.stats,
            batch_limit=self.config.batch_limit,
            queue_size=self.config.queue_size,
            instances=self.config.instances,
            inline_below_seconds=0 if self._faults.latency_seconds else self.config.inline_below_seconds,
            expected_seconds=seconds_per_run + self._faults.latency_seconds,
            gather=cgroup.usable_threads(self._settings.cpu_quota, cgroup.affinity()) == 1,
            clock=thread_time if self.provider == providers.CPU else perf_counter,
        )
        self.stats.load_seconds = perf_counter() - began
        self.problem = None
        logs.event(
            logging.INFO, "model loaded", model=self.name, version=self.version, provider=self.provider,
            threads=self.config.threads, batching=self.batchable, seconds=round(self.stats.load_seconds, 4),
        )  # fmt: skip
        if wrong := providers.refusal(self.config.providers, self.active_providers):
            logs.event(logging.WARNING, "execution provider not in use", model=self.name, reason=wrong)

    def fail(self, reason: str) -> None:
        """Record and log why it cannot be served.

        Args:
            reason: One line.
        """
        self.problem = f"failed to load: {reason}"
        self._session = None
        self._execute = _not_open
        path = str(self.source) if isinstance(self.source, Path) else "artifact"
        logs.event(
            logging.ERROR, "model failed to load", model=self.name, version=self.version, path=path, reason=reason
        )

    def close(self, reason: str) -> None:
        """Run what is queued, then give the memory back; blocks, so not from the event loop.

        Args:
            reason: What `problem` says from now on.
        """
        self.problem = reason
        if self._worker is not None:
            self._worker.stop()
        self._worker = self._session = None
        self._execute = _not_open

    def _locate(self) -> Path:
        """Return the real file, fetched if need be, and remember what it looked like."""
        if isinstance(self.source, Path):
            file = guard.inside(self.source, self._settings.model_path)
        else:
            from model_server import artifacts  # noqa: PLC0415 - HTTP and zip, only where artifacts are used

            cache = Path(self._settings.cache_path) if self._settings.cache_path else artifacts.default_cache()
            file = artifacts.fetch(self.source, cache, self._settings.max_model_bytes)
        return file

    def _open(self, file: Path) -> None:
        if self.config.provider_policy == "require" and (reason := providers.unavailable(self.config.providers)):
            raise LoadError(reason)
        import onnxruntime  # noqa: PLC0415 - a third of the cold start; liveness answers before it is through

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.config.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # its lines are not JSON; errors come as exceptions as well
        if self._settings.cpu_quota is not None:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        wanted = providers.known_here(self.config.providers)
        self._session = onnxruntime.InferenceSession(str(file), options, providers=wanted)
        self.active_providers = self._session.get_providers()
        self.inputs = {tensor.name: _tensor(tensor) for tensor in self._session.get_inputs()}
        self.outputs = {tensor.name: _tensor(tensor) for tensor in self._session.get_outputs()}
        self._names = list(self.outputs)
        self._execute = _executor(self._session)
        self._check_signature()
        everything = [*self.inputs.values(), *self.outputs.values()]
        self.batchable = self.config.batch_limit > 1 and _same_first_dimension(everything)

    def _check_signature(self) -> None:
        """Refuse what no request could ever carry."""
        limit = self._settings.max_body_bytes
        for tensor in self.inputs.values():
            if tensor.least_bytes > limit:
                raise LoadError(f"input {tensor.name} takes {tensor.least_bytes} bytes, over max_body_bytes ({limit})")
        names = {tensor.datatype.name for tensor in (*self.inputs.values(), *self.outputs.values())}
        self._halves = "BF16" in names
        if self._halves and any(tensor.datatype.name == "BYTES" for tensor in self.inputs.values()):
            raise LoadError("BF16 beside an input of texts cannot be served")

    def _warm_up(self) -> float:
        """Prove that a request would succeed, and that two can be joined; return the seconds of a run."""
        if not self.config.warm_up:
            return 1.0  # unknown: not inline until it has shown to be quick
        times = []
        for _ in range(_WARM_UP_RUNS):
            began = perf_counter()
            self.run({name: tensor.zeros(1) for name, tensor in self.inputs.items()})
            times.append(perf_counter() - began)
        if self.batchable:
            self.batchable = self._joins()
        return min(times)

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
            if self._halves:
                return self._run_halves(feeds)
            return self._execute(self._names, feeds, None)
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            if type(error).__name__ == "InvalidArgument":  # a class of the compiled module, without a stable import
                raise BadRequest(f"the model refuses this input: {reason}") from error
            raise ExecutionFailed(f"the model could not be run: {reason}") from error

    def _run_halves(self, feeds: Feeds) -> Outputs:
        """Run a model with BF16, which NumPy does not have: such tensors go in and out as memory."""
        import onnxruntime  # noqa: PLC0415 - long loaded

        make = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type
        values = {
            name: make(np.ascontiguousarray(array), datatypes.BF16_ONNX)
            if self.inputs[name].datatype.name == "BF16"
            else onnxruntime.OrtValue.ortvalue_from_numpy(array)
            for name, array in feeds.items()
        }
        return [
            datatypes.copy_halves(value.data_ptr(), value.shape()) if tensor.datatype.name == "BF16" else value.numpy()
            for tensor, value in zip(
                self.outputs.values(), self._session.run_with_ort_values(None, values), strict=True
            )
        ]

    def _run_with_faults(self, feeds: Feeds) -> Outputs:
        self._faults.before_run()
        if not (self.config.pad_batches and self.batchable):
            return self.run(feeds)
        rows = len(next(iter(feeds.values())))
        full = 1 << (rows - 1).bit_length()
        if full == rows:
            return self.run(feeds)
        padded = {
            name: np.concatenate([array, np.repeat(array[-1:], full - rows, axis=0)]) for name, array in feeds.items()
        }
        return [output[:rows] for output in self.run(padded)]


def _not_open(_names: list[str], _feeds: Feeds, _options: None) -> Outputs:
    raise NotReady("the model is not open")


def _executor(session: Any) -> Callable[[list[str], Feeds, None], Outputs]:
    """Return what runs a session: takes the outputs' names, the feeds, and no options.

    `InferenceSession.run` checks the feeds, which are checked already, and goes over to other execution providers by
    itself when one fails, which must not happen unseen; the session below it does neither and saves 4 µs a run.
    """
    return cast("Callable[[list[str], Feeds, None], Outputs]", getattr(session, "_sess", session).run)
