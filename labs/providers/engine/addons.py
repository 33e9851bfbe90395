"""Applies the manifests of `cluster-config/addons/` to a new cluster. Called once per bake by `bringup.py`."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from labs import paths
from labs.errors import ClusterError, EngineError
from labs.providers.engine import network
from labs.providers.engine.api import ApiClient
from labs.providers.engine.node import Node, resolver
from labs.providers.engine.record import Record
from labs.providers.templates import render


def manifests(record: Record, images: Mapping[str, str], pki: Path) -> list[dict[str, Any]]:
    """Return the objects of all add-ons whose image there is.

    Args:
        record: The cluster they are for.
        images: Image name (`coredns`) → reference (`registry.lab/coredns:1.15.0`).
        pki: Folder of the cluster's certificates; manifests name files in it as `files['ca.crt']`.

    Raises:
        EngineError: An image is missing.
    """
    forward = network.host_forwards() and bool(resolver())
    values = {"id": record.id, "cluster": record.name, "dns": record.addresses.dns, "forward": forward}
    files = {path.name: base64.b64encode(path.read_bytes()).decode() for path in pki.iterdir()}
    found: list[dict[str, Any]] = []
    for path in sorted((paths.cluster_config_dir() / "addons").glob("*.yaml.j2")):
        try:
            text = render(f"addons/{path.name}", images=images, files=files, **values)
        except Exception as error:  # jinja2 has no common base for what a template can do wrong
            raise EngineError(f"cannot be filled in: {error}", where=str(path)) from error
        found += [document for document in yaml.safe_load_all(text) if document]
    return found


def node_manifest(node: Node) -> dict[str, Any]:
    """Return the Node object as it is made before its kubelet registers: the range of its pods is fixed."""
    subnet = str(node.record.addresses.node_pods(node.number))
    labels = {**node.spec.labels, "kubernetes.io/hostname": node.name}
    spec: dict[str, Any] = {"podCIDR": subnet, "podCIDRs": [subnet]}
    if node.spec.taints:
        spec["taints"] = [taint.model_dump() for taint in node.spec.taints]
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name, "labels": labels}, "spec": spec}


def apply_all(client: ApiClient, objects: list[dict[str, Any]]) -> None:
    """Apply objects in order.

    Raises:
        ClusterError: One was refused; `where` says which.
    """
    for item in objects:
        try:
            client.apply(item)
        except ClusterError as error:
            error.where = f"{item['kind']} {item['metadata']['name']}"
            raise
