"""Fault switches for the labs: a slow load, failing or slow executions, a memory leak.

They exist only in a process that was started with `--enable-faults` (or `ENABLE_FAULTS=1`); in any other process a
`FAULT_*` variable stops the start, so that neither a lab nor a real service can run half broken by accident.
`repository` asks `before_load`, `runtime` `before_run`, `infer` `maybe_fail`; `__main__` starts the leak. Not for
faults that a manifest can make.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from model_server.errors import ExecutionFailed, StartupError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "FAULT_"
_MEBIBYTE = 1 << 20
_LEAK_STEP_S = 0.1


@dataclass(frozen=True, slots=True)
class Faults:
    """What is to go wrong; all zero means nothing is.

    Attributes:
        load_delay_seconds: Before the first model is loaded.
        error_rate: Share of requests, 0 to 1, that fail with 500.
        latency_seconds: Added to every execution; it holds the worker, as a slow model would.
        leak_mb_per_second: Memory kept for ever, in MiB per second.
    """

    load_delay_seconds: float = 0.0
    error_rate: float = 0.0
    latency_seconds: float = 0.0
    leak_mb_per_second: float = 0.0

    def before_load(self) -> None:
        """Hold up the loading, in the loader's thread."""
        if self.load_delay_seconds:
            time.sleep(self.load_delay_seconds)

    def before_run(self) -> None:
        """Hold up an execution, in the thread that runs it."""
        if self.latency_seconds:
            time.sleep(self.latency_seconds)

    def maybe_fail(self) -> None:
        """Fail a request by the error rate.

        Raises:
            ExecutionFailed: This request drew the short straw.
        """
        if self.error_rate and random.random() < self.error_rate:  # noqa: S311 - no secret hangs on it
            raise ExecutionFailed("injected fault")

    def start_leak(self) -> None:
        """Begin to leak, in a daemon thread, until the kernel ends the process."""
        if self.leak_mb_per_second > 0:
            threading.Thread(target=self._leak, name="fault-leak", daemon=True).start()

    def _leak(self) -> None:
        kept: list[bytearray] = []
        step = max(1, int(self.leak_mb_per_second * _MEBIBYTE * _LEAK_STEP_S))
        while True:
            kept.append(bytearray(b"\x01" * step))  # written, so that the pages are really there
            time.sleep(_LEAK_STEP_S)


def from_environment(environ: Mapping[str, str], *, enabled: bool) -> Faults:
    """Read the `FAULT_*` variables.

    Args:
        environ: The process's environment.
        enabled: Whether this process was started with faults enabled.

    Raises:
        StartupError: A switch is set in a process without faults, is unknown, or is no number in its range.
    """
    given = {name: value for name, value in environ.items() if name.startswith(_PREFIX)}
    known = {_PREFIX + field.name.upper(): field.name for field in fields(Faults)}
    if not enabled:
        # Others are none of ours: a Service called `fault-…` gives every pod beside it variables with this prefix.
        given = {name: value for name, value in given.items() if name in known}
    if given and not enabled:
        raise StartupError(
            "fault switches are set but not enabled",
            exit_code=2,
            switches=sorted(given),
            hint="start with --enable-faults or unset them",
        )
    values: dict[str, float] = {}
    for name, text in given.items():
        if name not in known:
            raise StartupError("unknown fault switch", exit_code=2, switch=name, known=sorted(known))
        values[known[name]] = _number(name, text)
    return Faults(**values)


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    highest = 1.0 if name == "FAULT_ERROR_RATE" else 1e6
    if not 0 <= value <= highest:
        raise StartupError("fault switch out of range", exit_code=2, switch=name, range=f"0 to {highest:g}")
    return value
