"""The host's side of a cluster's network: the bridge, the links into the nodes, and firewall rules where there is one.

Called by the provider, the nodes and the cleanup. Addresses are chosen in `addresses.py`; what happens inside a node's
own network namespace is `node.py`. No setting of the host is changed: where the host does not forward, pods have no way
out, and everything inside the cluster works all the same.
"""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any, Literal

from labs.errors import EngineError, TakenError
from labs.providers.engine.addresses import Addresses, Network, candidates
from labs.providers.engine.layout import Layout
from labs.providers.engine.processes import run_tool
from labs.providers.engine.record import Queue

ALIAS = "kubernetes-ml-labs:"
JUMPS = (("filter", "INPUT"), ("filter", "FORWARD"), ("nat", "POSTROUTING"))


def links() -> list[dict[str, Any]]:
    """Return the host's network interfaces as `ip -j` tells them."""
    found: list[dict[str, Any]] = json.loads(run_tool(["ip", "-j", "-d", "link", "show"]) or "[]")
    return found


def taken_ranges() -> list[Network]:
    """Return the IPv4 ranges the host routes or has an address in, default routes and multicast left out."""
    ranges = set()
    for link in json.loads(run_tool(["ip", "-j", "-4", "addr", "show"]) or "[]"):
        for info in link.get("addr_info", []):
            ranges.add(ipaddress.ip_network(f"{info['local']}/{info['prefixlen']}", strict=False))
    for route in json.loads(run_tool(["ip", "-j", "-4", "route", "show", "table", "all"]) or "[]"):
        if route["dst"] != "default" and route.get("type") not in {"broadcast", "multicast"}:
            ranges.add(ipaddress.ip_network(route["dst"], strict=False))
    return sorted(net for net in ranges if isinstance(net, Network))


def bridge_of(layout: Layout) -> str | None:
    """Return the name of this cluster's bridge, known by its alias, or None when there is none."""
    for link in links():
        if link.get("ifalias") == ALIAS + str(layout.root):
            return str(link["ifname"])
    return None


def bridge_indexes() -> set[int]:
    """Return the numbers in use on this host by any lab, whichever state folder it has."""
    names = [str(link["ifname"]) for link in links()]
    return {int(name[3:]) for name in names if name.startswith("lab") and name[3:].isdigit()}


def claim(layout: Layout, preferred: list[int]) -> int:
    """Take a number no other lab and no route of the host has, by making the bridge of that number.

    Args:
        layout: The cluster that needs one.
        preferred: Numbers for which a bake exists; they are tried first.

    Raises:
        TakenError: Every range is in use.
    """
    free = candidates(taken_ranges(), bridge_indexes())
    for index in [*(i for i in preferred if i in free), *(i for i in free if i not in preferred)]:
        try:
            make_bridge(layout, Addresses(index))
        except EngineError:
            if Addresses(index).bridge in {link["ifname"] for link in links()}:
                continue  # another lab was faster by a moment
            raise
        return index
    raise TakenError(
        "no free subnet: 172.30.0.0/24 to 172.30.49.0/24 are all in use",
        hint="`ip route` shows who uses them; `labs down NAME` frees those of other clusters",
    )


def make_bridge(layout: Layout, addresses: Addresses) -> None:
    """Make the cluster's bridge with the host's address on it.

    Raises:
        TakenError: There is a bridge of that name, and it is not this cluster's.
    """
    bridge = addresses.bridge
    if (Path("/sys/class/net") / bridge).exists():
        raise TakenError(
            f"the network {addresses.nodes} of cluster {layout.name} now belongs to another lab",
            hint="`labs down` that one, or `labs down` this one and `labs up` again",
        )
    batch = [
        f"link add {bridge} type bridge",
        f"link set {bridge} alias {ALIAS}{layout.root}",
        f"addr add {addresses.host}/{addresses.nodes.prefixlen} dev {bridge}",
        f"link set {bridge} up",
    ]
    run_tool(["ip", "-batch", "-"], stdin="\n".join(batch))


def connect_node(layout: Layout, addresses: Addresses, node: str, number: int) -> None:
    """Lay the link between the bridge and a node's namespace, and the host's route to the node's pods.

    The kernel takes links of a dead namespace away when it comes to it; one of this name that is left goes first.
    """
    veth = addresses.veth(number)
    delete_link(veth)
    batch = [
        f"link add {veth} type veth peer name eth0 netns {layout.namespace(node, 'net')}",
        f"link set {veth} master {addresses.bridge} up",
        f"route replace {addresses.node_pods(number)} via {addresses.node(number)}",
    ]
    run_tool(["ip", "-batch", "-"], stdin="\n".join(batch))


