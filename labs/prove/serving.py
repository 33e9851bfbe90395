"""What learners are served: the scenarios that are proved as they are now, and drafts only for who asks for them.

`labs scenarios` and the app ask. Somebody who writes scenarios sets `LABS_DRAFTS=1`.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from labs.course.models import Course, Scenario
from labs.errors import UsageError
from labs.prove.ledger import Ledger

VARIABLE = "LABS_DRAFTS"


def with_drafts() -> bool:
    """Return whether drafts are served too."""
    return os.environ.get(VARIABLE, "") not in {"", "0"}


def serve(scenario: Scenario) -> None:
    """Refuse what the prove gate has not found right: a learner would search for a fault of ours.

    Raises:
        UsageError: It is a draft, and drafts are not asked for.
        DataError: The ledger cannot be read.
    """
    if with_drafts() or not Ledger().drafts([scenario]):
        return
    message = f"the task {scenario.id} is a draft: it is not proved as it is now"
    raise UsageError(message, hint=f"labs prove {scenario.id}, or labs scenarios start {scenario.id} --drafts")


def served(course: Course, running: Collection[str] = ()) -> tuple[Course, frozenset[str]]:
    """Return the course as it is offered, and which of its scenarios are drafts.

    Args:
        course: All of it.
        running: Scenarios that run: one that somebody has started as a draft stays in sight.

    Raises:
        DataError: The ledger cannot be read.
    """
    drafts = Ledger().drafts(course.scenarios)
    hidden = set() if with_drafts() else drafts - set(running)
    if not hidden:
        return course, frozenset(drafts)
    chapters = tuple(
        chapter.model_copy(update={"scenarios": tuple(s for s in chapter.scenarios if s.id not in hidden)})
        for chapter in course.chapters
    )
    return course.model_copy(update={"chapters": chapters}), frozenset(drafts - hidden)
