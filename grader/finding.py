"""What one look of one check found, and what a check may look at. Shared by `grader.checks.*` and `grader.runner`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from grader.cluster import Cluster
from grader.errors import ExpressionError
from grader.model import Check, Outcome
from grader.snapshot import Snapshot

T = TypeVar("T")


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
        early: Why a failure may pass by itself although no object moves, to stand after "waiting for".
    """

    outcome: Outcome
    observed: str = ""
    expected: str = ""
    mismatches: tuple[str, ...] = field(default=())
    transient: bool = False
    early: str = ""

    @property
    def passed(self) -> bool:
        """Whether the look passed."""
        return self.outcome is Outcome.PASSED


def verdict(passed: bool, observed: str, expected: str, mismatches: tuple[str, ...] | list[str] = ()) -> Finding:
    """Return a finding that passed or failed."""
    outcome = Outcome.PASSED if passed else Outcome.FAILED
    return Finding(outcome, observed, expected, () if passed else tuple(mismatches))


def given(check: Check, kind: str, spec: T | None) -> T:
    """Return what the author wrote for a check's kind.

    Raises:
        ExpressionError: The check is of another kind.
    """
    if spec is None:
        raise ExpressionError(f"check `{check.id}` is no {kind} check")
    return spec
