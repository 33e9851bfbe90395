"""Brings a running cluster into the state that is baked: nothing pretends to run, nothing happened yet.

Called once per bake by `bringup.py`. A start from the bake then has to earn every "Ready" anew.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from labs.providers.engine.api import ApiClient
from labs.providers.engine.layout import Layout
from labs.providers.engine.plan import load_plan, save_plan
from labs.providers.engine.readiness import wait_until
from labs.providers.engine.state import components, reload_plan

KEPT = {"etcd", "kube-apiserver"}
STOP_SECONDS = 15
LATE = {"metrics-server"}
"""Add-ons whose pods are made anew at each start, a moment later, so that they do not hold CoreDNS up."""

MANAGED_BY = "endpointslice.kubernetes.io/managed-by%3Dendpointslice-controller.k8s.io"


def settle(layout: Layout, api: ApiClient) -> None:
    """Stop everything but the API server and etcd, then take back what was observed of nodes and pods.

    Raises:
        EngineError: A component does not stop.
    """
    specs = load_plan(layout.plan)
    save_plan(layout.plan, [dataclasses.replace(spec, enabled=spec.name in KEPT) for spec in specs])
    reload_plan(layout)
    wait_until(layout, "the components to stop", STOP_SECONDS, lambda: _still_running(layout))
    for pod in api.items("api/v1/pods"):
        meta = pod["metadata"]
        path = f"api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        if "deletionTimestamp" in meta or meta.get("labels", {}).get("k8s-app") in LATE:
            api.delete(f"{path}?gracePeriodSeconds=0")
        else:
            api.replace(f"{path}/status", {**pod, "status": _as_scheduled(pod["status"])})
    # An address of a pod that is gone would be asked at the next start, and waited for.
    managed = f"labelSelector={MANAGED_BY}"
    for path in (f"apis/discovery.k8s.io/v1/endpointslices?{managed}", "api/v1/events"):
        group, _, plural = path.partition("?")[0].rpartition("/")
        for item in api.items(path):
            meta = item["metadata"]
            api.delete(f"{group}/namespaces/{meta['namespace']}/{plural}/{meta['name']}")


def _as_scheduled(status: dict[str, Any]) -> dict[str, Any]:
    """Return the status of a pod that has a node and has not been started by it."""
    conditions = [c for c in status.get("conditions", []) if c["type"] == "PodScheduled"]
    return {"phase": "Pending", "conditions": conditions, "qosClass": status.get("qosClass", "Burstable")}


def _still_running(layout: Layout) -> str:
    running = [n for n, c in components(layout).items() if c["pid"] is not None and n not in KEPT]
    return f"{', '.join(running)} still running" if running else ""
