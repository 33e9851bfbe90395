"""Taints of nodes: which ones people set. No reading and no changing here.

Used by `grader.guards`, `labs.inject.normal` and `labs.inject.restore`.
"""

from __future__ import annotations

from grader.model import Json

UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
"""The taint that the node controller makes of `spec.unschedulable`, a moment after it."""

_CONTROLLED = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")


def is_controlled(taint: Json) -> bool:
    """Return whether controllers set and remove this taint: "not ready", "cordoned" and the like.

    Such taints come and go by themselves, and late; what people did stands elsewhere (`spec.unschedulable`).
    """
    return str(taint.get("key", "")).startswith(_CONTROLLED)


def of_people(node: Json) -> list[Json]:
    """Return the taints of a Node that people set."""
    return [taint for taint in (node.get("spec") or {}).get("taints") or [] if not is_controlled(taint)]
