"""One node: its namespaces, its configuration, and the components that run in it.

Called by `bringup.py` and the cleanup. A node is a network, mount and UTS namespace that files below `run/ns` keep
alive; containerd, kubelet, kube-proxy and the NetworkPolicy controller enter it. Killing what runs in it and taking
the files away ends the node with every mount and every rule it had.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labs.providers.engine import cgroups, gpus, network
from labs.providers.engine.kubeconfig import write_kubeconfig
from labs.providers.engine.layout import INSIDE, Layout
from labs.providers.engine.plan import Probe, ProcessSpec
from labs.providers.engine.processes import run_tool
from labs.providers.engine.render import render_to

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labs.providers.engine.record import Record
    from labs.providers.profile import NodeSpec

BINARIES = (
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "kubelet",
    "kube-proxy",
    "kube-network-policies",
    "runc",
)
QUEUE_NUMBER = "100"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CAP_SYS_RESOURCE = 24

# Everything a node must find at a conventional path is mounted there, in its own namespace only.
SETUP = """
mount --make-rshared /
umount -l "$NAMESPACES"
mount --bind "$NODE" "$INSIDE"
while read -r name file; do
  : > "$INSIDE/bin/$name"
  mount --bind "$file" "$INSIDE/bin/$name"
done
mount --bind "$CNI_BIN" "$INSIDE/cni-bin"
mount --bind "$IMAGES" "$INSIDE/images"
mount --bind "$INSIDE/kubelet" /var/lib/kubelet
mount --bind "$INSIDE/containerd" /var/lib/containerd
mount --bind "$STORAGE" /tmp/hostpath_pv
mount -t tmpfs -o mode=755 cni /var/lib/cni
mount --bind "$INSIDE/log" /var/log
mount -t tmpfs -o mode=755 run /run
mkdir /run/lock /run/containerd
ln -s "$INSIDE/containerd.sock" /run/containerd/containerd.sock
hostname "$NAME"
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a cluster, with what is needed to make and run it.

    Attributes:
        layout: The cluster's paths.
        record: What the cluster is.
        spec: The node as its profile describes it.
        number: Its number, from 1; its addresses follow from it.
        count: How many nodes the cluster has.
    """

    layout: Layout
    record: Record
    spec: NodeSpec
    number: int
    count: int

    @property
    def name(self) -> str:
        """Name of the Node object."""
        return self.spec.name

    @property
    def folder(self) -> Path:
        """The node's folder on the host."""
        return self.layout.node(self.name)

    @property
    def address(self) -> str:
        """Its address on the bridge."""
        return self.record.addresses.node(self.number)

    def inside(self, *argv: str) -> list[str]:
        """Return a command that runs `argv` in this node's namespaces."""
        files = [f"--{long}={self.layout.namespace(self.name, kind)}" for long, kind in NAMESPACES]
        return ["nsenter", *files, "--", *argv]

    def configure(self, pause: str) -> None:
        """Write everything the node's components read.

        Args:
            pause: Image of the sandbox container.
        """
        addresses, folder = self.record.addresses, self.folder
        for part in ("bin", "cni-bin", "images", "kubelet", "containerd", "log", "pki"):
            (folder / part).mkdir(parents=True, exist_ok=True, mode=0o700)
        for source, name in (("ca.crt", "ca.crt"), *((f"kubelet-{self.name}.{e}", f"kubelet.{e}") for e in PAIR)):
            shutil.copy(self.layout.pki / source, folder / "pki" / name)
        for user, file in KUBECONFIGS.items():
            path, who = folder / f"{file}.kubeconfig", user.format(node=self.name)
            write_kubeconfig(path, pki=self.layout.pki, user=who, server=addresses.server, context=self.name)
        values = {"inside": INSIDE, "node": self.name, "pods": addresses.pods, "dns": addresses.dns}
        values |= {"address": self.address, "cgroup": self.layout.cgroup(self.name), "taints": self.spec.taints}
        render_to(folder / "kubelet.yaml", f"{CONFIG}/kubelet.yaml.j2", **values)
        render_to(folder / "kube-proxy.yaml", f"{CONFIG}/kube-proxy.yaml.j2", **values)
        subnet = addresses.node_pods(self.number)
        render_to(folder / "cni" / "10-lab.conflist", f"{CONFIG}/cni.conflist.j2", subnet=subnet)
        oom, apparmor = not may_lower_oom_score(), not has_apparmor()
        containerd = {"inside": INSIDE, "pause": pause, "restrict_oom": oom, "no_apparmor": apparmor}
        render_to(folder / "containerd.toml", f"{CONFIG}/containerd.toml.j2", **containerd)
        private = addresses.private_registry
        for host, registry in (("registry.lab", None), ("private.registry.lab", private), ("_default", None)):
            target = folder / "certs.d" / host / "hosts.toml"
            render_to(target, f"{CONFIG}/hosts.toml.j2", registry=registry or addresses.registry)
        (folder / "resolv.conf").write_text(resolver() if network.host_forwards() else "")
        if self.spec.gpus:
            gpus.configure(folder, self.spec.gpus)

    def create(self, binaries: Mapping[str, Path], *, cni: Path, images: Path) -> None:
        """Make the node's namespaces, mounts, network and cgroups.

        Args:
            binaries: Component name → its binary.
            cni: Folder of the CNI plugins.
            images: Folder of the baked images, to which the node's containerd points.
        """
        layout = self.layout
        for kind in ("net", "mnt", "uts"):
            layout.namespace(self.name, kind).touch(mode=0o600)
        env: dict[str, str | Path] = {
            "NAMESPACES": layout.namespaces,
            "NODE": self.folder,
            "INSIDE": INSIDE,
            "CNI_BIN": cni,
        }
        env |= {"IMAGES": images, "STORAGE": layout.storage, "NAME": self.name}
        files = [f"--{long}={layout.namespace(self.name, kind)}" for long, kind in NAMESPACES]
        run_tool(
            ["unshare", *files, "--propagation", "slave", "--", "sh", "-euc", SETUP],
            stdin="".join(f"{name} {binaries[name]}\n" for name in BINARIES if name in binaries),
            env={key: str(value) for key, value in env.items()},
        )
        cgroups.create(layout.cgroup(self.name))
        network.connect_node(layout, self.record.addresses, self.name, self.number)
        self._configure_network()

    def _configure_network(self) -> None:
        addresses = self.record.addresses
        batch = [
            "link set lo up",
            f"addr add {self.address}/{addresses.nodes.prefixlen} dev eth0",
            "link set eth0 up",
            f"route add default via {addresses.host}",
        ]
        others = [number for number in range(1, self.count + 1) if number != self.number]
        batch += [f"route add {addresses.node_pods(other)} via {addresses.node(other)}" for other in others]
        rules = self._rules()
        script = "ip -batch - && echo 1 > /proc/sys/net/ipv4/ip_forward"
        net = f"--net={self.layout.namespace(self.name, 'net')}"
        run_tool(["nsenter", net, "--", "sh", "-euc", script], stdin="\n".join(batch))
        run_tool(self.inside("iptables-restore", "--noflush"), stdin=rules)

    def _rules(self) -> str:
        """Return the node's own packet rules; kube-proxy adds its own beside them.

        Only what leaves the cluster is masqueraded: a NetworkPolicy must see the pod's address, not the node's.
        """
        addresses, own = self.record.addresses, self.record.addresses.node_pods(self.number)
        returns = "".join(f"-A LAB-MASQ -d {net} -j RETURN\n" for net in addresses.ranges)
        rules = f"*nat\n:LAB-MASQ - [0:0]\n-A POSTROUTING -s {own} -j LAB-MASQ\n{returns}"
        rules += "-A LAB-MASQ -j MASQUERADE\nCOMMIT\n"
        if self.record.queue == "iptables":
            queue = f"-m conntrack --ctstate NEW -j NFQUEUE --queue-num {QUEUE_NUMBER} --queue-bypass"
            rules += f"*mangle\n-A FORWARD -s {own} {queue}\n-A FORWARD -d {own} {queue}\nCOMMIT\n"
        return rules

    def processes(self, *, binaries: Mapping[str, Path]) -> list[ProcessSpec]:
        """Return the node's components for the supervisor."""
        go = {"PATH": f"{INSIDE}/bin:{SYSTEM_PATH}", "HOME": "/root"}
        containerd = self._spec("containerd", "--config", f"{INSIDE}/containerd.toml", env=go, tune=("100", "60MiB"))
        kubelet = self._spec(
            "kubelet",
            f"--config={INSIDE}/kubelet.yaml",
            f"--kubeconfig={INSIDE}/kubelet.kubeconfig",
            "--root-dir=/var/lib/kubelet",
            f"--hostname-override={self.name}",
            f"--node-ip={self.address}",
            f"--node-labels={','.join(f'{k}={v}' for k, v in self.spec.labels.items())}",
            env=go,
            tune=("60", "120MiB"),
            after=("kube-apiserver", f"{self.name}/containerd"),
        )
        proxy = self._spec(
            "kube-proxy", f"--config={INSIDE}/kube-proxy.yaml", env=go, tune=("50", "60MiB"), after=("kube-apiserver",)
        )
        specs = [containerd, kubelet, proxy]
        if self.record.queue != "none" and "kube-network-policies" in binaries:
            specs.append(
                self._spec(
                    "kube-network-policies",
                    "-disable-nri",
                    f"-hostname-override={self.name}",
                    f"-kubeconfig={INSIDE}/network-policies.kubeconfig",
                    f"-nfqueue-id={QUEUE_NUMBER}",
                    "-metrics-bind-address=127.0.0.1:9080",
                    env=go,
                    tune=("50", "60MiB"),
                    after=("kube-apiserver",),
                )
            )
        if self.spec.gpus:
            specs.append(self._gpu_plugin())
        return specs

    def _gpu_plugin(self) -> ProcessSpec:
        return ProcessSpec(
            name=f"{self.name}/{gpus.PROCESS}",
            argv=tuple(self.inside(*gpus.command())),
            log=str(self.layout.logs / f"{self.name}-{gpus.PROCESS}.log"),
            env={"PATH": SYSTEM_PATH},
            after=(f"{self.name}/kubelet",),
            probe=Probe("unix", str(self.folder / gpus.TAKEN)),
        )

    def _spec(
        self, program: str, *arguments: str, env: dict[str, str], tune: tuple[str, str], after: tuple[str, ...] = ()
    ) -> ProcessSpec:
        collect, limit = tune
        probe = Probe()
        if program == "containerd":
            probe = Probe("unix", str(self.folder / "containerd.sock"))
        return ProcessSpec(
            name=f"{self.name}/{program}",
            argv=tuple(self.inside(f"{INSIDE}/bin/{program}", *arguments)),
            log=str(self.layout.logs / f"{self.name}-{program}.log"),
            env={**env, "GOGC": collect, "GOMEMLIMIT": limit},
            after=after,
            probe=probe,
        )


NAMESPACES = (("net", "net"), ("mount", "mnt"), ("uts", "uts"))
PAIR = ("crt", "key")
CONFIG = "engine/config"
KUBECONFIGS = {"kubelet-{node}": "kubelet", "kube-proxy": "kube-proxy", "network-policies": "network-policies"}


def may_lower_oom_score() -> bool:
    """Say whether this process has CAP_SYS_RESOURCE, which lowering an OOM score needs."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1)
    return False


def has_apparmor() -> bool:
    """Say whether the kernel confines processes with AppArmor."""
    enabled = Path("/sys/module/apparmor/parameters/enabled")
    return enabled.exists() and enabled.read_text().strip() == "Y"


def resolver() -> str:
    """Return the host's name servers that a pod can reach: those on a loopback address are the host's alone."""
    try:
        lines = Path("/etc/resolv.conf").read_text().splitlines()
    except OSError:
        return ""
    servers = [line for line in lines if line.startswith("nameserver") and " 127." not in line and "::" not in line]
    return "\n".join(servers) + "\n" if servers else ""
