"""The nodes' cgroups, in every v1 hierarchy or once on v2. Called by the nodes and the cleanup."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

REMOVE_SECONDS = 5
V2_CONTROLLERS = "+cpu +memory +pids +cpuset +io"


def _mounts(kind: str) -> list[Path]:
    found = []
    for line in Path("/proc/mounts").read_text().splitlines():
        _, folder, type_, *_ = line.split()
        if type_ == kind:
            found.append(Path(folder))
    return found


def version() -> int:
    """Return 2 where containers are limited through cgroup v2 alone, 1 where v1 hierarchies do it, 0 without any."""
    if _mounts("cgroup"):
        return 1
    return 2 if _mounts("cgroup2") else 0


def hierarchies() -> list[Path]:
    """Return the roots of all hierarchies; a hybrid host has v1 ones and a v2 one."""
    return [*_mounts("cgroup"), *_mounts("cgroup2")]


def create(path: str) -> None:
    """Make a cgroup such as `/labs-lab-12ab/cpu-1` in every hierarchy the kubelet uses."""
    if version() == 1:
        for root in _mounts("cgroup"):
            _create_v1(root, path)
        return
    root = _mounts("cgroup2")[0]
    folder = root / path.lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    for parent in reversed([folder, *folder.parents][: len(Path(path).parts)]):
        for controller in V2_CONTROLLERS.split():
            with contextlib.suppress(OSError):  # the kernel lacks it, or a parent does not hand it on
                (parent / "cgroup.subtree_control").write_text(controller)


def _create_v1(root: Path, path: str) -> None:
    folder = root
    for part in path.strip("/").split("/"):
        parent, folder = folder, folder / part
        folder.mkdir(exist_ok=True)
        # A new cpuset is empty, and no process can enter it before it names processors and memory.
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (folder / file).exists() and not (folder / file).read_text().strip():
                (folder / file).write_text((parent / file).read_text())


def pids(path: str) -> set[int]:
    """Return the processes in a cgroup and below it, whichever hierarchy knows of them."""
    found = set()
    for root in hierarchies():
        for file in (root / path.lstrip("/")).glob("**/cgroup.procs"):
            with contextlib.suppress(OSError):
                found |= {int(pid) for pid in file.read_text().split()}
    return found - {0}


def remove(path: str) -> list[str]:
    """Remove a cgroup with all below it and return what could not be removed; its processes must have ended."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        left = [str(root / path.lstrip("/")) for root in hierarchies() if not _remove_tree(root / path.lstrip("/"))]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)  # the kernel lets go of a cgroup a moment after its last process


def _remove_tree(folder: Path) -> bool:
    if not folder.is_dir():
        return True
    below = sorted((p for p in folder.glob("**/") if p != folder), key=lambda p: len(p.parts), reverse=True)
    for part in [*below, folder]:
        with contextlib.suppress(OSError):
            part.rmdir()
    return not folder.exists()
