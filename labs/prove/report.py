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
        id: `start`, `untouched`, `solution`, `wrong …`, `without step …`, `reset after …`, `exact after …`, `stop`,
            `leftovers`.
        ok: Whether it went as it must.
        detail: What was found, one sentence; for wrong fixes, what caught them.
        seconds: How long it took.
        round: In which round it was tried, from 1.
        lost: Whether the cluster was lost in it, so that it tells nothing of the scenario.
    """

    id: str
    ok: bool
    detail: str
    seconds: float
    round: int = 1
    lost: bool = False


@dataclass(slots=True)
class Proof:
    """Everything that was tried with one scenario.

    Attributes:
        scenario: Scenario id.
        digest: Of the folder that was proved.
        trials: In order.
        skipped: What the cluster lacks, so that nothing was tried; empty when it could run.
        cancelled: Whether it was ended before everything was tried.
    """

    scenario: str
    digest: str
    trials: list[Trial] = field(default_factory=list)
    skipped: str = ""
    cancelled: bool = False

    @property
    def proved(self) -> bool:
        """Whether everything was tried and went as it must."""
        return bool(self.trials) and not self.cancelled and all(trial.ok for trial in self.trials)

    @property
    def failed(self) -> bool:
        """Whether the scenario itself was found wrong; a cluster that was lost meanwhile is none of its faults."""
        return any(not trial.ok and not trial.lost for trial in self.trials)

    @property
    def lost(self) -> bool:
        """Whether the trials ended because the cluster was lost."""
        return any(trial.lost for trial in self.trials)

    @property
    def total(self) -> float:
        """Seconds of all trials together."""
        return round(sum(trial.seconds for trial in self.trials), 1)

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
        seconds: How long the run took.
        parallel: How many scenarios were proved at once.
    """

    cluster: str
    provider: str
    gpu: str
    proofs: list[Proof] = field(default_factory=list)
    seconds: float = 0.0
    parallel: int = 1

    @property
    def proved(self) -> bool:
        """Whether every scenario that could run is proved, and there is one."""
        return any(p.proved for p in self.proofs) and all(p.proved or p.skipped for p in self.proofs)

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON value, with the verdicts worked out."""
        proofs = [
            {**asdict(p), "proved": p.proved, "lost": p.lost, "seconds": p.seconds, "total": p.total}
            for p in self.proofs
        ]
        return {
            "cluster": self.cluster,
            "provider": self.provider,
            "gpu": self.gpu,
            "proved": self.proved,
            "seconds": round(self.seconds, 1),
            "parallel": self.parallel,
            "proofs": proofs,
        }
