"""Switches one node off and on again, for lessons on the loss of a node. Called through `EngineProvider`."""

from __future__ import annotations

import dataclasses
import time

from labs.errors import EngineError, UsageError
from labs.providers.engine import cgroups, network
from labs.providers.engine.layout import Layout
from labs.providers.engine.plan import load_plan, save_plan
from labs.providers.engine.processes import in_namespaces, kill, wait_gone
from labs.providers.engine.readiness import wait_until
from labs.providers.engine.record import Record
from labs.providers.engine.state import components, reload_plan, supervisor_pid
from labs.providers.profile import load_profile

STOP_SECONDS = 20


def node_number(record: Record, node: str) -> int:
    """Return the number of a node.

    Raises:
        UsageError: The cluster has no such node; the hint lists those it has.
    """
    names = [spec.name for spec in load_profile(record.profile).nodes]
    if node not in names:
        raise UsageError(f"cluster {record.name!r} has no node {node!r}", hint=f"nodes: {', '.join(names)}")
    return names.index(node) + 1


def kill_node(layout: Layout, record: Record, node: str) -> None:
    """End everything on a node at once, as a power cut does: its link, its components, its pods.

    Raises:
        EngineError: A process could not be killed.
    """
    number = node_number(record, node)
    network.set_link(record.addresses.veth(number), "down")
    _enable(layout, node, wanted=False)
    wait_until(layout, f"{node} to stop", STOP_SECONDS, lambda: _running(layout, node))
    inode = layout.namespace(node, "mnt").stat().st_ino
    deadline = time.monotonic() + STOP_SECONDS
    while targets := in_namespaces({inode}) | cgroups.pids(layout.cgroup(node)):
        kill(targets)
        left = wait_gone(targets, seconds=2)
        if left and time.monotonic() > deadline:
            raise EngineError(f"processes of {node} cannot be killed: {sorted(left)}", hint="`labs down` tries again")


def start_node(layout: Layout, record: Record, node: str) -> None:
    """Switch a node on again; its pods start anew, as after a power cut."""
    number = node_number(record, node)
    network.set_link(record.addresses.veth(number), "up")
    _enable(layout, node, wanted=True)


def off(layout: Layout) -> list[str]:
    """Return the nodes that are switched off; none where there is no plan that could say so."""
    try:
        specs = load_plan(layout.plan)
    except (OSError, ValueError):
        return []
    return sorted({spec.name.partition("/")[0] for spec in specs if "/" in spec.name and not spec.enabled})


def start_all(layout: Layout, record: Record) -> list[str]:
    """Switch on every node that is off, so that a supervisor that lives has begun with them; return their names.

    Raises:
        EngineError: The supervisor does not take them up.
    """
    nodes = off(layout)
    for node in nodes:
        start_node(layout, record, node)
    if nodes and supervisor_pid(layout) is not None:
        wait_until(layout, f"{', '.join(nodes)} to be taken up", STOP_SECONDS, lambda: _still_off(layout, nodes))
    return nodes


def _still_off(layout: Layout, nodes: list[str]) -> str:
    known = components(layout).items()
    names = [n for n, c in known if n.partition("/")[0] in nodes and "/" in n and not c["enabled"]]
    return f"{', '.join(names)} still off" if names else ""


def _enable(layout: Layout, node: str, *, wanted: bool) -> None:
    specs = load_plan(layout.plan)
    ours = f"{node}/"
    save_plan(layout.plan, [dataclasses.replace(s, enabled=wanted) if s.name.startswith(ours) else s for s in specs])
    reload_plan(layout)


def _running(layout: Layout, node: str) -> str:
    running = [n for n, c in components(layout).items() if n.startswith(f"{node}/") and c["pid"] is not None]
    return f"{', '.join(running)} still running" if running else ""
