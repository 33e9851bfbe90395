"""How many CPUs this process may really use: the cgroup's quota (v1 and v2) and the scheduler affinity.

Called by `config` to choose ONNX Runtime's thread count, because ONNX Runtime counts the host's cores and
knows nothing of a container's quota. Not for memory limits, and it never writes to a cgroup.
"""

from __future__ import annotations

import math
import os
from pathlib import Path


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _quota_v2(group: Path) -> float | None:
    fields = (_read(group / "cpu.max") or "").split()
    if len(fields) != 2 or fields[0] == "max":  # noqa: PLR2004 - "QUOTA PERIOD"
        return None
    return _ratio(fields[0], fields[1])


def _quota_v1(group: Path) -> float | None:
    quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    return _ratio(quota, period) if quota and period else None


def _ratio(quota: str, period: str) -> float | None:
    try:
        numerator, denominator = int(quota), int(period)
    except ValueError:
        return None
    return numerator / denominator if numerator > 0 and denominator > 0 else None


def _membership(proc_cgroup: Path) -> dict[str, str]:
    """Controller → path of the process's group; the empty controller name is v2."""
    groups: dict[str, str] = {}
    for line in (_read(proc_cgroup) or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def _and_parents(root: Path, path: str) -> list[Path]:
    """The group and every group above it, up to the mount's root, which is all that a container may see."""
    parts = [part for part in path.split("/") if part not in {"", ".."}]
    return [root.joinpath(*parts[:length]) for length in range(len(parts), -1, -1)]


def cpu_quota(root: Path = Path("/sys/fs/cgroup"), proc_cgroup: Path = Path("/proc/self/cgroup")) -> float | None:
    """Return the tightest CPU quota above this process in CPUs, or None when there is none.

    Args:
        root: Where the cgroup file systems are mounted.
        proc_cgroup: The kernel's list of this process's groups.
    """
    member = _membership(proc_cgroup)
    quotas = [_quota_v2(group) for group in _and_parents(root, member.get("", "/"))]
    for mount in ("cpu", "cpu,cpuacct"):
        quotas += [_quota_v1(group) for group in _and_parents(root / mount, member.get("cpu", "/"))]
    return min((quota for quota in quotas if quota is not None), default=None)


def affinity() -> int:
    """Return the number of CPUs that the scheduler lets this process run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_threads(quota: float | None, cpus: int) -> int:
    """Return how many busy threads fit: more than the quota only buys throttling.

    Args:
        quota: CPUs by quota, None for no quota.
        cpus: CPUs by affinity.
    """
    return max(1, cpus if quota is None else min(cpus, math.floor(quota)))