def set_link(name: str, state: Literal["up", "down"]) -> None:
    """Pull a node's cable, or put it back."""
    run_tool(["ip", "link", "set", name, state])


def disconnect_all(layout: Layout) -> None:
    """Take the links of all nodes away."""
    bridge = bridge_of(layout)
    for link in links():
        if bridge is not None and link.get("master") == bridge:
            delete_link(str(link["ifname"]))


def remove_bridge(layout: Layout) -> None:
    """Take the cluster's bridge and everything connected to it away."""
    disconnect_all(layout)
    bridge = bridge_of(layout)
    if bridge is not None:
        delete_link(bridge)


def delete_link(name: str) -> None:
    """Delete a link; that the kernel was faster, which takes it away with its namespace, is no error."""
    interface = Path("/sys/class/net") / name
    if not interface.exists():
        return
    try:
        run_tool(["ip", "link", "delete", name])
    except EngineError:
        if interface.exists():
            raise


def host_forwards() -> bool:
    """Say whether the host passes packets on, which pods need to reach anything beyond it."""
    return Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1"


def has_firewall() -> bool:
    """Say whether the host has iptables rules, so that ours are needed among them."""
    return any(line.startswith("-A") or " DROP" in line for line in run_tool(["iptables-save"]).splitlines())


def allow_traffic(layout: Layout, addresses: Addresses) -> None:
    """Let the cluster's traffic through a firewall of the host, and masquerade what leaves for the world.

    All rules stand in chains named after the cluster. A host that neither forwards nor filters is left untouched.
    """
    if not host_forwards() and not has_firewall():
        return
    chain, bridge = layout.tag, addresses.bridge
    rules = f"""*filter
:{chain}-in - [0:0]
:{chain}-fw - [0:0]
-A {chain}-in -i {bridge} -j ACCEPT
-A {chain}-fw -i {bridge} -j ACCEPT
-A {chain}-fw -o {bridge} -j ACCEPT
COMMIT
*nat
:{chain}-nat - [0:0]
-A {chain}-nat -s {addresses.nodes} ! -o {bridge} -j MASQUERADE
COMMIT
"""
    run_tool(["iptables-restore", "-w", "5", "--noflush"], stdin=rules)
    for (table, hook), suffix in zip(JUMPS, ("in", "fw", "nat"), strict=True):
        target = f"{chain}-{suffix}"
        if f"-A {hook} -j {target}" not in run_tool(["iptables-save", "-t", table]).splitlines():
            run_tool(["iptables", "-w", "5", "-t", table, "-I", hook, "-j", target])


def remove_rules(layout: Layout) -> None:
    """Take the cluster's chains away from the host's firewall, wherever an interrupted run left them."""
    for table in ("filter", "nat"):
        saved = run_tool(["iptables-save", "-t", table]).splitlines()
        ours = [line.split()[0][1:] for line in saved if line.startswith(f":{layout.tag}-")]
        if not ours:
            continue
        batch = [f"*{table}", *(f":{chain} - [0:0]" for chain in ours)]
        jumps = [line for line in saved if line.startswith("-A") and line.split()[-1] in ours]
        batch += [line.replace("-A", "-D", 1) for line in jumps]
        batch += [*(f"-X {chain}" for chain in ours), "COMMIT", ""]
        run_tool(["iptables-restore", "-w", "5", "--noflush"], stdin="\n".join(batch))


def policy_queue() -> Queue:
    """Return how packets can be handed to the NetworkPolicy controller, tried in a namespace of its own.

    `nft`: it lays its own rules; `iptables`: the kernel lacks nft's queue, the older NFQUEUE target does it; `none`.
    """
    nft = "add table inet t; add chain inet t c { type filter hook forward priority 0; }; add rule inet t c queue num 9"
    if _works(["nft", nft]):
        return "nft"
    rule = ["-t", "mangle", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "NEW", "-j", "NFQUEUE", "--queue-num", "9"]
    return "iptables" if _works(["iptables", *rule, "--queue-bypass"]) else "none"


def _works(argv: list[str]) -> bool:
    try:
        run_tool(["unshare", "--net", "--", *argv])
    except EngineError:
        return False
    return True
