"""Nodes are cordoned (F20): new pods stay Pending.

A live fault; the nodes' state before it is recorded and restored.
"""

from __future__ import annotations

from grader.model import Json, Objects, Spec

NUMBER = 20
SYMPTOM = "Pending: node(s) were unschedulable"

TARGET = Objects(kind="Node")


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        pool: Value of the nodes' label `pool`; default: all nodes.
    """

    pool: str = ""


def patch(objects: list[Json], params: Params) -> list[Json]:
    """Return the nodes to change, cordoned."""
    chosen = [n for n in objects if params.pool in {"", n["metadata"].get("labels", {}).get("pool", "")}]
    for node in chosen:
        node.setdefault("spec", {})["unschedulable"] = True
    return chosen
