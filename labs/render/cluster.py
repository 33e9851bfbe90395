"""Clusters, nodes, components and what `doctor` found, as text. Called by `labs.commands.cluster`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labs.providers.base import ClusterStatus, ComponentStatus, Finding, Phase
from labs.render.table import table
from labs.render.terminal import Terminal, clean, size

_PHASES = {
    Phase.READY: ("✓", "green"),
    Phase.STARTING: ("…", "cyan"),
    Phase.DEGRADED: ("✗", "red"),
    Phase.STOPPED: ("·", "yellow"),
    Phase.ABSENT: ("·", "dim"),
}


def status(terminal: Terminal, cluster: ClusterStatus, *, components: bool = True) -> str:
    """Return the state of a cluster: one line, its nodes, and its components where it has some."""
    sign, color = _PHASES[cluster.phase]
    profile = f", profile {cluster.profile}" if cluster.profile else ""
    word = terminal.paint(f"{sign} {cluster.phase.value}", color)
    lines = [f"{word}  cluster {cluster.name} ({cluster.provider}{profile})"]
    if cluster.detail:
        lines.append(terminal.block(cluster.detail, first="  ", indent="  "))
    for node, state in cluster.nodes.items():
        ok = state == "Ready"
        mark = terminal.paint("✓" if ok else "✗", "green" if ok else "red")
        lines.append(terminal.block(f"node {node}: {state}", first=f"  {mark} ", indent="    "))
    if components and cluster.components:
        lines += ["", _components(terminal, cluster.components)]
    return "\n".join(lines)


def _components(terminal: Terminal, components: Sequence[ComponentStatus]) -> str:
    rows = [
        [
            ("✓ " if part.running else "✗ ") + part.name,
            "running" if part.running else "stopped",
            str(part.pid or ""),
            str(part.restarts),
            size(part.memory_bytes) if part.memory_bytes else "",
            clean(part.detail),
        ]
        for part in components
    ]
    total = sum(part.memory_bytes or 0 for part in components)
    text = table(terminal, ["component", "state", "pid", "restarts", "memory", ""], rows, right=(2, 3, 4), indent="  ")
    return text + (f"\n  memory of all components: {size(total)}" if total else "")


def doctor(terminal: Terminal, findings: Mapping[str, Sequence[Finding]], chosen: str) -> str:
    """Return what was found for each provider, the mend under what is in the way, and which provider `auto` takes."""
    lines = []
    for provider, found in findings.items():
        lines.append(terminal.paint(provider, "bold") + f" – {_verdict(found)}")
        for finding in found:
            lines += _finding(terminal, finding)
        lines.append("")
    lines.append(
        f"auto picks: {chosen}" if chosen else terminal.paint("auto finds no provider that can run here", "red")
    )
    return "\n".join(lines)


def _verdict(found: Sequence[Finding]) -> str:
    wrong = sum(finding.ok is False for finding in found)
    return f"{wrong} in the way" if wrong else "can run here"


def _finding(terminal: Terminal, finding: Finding) -> list[str]:
    sign, color = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "yellow")}[finding.ok]
    head = f"  {terminal.paint(sign, color)} "
    lines = [terminal.block(f"{finding.title}: {finding.observed}", first=head, indent="    ")]
    if finding.hint and finding.ok is not True:
        lines.append(terminal.block(finding.hint, first=f"    {terminal.paint('hint:', 'cyan')} ", indent="          "))
    return lines
