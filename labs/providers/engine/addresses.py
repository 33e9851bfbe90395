"""The addresses of a cluster: everything follows from one small number, chosen so that it meets nothing on the host.

Called by the provider (which claims the number), the PKI and the configurations. It computes; `network.py` acts.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

MAX_INDEX = 49
FIRST_NODE = 10
PREFIX = 16

Network = ipaddress.IPv4Network


@dataclass(frozen=True, slots=True)
class Addresses:
    """Ranges and addresses of the cluster with number `index`.

    Attributes:
        index: 0 to 49.
    """

    index: int

    @property
    def bridge(self) -> str:
        """Name of the bridge between the host and the nodes."""
        return f"lab{self.index}"

    @property
    def nodes(self) -> Network:
        """Range of the bridge and the nodes."""
        return Network(f"172.30.{self.index}.0/24")

    @property
    def pods(self) -> Network:
        """Range of all pods."""
        return Network(f"10.{100 + self.index}.0.0/16")

    @property
    def services(self) -> Network:
        """Range of the Services."""
        return Network(f"10.{150 + self.index}.0.0/16")

    @property
    def host(self) -> str:
        """Address of the host on the bridge: API server and registries listen there."""
        return str(self.nodes[1])

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{self.host}:6443"

    @property
    def api_service(self) -> str:
        """Address of the Service `default/kubernetes`."""
        return str(self.services[1])

    @property
    def dns(self) -> str:
        """Address of the Service of CoreDNS."""
        return str(self.services[10])

    @property
    def registry(self) -> str:
        """`host:port` of the public registry."""
        return f"{self.host}:5000"

    @property
    def private_registry(self) -> str:
        """`host:port` of the registry that asks for a password."""
        return f"{self.host}:5001"

    def node(self, number: int) -> str:
        """Return the address of the node with this number, from 1."""
        return str(self.nodes[FIRST_NODE + number])

    def node_pods(self, number: int) -> Network:
        """Return the range of the pods on the node with this number, from 1."""
        return Network((int(self.pods.network_address) + (number << 8), 24))

    def veth(self, number: int) -> str:
        """Return the name of the host's end of a node's link."""
        return f"{self.bridge}-n{number}"

    @property
    def ranges(self) -> tuple[Network, ...]:
        """All ranges a cluster occupies."""
        return (self.nodes, self.pods, self.services)


def candidates(taken: list[Network], reserved: set[int]) -> list[int]:
    """Return the numbers a new cluster may have, best first.

    A range inside somebody's wide route (a VPN's 10.0.0.0/8) is the second choice: ours would be the more specific
    route, which works, yet hides that part of theirs.

    Args:
        taken: Ranges the host routes or has addresses in.
        reserved: Numbers of our own clusters.
    """
    free: list[int] = []
    shadowing: list[int] = []
    for index in range(MAX_INDEX + 1):
        overlaps = [net for own in Addresses(index).ranges for net in taken if own.overlaps(net)]
        if index in reserved or any(net.prefixlen >= PREFIX for net in overlaps):
            continue
        (shadowing if overlaps else free).append(index)
    return free + shadowing
