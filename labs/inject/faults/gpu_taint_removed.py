"""The taint that keeps a pool for GPU work is gone (F76): pods without GPUs fill its nodes.

A live fault; the nodes' state before it is recorded and restored. The pods that fill the nodes are the scenario's.
"""

from __future__ import annotations

from grader.model import Json, Objects, Spec

NUMBER = 76
SYMPTOM = "pods without GPUs run on GPU nodes; GPU pods are Pending"
TARGET = Objects(kind="Node")


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        key: Key of the taint.
        pool: Value of the nodes' label `pool`; default: all nodes that have the taint.
    """

    key: str = "nvidia.com/gpu"
    pool: str = ""


def patch(objects: list[Json], params: Params) -> list[Json]:
    """Return the nodes to change, without the taint."""
    changed = []
    for node in objects:
        taints = node.get("spec", {}).get("taints") or []
        kept = [t for t in taints if t["key"] != params.key]
        in_pool = params.pool in {"", node["metadata"].get("labels", {}).get("pool", "")}
        if in_pool and len(kept) < len(taints):
            node["spec"]["taints"] = kept
            changed.append(node)
    return changed
