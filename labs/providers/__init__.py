"""Clusters behind one protocol: the embedded engine, kind, and (by name only) an existing kubeconfig context.

`select` answers "who makes this cluster", `find` "who has it already"; the CLI, the TUI, the demo and the benchmarks
ask here and nowhere else. Providers are imported when they are asked for, so that this package costs nothing.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from labs.errors import MachineError, UsageError

if TYPE_CHECKING:
    from labs.providers.base import Finding, Provider

NAMES = ("engine", "kind")
AUTO = "auto"


def provider(name: str) -> Provider:
    """Return the provider of that name.

    Raises:
        UsageError: There is none.
    """
    # The imports stand here because each provider brings libraries that the others, and `labs --help`, do not need.
    if name == "engine":
        from labs.providers.engine.provider import EngineProvider  # noqa: PLC0415 - see above

        return EngineProvider()
    if name == "kind":
        from labs.providers.kind import KindProvider  # noqa: PLC0415 - see above

        return KindProvider()
    if name.startswith("context:"):
        raise UsageError(
            "existing clusters cannot be used as a provider yet",
            hint="use --provider engine (Linux) or --provider kind (Docker)",
        )
    known = ", ".join(NAMES)
    raise UsageError(f"unknown provider `{name}`", hint=f"one of {known}, or auto")


def find(cluster: str) -> Provider | None:
    """Return the provider that has a cluster of that name on this machine, or None."""
    for name in NAMES:
        found = provider(name)
        if cluster in found.names():
            return found
    return None


def clusters() -> list[tuple[str, str]]:
    """Return (provider, cluster) for every cluster of ours on this machine."""
    return [(name, cluster) for name in NAMES for cluster in provider(name).names()]


def select(choice: str = AUTO, *, cluster: str = "lab") -> Provider:
    """Return the provider to use for a cluster.

    `auto` takes the one that has the cluster already; else the engine where it can run (Linux), else kind where Docker
    or Podman answers.

    Args:
        choice: `engine`, `kind`, `context:NAME` or `auto`.
        cluster: Name of the cluster.

    Raises:
        UsageError: No such provider, or the cluster belongs to another one than was asked for.
        MachineError: Nothing can run here; the hint has the mend for each.
    """
    owner = find(cluster) if choice in {AUTO, *NAMES} else None
    if owner is not None:
        if choice not in {AUTO, owner.name}:
            raise UsageError(
                f"cluster {cluster} belongs to the provider {owner.name}",
                hint=f"leave out --provider, or take another name: --cluster {cluster}-{choice}",
            )
        return owner
    return provider(choice) if choice != AUTO else _auto()


def _auto() -> Provider:
    reasons = []
    for name in NAMES:
        if name == "engine" and sys.platform != "linux":
            reasons.append("engine: it needs Linux")
            continue
        candidate = provider(name)
        wrong = obstacles(candidate.probe())
        if not wrong:
            return candidate
        reasons.append(f"{name}: " + "; ".join(mend(finding) for finding in wrong))
    raise MachineError("no provider can run a cluster on this machine", hint=" – or ".join(reasons))


def obstacles(findings: list[Finding]) -> list[Finding]:
    """Return what is in the way."""
    return [finding for finding in findings if finding.ok is False]


def mend(finding: Finding) -> str:
    """Return the mend of a finding, or what is wrong where none is known."""
    return finding.hint or f"{finding.title}: {finding.observed}"
