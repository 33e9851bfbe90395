"""The check kinds, one operation each.

`grader.runner` asks each what it reads, reads it once for all, and lets it look.
"""

from __future__ import annotations

from typing import Protocol

from grader.checks import access, cel, condition, http, match
from grader.finding import Finding, Scene
from grader.model import Check
from grader.snapshot import Question


class Operation(Protocol):
    """What a module of a check kind offers.

    `sustained` is none: it takes time and repeats another (`grader.checks.sustained`).
    """

    def reads(self, check: Check, namespaces: tuple[str, ...], /) -> list[Question]:
        """Return the lists it will look at."""
        ...

    def look(self, check: Check, scene: Scene, /) -> Finding:
        """Look once.

        Raises:
            Unanswered: The cluster could not be asked.
            ExpressionError: The check itself is wrong.
        """
        ...


OPERATIONS: dict[str, Operation] = {
    "match": match,
    "cel": cel,
    "condition": condition,
    "http": http,
    "access": access,
}
