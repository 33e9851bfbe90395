"""`cluster.json`: what a cluster is, kept from `up` to `down` and inside its bake. Called by the provider's parts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from labs.providers.engine.addresses import Addresses
from labs.providers.engine.layout import Layout
from labs.providers.engine.plan import write_private

Queue = Literal["nft", "iptables", "none"]


@dataclass(frozen=True, slots=True)
class Record:
    """What is true of a cluster for as long as it exists.

    Attributes:
        name: Its name.
        id: Random id, also in the cluster's ConfigMap `lab-system/lab-owner`.
        profile: Topology it was made from.
        index: Number its addresses follow from.
        key: What its bake depends on; see `bake.py`.
        ready: It came up once, so its etcd holds the nodes and the add-ons.
        queue: How the NetworkPolicy controller gets to see packets.
    """

    name: str
    id: str
    profile: str
    index: int
    key: str
    ready: bool = False
    queue: Queue = "iptables"

    @property
    def addresses(self) -> Addresses:
        """The cluster's addresses."""
        return Addresses(self.index)

    def save(self, layout: Layout) -> None:
        """Write it into the cluster's folder."""
        write_private(layout.record, json.dumps(asdict(self), indent=1))


def load_record(layout: Layout) -> Record | None:
    """Return the record of a cluster, or None when there is none or it is not readable as one."""
    try:
        return Record(**json.loads(layout.record.read_text()))
    except (OSError, ValueError, TypeError):
        return None
