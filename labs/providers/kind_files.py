"""What a kind cluster is made from: its config, the add-ons it needs of ours, and the image archives.

Called by `kind.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from labs.events import Listener
from labs.providers.profile import NamedProfile
from labs.providers.templates import render

# kind brings CoreDNS, kube-proxy and a StorageClass of its own; of our system objects only the mark is needed.
_ADDONS = ("10-system.yaml.j2", "30-metrics-server.yaml.j2", "40-prober.yaml.j2")
_SYSTEM_KINDS = {"Namespace", "ConfigMap"}


@dataclass(frozen=True, slots=True)
class Images:
    """The lab's images.

    Attributes:
        names: Image name (`tools`) → reference (`registry.lab/tools:1.0`).
        archives: OCI archives that hold them all.
    """

    names: dict[str, str]
    archives: tuple[Path, ...]


def config(kind_name: str, profile: NamedProfile, image: str = "") -> str:
    """Return the kind config of a profile.

    Args:
        kind_name: Name of the kind cluster.
        profile: Topology.
        image: Node image, empty for kind's own.
    """
    nodes: list[dict[str, Any]] = [{"role": "control-plane", "labels": {}, "taints": []}]
    for node in profile.nodes:
        taints = [taint.model_dump() for taint in node.taints]
        nodes.append({"role": "worker", "labels": node.labels, "taints": taints})
    return render("kind/cluster.yaml.j2", kind_name=kind_name, about=profile.profile.about, nodes=nodes, image=image)


def addons(identity: str, cluster: str, images: dict[str, str]) -> list[dict[str, Any]]:
    """Return the objects that make a kind cluster one of ours."""
    found: list[dict[str, Any]] = []
    for name in _ADDONS:
        text = render(
            f"addons/{name}",
            id=identity,
            cluster=cluster,
            images=images,
            dns="",
            forward=True,
            files={},
        )
        items = [item for item in yaml.safe_load_all(text) if item]
        found += [_for_kind(item) for item in items if name != _ADDONS[0] or item["kind"] in _SYSTEM_KINDS]
    return found


def _for_kind(item: dict[str, Any]) -> dict[str, Any]:
    """Adapt metrics-server: kind's kubelets serve with certificates that no CA signed."""
    if item["kind"] == "Deployment" and item["metadata"]["name"] == "metrics-server":
        container = item["spec"]["template"]["spec"]["containers"][0]
        kept = [arg for arg in container["args"] if not arg.startswith("--kubelet-certificate-authority")]
        container["args"] = [*kept, "--kubelet-insecure-tls"]
    return item


def our_images(emit: Listener) -> Images:
    """Build the lab's images, or find them built."""
    # The import stands here because building images brings modules that a status or a down does not need.
    from labs.images import ensure  # noqa: PLC0415 - see above

    public = [image for image in ensure(emit) if not image.private]
    names = {image.name.rpartition("/")[2]: image.reference for image in public}
    return Images(names, tuple(dict.fromkeys(image.archive for image in public)))


def on_demand(references: Collection[str], emit: Listener) -> list[Path]:
    """Return the archives of those images among the references that are made on demand, built where they were not."""
    from labs.images import ensure_on_demand  # noqa: PLC0415 - as above

    return list(dict.fromkeys(image.archive for image in ensure_on_demand(references, emit)))
