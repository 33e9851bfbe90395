"""What the server does at its limits: a quota of one CPU, and twice the load that it can carry.

`__main__` calls `overload` and `quota` with a running server. Both find out first what the server can do here.
"""

from __future__ import annotations

import os
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
        connections: Of the full load before it.
    """
    full = load.drive(server.port, request, connections=connections, seconds=_CALIBRATION_S)
    capacity = full.requests / full.seconds
    seen = steady.offer(server.port, request, rate=2 * capacity, seconds=seconds)
    p99 = steady.percentile(seen.accepted, 0.99)
    return {
        "capacity_rps": capacity,
        "full_p99_ms": full.p99 * 1e3,
        "accepted": len(seen.accepted),
        "accepted_p99_ms": p99 * 1e3,
        "accepted_p99_to_full": p99 / full.p99,
        "refused": len(seen.refused),
        "refused_p99_ms": steady.percentile(seen.refused, 0.99) * 1e3,
        "refused_with_retry_after": seen.advised,
        "lost": seen.lost,
    }


def quota(server: Contender, request: bytes, *, seconds: float, connections: int) -> dict[str, Any]:
    """Load the server to four fifths of what it carries on a quota of one CPU.

    Args:
        server: Started inside `one_cpu`.
        request: A whole HTTP request.
        seconds: How long.
        connections: Of the calibration.
    """
    full = load.drive(server.port, request, connections=connections, seconds=_CALIBRATION_S)
    capacity = full.requests / full.seconds
    before = _throttled(server.pid)
    seen = steady.offer(server.port, request, rate=_SHARE * capacity, seconds=seconds)
    periods, throttled = (now - then for now, then in zip(_throttled(server.pid), before, strict=True))
    p50, p99 = (steady.percentile(seen.accepted, share) for share in (0.5, 0.99))
    return {
        "capacity_rps": capacity,
        "p50_ms": p50 * 1e3,
        "p99_ms": p99 * 1e3,
        "p99_to_p50": p99 / p50 if p50 else 0.0,
        "periods": periods,
        "throttled_share": throttled / periods if periods else 0.0,
        "refused": len(seen.refused),
        "lost": seen.lost,
    }


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
