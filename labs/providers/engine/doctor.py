"""What `labs doctor` says about this machine and the engine. It looks, and changes nothing.

Called by the provider's `probe`; `quick_findings` are those that `up` refuses to start without.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import psutil

from labs import paths, tools
from labs.errors import LabsError
from labs.providers.base import Finding
from labs.providers.engine import cgroups, components, network
from labs.providers.engine.addresses import candidates

LEAST_DISK = 5 * 1024**3
LEAST_MEMORY = 2 * 1024**3
TOOLS = ("ip", "iptables", "nsenter", "unshare", "mount")
WATCHES_EACH = 40
FILESYSTEMS = ("overlay", "tmpfs")


def findings() -> list[Finding]:
    """Return everything worth knowing before the first start."""
    return [*quick_findings(), _queue(), _forwarding(), _storage(), _git(), *components.findings()]


def quick_findings() -> list[Finding]:
    """Return what decides whether the engine can run at all; asking takes a fraction of a second."""
    machine: list[Callable[[], Finding]] = [_system, _root, _tools, _runc, _cni, _kernel, _cgroups]
    room: list[Callable[[], Finding]] = [_disk, _memory, watches]
    found = [check() for check in (*machine, *room)]
    if all(finding.ok is not False for finding in found):
        found.append(_subnet())
    return found


def _system() -> Finding:
    linux = platform.system() == "Linux"
    observed = f"{platform.system()} {platform.release()}"
    return Finding("system", "Operating system", linux, observed, "" if linux else "use `--provider kind` with Docker")


def _root() -> Finding:
    root = os.geteuid() == 0
    hint = "" if root else "run it with sudo, or use `--provider kind` with Docker"
    return Finding("root", "Root", root, "yes" if root else f"user id {os.geteuid()}", hint)


def _tools() -> Finding:
    lacking = tools.missing(TOOLS)
    hint = tools.install_hint(lacking) if lacking else ""
    return Finding(
        "tools", "System tools", not lacking, f"missing: {', '.join(lacking)}" if lacking else "all there", hint
    )


def _runc() -> Finding:
    try:
        return Finding("runc", "runc", ok=True, observed=str(components.runc()))
    except LabsError as error:
        return Finding("runc", "runc", ok=False, observed=error.message, hint=error.hint)


def _cni() -> Finding:
    try:
        return Finding("cni", "CNI plugins", ok=True, observed=str(components.cni_bin_dir()))
    except LabsError as error:
        return Finding("cni", "CNI plugins", ok=False, observed=error.message, hint=error.hint)


def _kernel() -> Finding:
    known = Path("/proc/filesystems").read_text().split()
    lacking = [name for name in FILESYSTEMS if name not in known]
    if lacking and Path("/lib/modules").exists() and shutil.which("modprobe"):
        return Finding(
            "kernel", "Kernel features", None, f"{', '.join(lacking)} not loaded yet", f"modprobe {' '.join(lacking)}"
        )
    observed = f"lacks {', '.join(lacking)}" if lacking else "overlay and namespaces are there"
    return Finding("kernel", "Kernel features", not lacking, observed)


def _cgroups() -> Finding:
    version = cgroups.version()
    observed = f"version {version}" if version else "none mounted"
    hint = "" if version else "mount cgroup v2 on /sys/fs/cgroup"
    return Finding("cgroups", "Control groups", version != 0, observed, hint)


def _disk() -> Finding:
    free = min(shutil.disk_usage(folder).free for folder in (paths.state_dir(), paths.cache_dir()))
    hint = f"free some space under {paths.cache_dir()}" if free < LEAST_DISK else ""
    return Finding("disk", "Free disk", free >= LEAST_DISK, f"{free / 1024**3:.1f} GiB, needs 5", hint)


def _memory() -> Finding:
    free = psutil.virtual_memory().available
    enough = True if free >= LEAST_MEMORY else None
    hint = "" if enough else "close something; the cluster itself needs about 1 GiB, its pods more"
    return Finding("memory", "Free memory", enough, f"{free / 1024**3:.1f} GiB, 2 are comfortable", hint)


def watches() -> Finding:
    """Look at inotify: Debian gives a user 128 instances, and a cluster needs about 35 of root's."""
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    clusters = len(network.bridge_indexes())
    enough = limit >= (clusters + 1) * WATCHES_EACH
    hint = "" if enough else f"sysctl -w fs.inotify.max_user_instances={(clusters + 2) * WATCHES_EACH * 2}"
    observed = f"{limit} for this user; {clusters} clusters run, each needs {WATCHES_EACH}"
    return Finding("inotify", "inotify instances", None if clusters and not enough else enough, observed, hint)


def _subnet() -> Finding:
    try:
        free = candidates(network.taken_ranges(), network.bridge_indexes())
    except LabsError as error:
        return Finding("subnet", "Free subnet", ok=False, observed=error.message, hint=error.hint)
    if not free:
        # A cluster that runs already has its own.
        ok = None if network.bridge_indexes() else False
        return Finding(
            "subnet", "Free subnet", ok, "172.30.0.0/24 to 172.30.49.0/24 are in use", "`ip route` shows by whom"
        )
    return Finding("subnet", "Free subnet", ok=True, observed=f"172.30.{free[0]}.0/24")


def _queue() -> Finding:
    if os.geteuid() != 0:
        return Finding("network-policy", "NetworkPolicy", ok=None, observed="known once it runs as root")
    queue = network.policy_queue()
    words = {
        "nft": "nftables queue",
        "iptables": "iptables NFQUEUE",
        "none": "the kernel has neither nft queue nor NFQUEUE",
    }
    hint = "modprobe nfnetlink_queue; without it scenarios on NetworkPolicies are left out" if queue == "none" else ""
    return Finding("network-policy", "NetworkPolicy", None if queue == "none" else True, words[queue], hint)


def _forwarding() -> Finding:
    if network.host_forwards():
        return Finding("forwarding", "Way out for pods", ok=True, observed="the host forwards")
    return Finding(
        "forwarding",
        "Way out for pods",
        ok=None,
        observed="pods reach the cluster and this host, nothing beyond; no lesson needs more",
        hint="sysctl -w net.ipv4.ip_forward=1, then `labs down` and `labs up`",
    )


def _git() -> Finding:
    found = tools.find("git")
    hint = "" if found else f"{tools.install_hint(['git'])}; tasks about delivery from Git need it"
    return Finding("git", "Git", ok=True if found else None, observed=str(found or "not installed"), hint=hint)


def _storage() -> Finding:
    free = shutil.disk_usage(paths.state_dir()).free
    return Finding("state", "State folder", ok=True, observed=f"{paths.state_dir()} ({free / 1024**3:.0f} GiB free)")
