"""Ends a cluster, partly or wholly, whatever state an interruption left it in. Called by the provider and `bringup.py`.

Nothing here trusts a pid file alone: processes are found by their marker, their mount namespace and their cgroup.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

from labs.errors import EngineError
from labs.providers.engine import cgroups, network
from labs.providers.engine.layout import MOUNTPOINTS, Layout
from labs.providers.engine.processes import in_namespaces, is_alive, kill, marked, run_tool, wait_gone
from labs.providers.engine.state import components, supervisor_pid

KILL_SECONDS = 15


def stop(layout: Layout) -> None:
    """End every process of the cluster, its namespaces and its cgroups; the bridge and all files stay.

    Raises:
        EngineError: A process could not be killed.
    """
    supervisor = supervisor_pid(layout)
    if supervisor is not None:
        kill([supervisor])  # first, or it would start again what is killed next
        wait_gone([supervisor])
    inodes = namespace_inodes(layout)
    deadline = time.monotonic() + KILL_SECONDS
    while True:
        targets = marked(layout.root) | in_namespaces(inodes) | cgroups.pids(f"/{layout.tag}")
        if not targets:
            break
        kill(targets)
        left = wait_gone(targets, seconds=2)
        if left and time.monotonic() > deadline:
            named = ", ".join(str(pid) for pid in sorted(left))
            raise EngineError(
                f"processes {named} cannot be killed", hint="`ps -o pid,stat,wchan,args -p PID` tells more"
            )
    unmount(layout)
    left_over = cgroups.remove(f"/{layout.tag}")
    if left_over:
        raise EngineError(f"cgroup {left_over[0]} cannot be removed", hint=f"`cat {left_over[0]}/cgroup.procs`")
    for file in (layout.state, layout.plan):
        file.unlink(missing_ok=True)
    network.disconnect_all(layout)


def remove_all_but_root(layout: Layout) -> None:
    """Do what `remove` does, but keep the cluster's empty folder, on which the caller holds the lock."""
    stop(layout)
    network.remove_bridge(layout)
    network.remove_rules(layout)
    for entry in layout.root.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def stop_host_processes(layout: Layout) -> None:
    """End the supervisor, and the components that a killed one left, but neither pods nor the shims that hold them."""
    supervisor = supervisor_pid(layout)
    if supervisor is not None:
        kill([supervisor])
        wait_gone([supervisor])
    supervised = {c["pid"] for c in components(layout).values() if is_alive(c["pid"], c["started"])}
    kill(supervised)
    wait_gone(supervised)


def clear_storage(layout: Layout) -> None:
    """Remove the volumes of the default StorageClass, and what was pushed to the registries."""
    for folder in (layout.storage, layout.registry):
        shutil.rmtree(folder, ignore_errors=True)


def remove(layout: Layout) -> None:
    """End the cluster and remove all it left on this machine. No error where there is nothing, twice is fine."""
    stop(layout)
    network.remove_bridge(layout)
    network.remove_rules(layout)
    shutil.rmtree(layout.root, ignore_errors=True)
    if layout.root.exists():
        shutil.rmtree(layout.root)  # says what is in the way
    remove_mountpoints(layout)


def remove_mountpoints(layout: Layout) -> None:
    """Remove the empty folders that nodes mount over, unless another cluster or the host itself needs them."""
    others = [path for path in layout.root.parent.glob("*/cluster.json") if path.parent != layout.root]
    if others or network.bridge_indexes():
        return
    for folder in reversed(MOUNTPOINTS):
        with contextlib.suppress(OSError):  # not empty: not ours
            folder.rmdir()


def namespace_mounts(layout: Layout) -> dict[Path, str]:
    """Return what is mounted below the cluster's folder: mount point → type of file system, in mount order."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        folder = Path(left.split()[4].encode().decode("unicode_escape"))
        if folder.is_relative_to(layout.root):
            found[folder] = right.split()[0]
    return found


def namespace_inodes(layout: Layout) -> set[int]:
    """Return the inodes of the nodes' mount namespaces that are still alive."""
    mounts = namespace_mounts(layout)
    return {path.stat().st_ino for path, kind in mounts.items() if kind == "nsfs" and path.suffix == ".mnt"}


def unmount(layout: Layout) -> None:
    """Let go of the nodes' namespaces and the private mount that holds them."""
    mounts = list(namespace_mounts(layout))
    if mounts:
        run_tool(["umount", "--lazy", *(str(path) for path in reversed(mounts))])
    shutil.rmtree(layout.namespaces, ignore_errors=True)
