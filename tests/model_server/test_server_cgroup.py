"""The CPU quota, read from files as kernels and container runtimes lay them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from model_server import cgroup

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "v2 in a container": ("0::/\n", {"cpu.max": "150000 100000"}, 1.5),
    "v2 without a limit": ("0::/\n", {"cpu.max": "max 100000"}, None),
    "v2 host path, a parent is tighter": (
        "0::/kubepods/pod1/c\n",
        {"kubepods/pod1/c/cpu.max": "max 100000", "kubepods/pod1/cpu.max": "50000 100000", "cpu.max": "400000 100000"},
        0.5,
    ),
    "v1 in a container, whose own path is not mounted": (
        "3:cpu,cpuacct:/kubepods/pod1/c\n1:memory:/kubepods/pod1/c\n",
        {"cpu,cpuacct/cpu.cfs_quota_us": "200000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
        2.0,
    ),
    "v1 host path": (
        "3:cpu:/a/b\n",
        {
            "cpu/a/b/cpu.cfs_quota_us": "-1", "cpu/a/b/cpu.cfs_period_us": "100000",
            "cpu/a/cpu.cfs_quota_us": "25000", "cpu/a/cpu.cfs_period_us": "100000",
        },
        0.25,
    ),
    "hybrid: v1 holds the cpu controller": (
        "3:cpu:/\n0::/x\n",
        {"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"},
        3.0,
    ),
    "nothing mounted": ("", {}, None),
    "nonsense": ("no colons\n0::/../..\n", {"cpu.max": "a b"}, None),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_quota(tmp_path: Path, case: str) -> None:
    membership, files, quota = FILES[case]
    root = tmp_path / "cgroup"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    member = tmp_path / "self"
    member.write_text(membership)
    assert cgroup.cpu_quota(root, member) == quota


@pytest.mark.parametrize(
    ("quota", "cpus", "threads"), [(None, 8, 8), (0.1, 8, 1), (1.0, 8, 1), (1.9, 8, 1), (2.0, 8, 2), (16.0, 4, 4)]
)
def test_threads(quota: float | None, cpus: int, threads: int) -> None:
    assert cgroup.usable_threads(quota, cpus) == threads
