"""What the server does at its limits: a quota of one CPU, and twice the load that it can carry.

`__main__` calls `overload` and `quota` with a running server. Both find out first what the server can do here. Only the
server is in the group with the quota; the load generator has its own core and tells how late it was itself.
"""

from __future__ import annotations

import os
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_server.bench import load, steady

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_server.bench.contenders import Contender

_V1 = Path("/sys/fs/cgroup/cpu")
_V2 = Path("/sys/fs/cgroup")
_PERIOD_US = 100_000
_CALIBRATION_S = 2.0
_SHARE = 0.8


def overload(server: Contender, request: bytes, *, seconds: float, connections: int) -> dict[str, Any]:
    """Offer twice of what the server can carry.

    Args:
        server: Running, pinned to its core.
        request: A whole HTTP request.
        seconds: How long.
        connections: Of the full load before it, which is a closed loop: each asks again when it is answered.
    """
    full = load.drive(server.port, request, connections=connections, seconds=_CALIBRATION_S)
    capacity = full.requests / full.seconds
    seen = steady.offer(server.port, request, rate=2 * capacity, seconds=seconds)
    p99 = steady.percentile(seen.accepted, 0.99)
    return {
        "capacity_rps": capacity,
        "full_p99_ms": full.p99 * 1e3,
        "accepted": len(seen.accepted),
        "accepted_rps": len(seen.accepted) / seconds,
        "accepted_p50_ms": steady.percentile(seen.accepted, 0.5) * 1e3,
        "accepted_p99_ms": p99 * 1e3,
        "accepted_p99_to_full": p99 / full.p99,
        "refused": len(seen.refused),
        "refused_p50_ms": steady.percentile(seen.refused, 0.5) * 1e3,
        "refused_p99_ms": steady.percentile(seen.refused, 0.99) * 1e3,
        "refused_with_retry_after": seen.advised,
        "lost": seen.lost,
        "client_late_p99_ms": steady.percentile(seen.late, 0.99) * 1e3,
    }


def quota(server: Contender, request: bytes, *, seconds: float, connections: int) -> dict[str, Any]:
    """Load the server to four fifths of a quota of one CPU.

    A closed loop cannot tell what that is: it joins requests to large executions, which spares overhead that single
    requests have, so four fifths of its rate can be all that a CPU does. Here it only gives a rate that is about half;
    what a request costs at that rate says how many make four fifths of a CPU.

    Args:
        server: Started inside `one_cpu`.
        request: A whole HTTP request.
        seconds: How long.
        connections: Of the calibration.
    """
    full = load.drive(server.port, request, connections=connections, seconds=_CALIBRATION_S)
    closed = full.requests / full.seconds
    marks: list[tuple[float, int, int]] = []

    def mark() -> None:
        marks.append((server.cpu(), *_throttled(server.pid)))

    half = steady.offer(server.port, request, rate=closed / 2, seconds=_CALIBRATION_S, begun=mark)
    cpu = (server.cpu() - marks[0][0]) / half.sent
    rate = _SHARE / cpu
    marks.clear()
    seen = steady.offer(server.port, request, rate=rate, seconds=seconds, begun=mark)
    mark()
    used, periods, throttled = (now - then for then, now in zip(*marks, strict=True))
    p50, p99 = (steady.percentile(seen.accepted, share) for share in (0.5, 0.99))
    return {
        "closed_loop_rps": closed,
        "cpu_us": cpu * 1e6,
        "rps": rate,
        "cpus_used": used / seconds,
        "session_threads": _session_threads(server.port),
        "p50_ms": p50 * 1e3,
        "p99_ms": p99 * 1e3,
        "p99_to_p50": p99 / p50 if p50 else 0.0,
        "periods": periods,
        "throttled_share": throttled / periods if periods else 0.0,
        "refused": len(seen.refused),
        "lost": seen.lost,
        "client_late_p99_ms": steady.percentile(seen.late, 0.99) * 1e3,
    }


def _session_threads(port: int) -> int:
    """Return how many threads ONNX Runtime has, as the server tells it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    return int(float(next(line for line in lines if line.startswith("inference_session_threads ")).split()[1]))


def why_no_quota() -> str:
    """Return why this machine cannot give a process a quota, or nothing."""
    if os.geteuid() != 0:
        return "a quota needs root"
    if not (_V1 / "cpu.cfs_quota_us").exists() and "cpu" not in _subtree():
        return "no cgroup with a CPU controller"
    return ""


def _subtree() -> list[str]:
    try:
        return (_V2 / "cgroup.subtree_control").read_text().split()
    except OSError:
        return []


@contextmanager
def one_cpu() -> Iterator[str]:
    """Make a cgroup with a quota of one CPU; yield the file that a process writes itself into."""
    old = (_V1 / "cpu.cfs_quota_us").exists()
    folder = (_V1 if old else _V2) / f"model-server-bench-{os.getpid()}"
    folder.mkdir()
    try:
        if old:
            (folder / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (folder / "cpu.cfs_quota_us").write_text(str(_PERIOD_US))
        else:
            (folder / "cpu.max").write_text(f"{_PERIOD_US} {_PERIOD_US}")
        yield str(folder / "cgroup.procs")
    finally:
        folder.rmdir()


def _throttled(pid: int) -> tuple[int, int]:
    """Return periods and throttled periods of a process's cgroup."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(",") or not controllers:
            stat = (_V1 if controllers else _V2) / path.lstrip("/") / "cpu.stat"
            if stat.exists():
                values = dict(pair.split() for pair in stat.read_text().splitlines())
                return int(values["nr_periods"]), int(values["nr_throttled"])
    return 0, 0
