"""What `labs doctor` says: the findings of each provider and the one that `auto` would take. It changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from labs import providers
from labs.errors import LabsError
from labs.providers.base import Finding


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The state of this machine.

    Attributes:
        findings: Provider name → what it found.
        auto: The provider that `auto` takes for a new cluster, empty when none can run.
    """

    findings: dict[str, list[Finding]]
    auto: str


def examine() -> Diagnosis:
    """Look at this machine with the eyes of every provider; a provider that cannot even look is a finding too."""
    findings = {name: _probe(name) for name in providers.NAMES}
    able = [name for name, found in findings.items() if not providers.obstacles(found)]
    return Diagnosis(findings, able[0] if able else "")


def _probe(name: str) -> list[Finding]:
    try:
        return providers.provider(name).probe()
    except LabsError as error:
        return [Finding(name, f"The provider {name}", ok=False, observed=str(error), hint=error.hint)]
