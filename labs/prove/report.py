"""What the prove gate found: plain data that goes to JSON as it is.

Filled by `gate.py`, rendered by `labs.commands`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing that was tried with a scenario.

    Attributes:
        id: `start`, `untouched`, `solution`, `reset after …`, `wrong …`, `stop`, `leftovers`.
        ok: Whether it went as it must.
        detail: What was found, one sentence; for wrong fixes, what caught them.
        seconds: How long it took.
    """

    id: str
    ok: bool
    detail: str
    seconds: float


@dataclass(slots=True)
class Proof:
    """Everything that was tried with one scenario.

    Attributes:
        scenario: Scenario id.
        digest: Of the folder that was proved.
        trials: In order.
        skipped: What the cluster lacks, so that nothing was tried; empty when it could run.
    """

    scenario: str
    digest: str
    trials: list[Trial] = field(default_factory=list)
    skipped: str = ""

    @property
    def proved(self) -> bool:
        """Whether everything went as it must, and something was tried."""
        return bool(self.trials) and all(trial.ok for trial in self.trials)

    @property
    def seconds(self) -> dict[str, float]:
        """Longest time in seconds of each kind of step: start, check, reset, stop."""
        kinds = {"start": "start", "untouched": "check", "solution": "check", "reset": "reset", "stop": "stop"}
        result: dict[str, float] = {}
        for trial in self.trials:
            kind = kinds.get(trial.id.split()[0])
            if kind:
                result[kind] = round(max(result.get(kind, 0.0), trial.seconds), 2)
        return result


@dataclass(slots=True)
class ProveReport:
    """All proofs of one run.

    Attributes:
        cluster: Name of the cluster.
        provider: Its provider.
        gpu: Kind of its GPU pool.
        proofs: One for each scenario.
    """

    cluster: str
    provider: str
    gpu: str
    proofs: list[Proof] = field(default_factory=list)

    @property
    def proved(self) -> bool:
        """Whether every scenario that could run is proved, and there is one."""
        return any(p.proved for p in self.proofs) and all(p.proved or p.skipped for p in self.proofs)

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON value, with the verdicts worked out."""
        proofs = [{**asdict(p), "proved": p.proved, "seconds": p.seconds} for p in self.proofs]
        return {
            "cluster": self.cluster,
            "provider": self.provider,
            "gpu": self.gpu,
            "proved": self.proved,
            "proofs": proofs,
        }
