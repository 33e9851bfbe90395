"""The check kinds, one operation each.

`grader.runner` asks each what it reads, reads it once for all, and lets it look.
"""

from __future__ import annotations

from typing import Protocol

from grader.checks import (
    access,
    cel,
    condition,
    dry_run,
    event,
    exec,  # noqa: A004 - a module of the kind's name, never called as the builtin
    git,
    helm,
    http,
    image,
    infer,
    kustomize,
    log,
    match,
    metric,
)
from grader.finding import Finding, Scene
from grader.model import Check
from grader.snapshot import Question


class Operation(Protocol):
    """What a module of a check kind offers.

    `sustained` and `triggered` are none: they take time and repeat another check.
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
    "event": event,
    "log": log,
    "http": http,
    "infer": infer,
    "access": access,
    "dry_run": dry_run,
    "exec": exec,
    "metric": metric,
    "helm": helm,
    "kustomize": kustomize,
    "git": git,
    "image": image,
}
