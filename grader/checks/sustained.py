"""`sustained`: another check that must hold without a break.

Driven by `grader.runner` once the others have their verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from grader.finding import Finding
from grader.model import Outcome, Sustained

SILENT = 3
"""Looks without an answer in a row after which the hold is given up as unknown."""


class Clock(Protocol):
    """Time that passes; tests bring their own."""

    def monotonic(self) -> float:
        """Return seconds from any fixed point."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """How a hold ended.

    Attributes:
        finding: The verdict.
        looks: Number of looks it took.
    """

    finding: Finding
    looks: int


def hold(wanted: Sustained, look: Callable[[], Finding], clock: Clock) -> Held:
    """Look every `every` seconds for `seconds`, and end with the first look that does not pass.

    Args:
        wanted: How long, how often, of which check.
        look: One look of that check on the cluster as it is then.
        clock: Time.
    """
    expected = f"`{wanted.check}` holds for {wanted.seconds:g} s"
    begin = clock.monotonic()
    looks = silent = 0
    while True:
        finding = look()
        looks += 1
        silent = silent + 1 if finding.transient else 0
        passed = clock.monotonic() - begin
        if 0 < silent < SILENT:
            clock.sleep(wanted.every)  # a look that got no answer says nothing either way: once more
            continue
        if not finding.passed:
            verb = "broke" if finding.outcome is Outcome.FAILED else "could not be looked at"
            observed = f"{verb} after {passed:.0f} s: {finding.observed}"
            return Held(Finding(finding.outcome, observed, expected, finding.mismatches, finding.transient), looks)
        if passed >= wanted.seconds:
            return Held(Finding(Outcome.PASSED, f"held for {passed:.0f} s, {looks} looks", expected), looks)
        clock.sleep(min(wanted.every, max(wanted.seconds - passed, 0.01)))


def not_worth_it(check: str, finding: Finding, expected: str) -> Held:
    """Return the verdict when the check that is referred to does not pass anyway: nothing is waited for."""
    observed = f"`{check}` does not hold now: {finding.observed}"
    return Held(Finding(finding.outcome, observed, expected, finding.mismatches, finding.transient), 1)
