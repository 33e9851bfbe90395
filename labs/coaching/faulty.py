"""Where the fault of a scenario sits: the fields in which the broken objects differ from the healthy ones. Pure.

`nearmiss.py` compares with it, so that a near miss is told only about a field that is known to matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grader.model import Json
from labs.attempts.fieldpaths import leaves
from labs.attempts.naming import Named
from labs.course.models import Scenario
from labs.errors import DataError
from labs.inject.manifests import final, stages
from labs.inject.normal import normal


@dataclass(frozen=True, slots=True)
class Fault:
    """A field that is wrong at the start of a task.

    Attributes:
        object: Whose field.
        path: Which field.
        healthy: Its value before the fault; None where it was not there.
        broken: Its value at the start of the task; None where it is not there.
    """

    object: Named
    path: str
    healthy: Any
    broken: Any

    def holds(self, obj: Json) -> bool:
        """Whether an object, in any form, still has the broken value."""
        return bool(value_of(obj, self.path) == self.broken)


def value_of(obj: Json, path: str) -> Any:
    """Return the value at a path, None where there is none."""
    return dict(leaves(obj)).get(path)


def faults(scenario: Scenario) -> list[Fault]:
    """Return the faulty fields; none for a scenario that begins with nothing broken, or where it cannot be told."""
    healthy_file = scenario.file.model_copy(update={"faults": ()})
    try:
        healthy = final(stages(scenario.model_copy(update={"file": healthy_file})))
        broken = final(stages(scenario))
    except DataError:
        return []
    found = []
    for key, obj in broken.items():
        before = healthy.get(key)
        if before is None or before == obj:
            continue
        was, is_ = dict(leaves(normal(before))), dict(leaves(normal(obj)))
        named = Named(key[1], key[3], key[2])
        found += [Fault(named, p, was.get(p), is_.get(p)) for p in {**was, **is_} if was.get(p) != is_.get(p)]
    return found
