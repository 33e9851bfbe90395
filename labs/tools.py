"""Programs of this machine that the labs use: where they are, and the exact command that installs what is missing.

Called by the engine, the images, the shell and `labs doctor`. It looks and says; it installs nothing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from labs.errors import ComponentError, MachineError
from labs.events import Listener, silent

if TYPE_CHECKING:
    from collections.abc import Iterable

# Program → Debian package. `CNI` stands for the folder of CNI plugins, which is no program.
CNI = "cni-plugins"
DEBIAN_PACKAGES: dict[str, str] = {
    "runc": "runc",
    CNI: "containernetworking-plugins",
    "ip": "iproute2",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "ipset": "ipset",
    "ethtool": "ethtool",
    "socat": "socat",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "modprobe": "kmod",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "tmux": "tmux",
    "git": "git",
}
# A user's PATH often lacks these, and root's after `su` does too.
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")
_CNI_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")
_CNI_NEEDED = ("ptp", "host-local", "portmap", "loopback")


def find(name: str) -> Path | None:
    """Return the program on PATH or in the system's folders, None where it is not there."""
    search = os.pathsep.join((os.environ.get("PATH", ""), *_SYSTEM_FOLDERS))
    found = shutil.which(name, path=search)
    return Path(found) if found else None


def require(name: str) -> Path:
    """Return the program.

    Raises:
        MachineError: It is missing; the hint is the command that installs it.
    """
    found = find(name)
    if found is None:
        raise MachineError(f"The program {name} is not installed", hint=install_hint([name]))
    return found


def find_cni() -> Path | None:
    """Return the folder that holds the CNI plugins the engine uses, None where this machine has none."""
    for folder in map(Path, _CNI_FOLDERS):
        if all((folder / plugin).is_file() for plugin in _CNI_NEEDED):
            return folder
    return None


def missing(names: Iterable[str] = DEBIAN_PACKAGES) -> list[str]:
    """Return those of the named programs (and `cni-plugins`) that this machine lacks."""
    return [name for name in names if (find_cni() if name == CNI else find(name)) is None]


def install_hint(names: Iterable[str]) -> str:
    """Return the exact command that installs the packages of the named programs on Debian and Ubuntu."""
    packages = sorted({DEBIAN_PACKAGES.get(name, name) for name in names})
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install -y --no-install-recommends {' '.join(packages)}"


def kubectl() -> Path:
    """Return kubectl: the engine's own where it is cached, so that its version fits, else the one on PATH.

    Raises:
        MachineError: There is neither.
    """
    found = _ours("kubectl") or find("kubectl")
    if found is None:
        raise MachineError(
            "kubectl is not there: neither among the engine's components nor on PATH",
            hint="labs up fetches it; or install kubectl and put it on PATH",
        )
    return found


def helm() -> Path:
    """Return helm: our own where it is cached, so that its version fits the tasks, else the one on PATH.

    Raises:
        MachineError: There is neither.
    """
    found = _ours("helm") or find("helm")
    if found is None:
        raise MachineError("helm is not there: neither in the lab's cache nor on PATH", hint=_HELM_HINT)
    return found


def provide(names: Iterable[str], emit: Listener = silent) -> None:
    """Have the programs that a task needs in the learner's shell beside kubectl.

    Args:
        names: `helm` comes from where the engine's components come from; everything else is the system's.
        emit: Told how far a download or a build has come.

    Raises:
        MachineError: A program of the system is missing; the hint installs it.
        ComponentError: helm cannot be had from any source, and none is on PATH.
    """
    from labs.providers.engine import components  # noqa: PLC0415 - the engine imports this module

    for name in names:
        if name != "helm":
            require(name)
        elif _ours(name) is None:
            try:
                components.ensure(emit, [name])
            except ComponentError:
                if find(name) is None:
                    raise


_HELM_HINT = "starting a task that needs it fetches it; or install helm and put it on PATH"


def _ours(name: str) -> Path | None:
    from labs.providers.engine import catalog, store  # noqa: PLC0415 - the engine imports this module

    component = catalog.load().get(name)
    return store.lookup(store.binary(component)) if component else None
