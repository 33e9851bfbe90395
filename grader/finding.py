"""What one look of one check found, and what a check may look at. Shared by `grader.checks.*` and `grader.runner`."""

from __future__ import annotations

from dataclasses import dataclass, field

from grader.cluster import Cluster
from grader.model import Outcome
from grader.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Scene:
    """What a check may look at.

    Attributes:
        snapshot: The lists of this look.
        cluster: For what is no list: requests, access reviews.
        namespaces: The scenario's namespaces; the first is the default.
    """

    snapshot: Snapshot
    cluster: Cluster
    namespaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one look.

    Attributes:
        outcome: passed, failed or unknown.
        observed: What was there.
        expected: What should be there.
        mismatches: Differences, one line each.
        transient: The cluster could not be asked; another look may succeed.
    """

    outcome: Outcome
    observed: str = ""
    expected: str = ""
    mismatches: tuple[str, ...] = field(default=())
    transient: bool = False

    @property
    def passed(self) -> bool:
        """Whether the look passed."""
        return self.outcome is Outcome.PASSED


def verdict(passed: bool, observed: str, expected: str, mismatches: tuple[str, ...] | list[str] = ()) -> Finding:
    """Return a finding that passed or failed."""
    outcome = Outcome.PASSED if passed else Outcome.FAILED
    return Finding(outcome, observed, expected, () if passed else tuple(mismatches))
