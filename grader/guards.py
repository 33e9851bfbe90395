"""Guards: shortcuts that make a task worth nothing. What they compare with is captured when the task begins.

Used by `grader.runner` on its last look; `capture` by whoever starts a task. No polling here.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from grader.checks.cel import compiled, observe, summary
from grader.cluster import Cluster
from grader.compare import ABSENT, fetch
from grader.errors import ExpressionError, GraderError, Refused, Unanswered, Undefined
from grader.model import Exists, Guard, GuardVerdict, Json, Objects, Outcome, Unchanged
from grader.sealed import MARK, sealed
from grader.snapshot import Question, Snapshot, bare
from grader.taints import of_people
from grader.text import absence, clean, shown, title

_BOUNDS = {">=": operator.ge, "<=": operator.le, "==": operator.eq, ">": operator.gt, "<": operator.lt}


class Observation(BaseModel):
    """A list of objects as it was when the task began."""

    model_config = ConfigDict(frozen=True)

    of: Objects
    objects: list[Json]


class Baseline(BaseModel):
    """What the guards compare with; goes through JSON unchanged (`model_dump_json`, `model_validate_json`).

    It holds whole objects; of Secrets only digests of their values.
    """

    model_config = ConfigDict(frozen=True)

    lists: list[Observation] = []

    def objects(self, of: Objects) -> list[Json] | None:
        """Return the objects of then, or None when that list was not captured."""
        return next((seen.objects for seen in self.lists if seen.of == of), None)


def capture(guards: Iterable[Guard], cluster: Cluster) -> Baseline:
    """Read what the guards will compare with.

    Raises:
        Unanswered: The cluster could not be asked.
    """
    snapshot = Snapshot(cluster)
    wanted = dict.fromkeys(of for guard in guards if (of := _compared(guard)) is not None)
    return Baseline(
        lists=[Observation(of=of, objects=[_lasting(of.kind, obj) for obj in snapshot.objects(of)]) for of in wanted]
    )


def _lasting(kind: str, obj: Json) -> Json:
    """Return the object without secrets, and without what comes and goes by itself: the taints of controllers."""
    if kind != "Node":
        return sealed(kind, obj)
    spec = {key: value for key, value in (obj.get("spec") or {}).items() if key != "taints"}
    taints = of_people(obj)
    return {**obj, "spec": {**spec, "taints": taints} if taints else spec}


def _compared(guard: Guard) -> Objects | None:
    if guard.unchanged is not None:
        return guard.unchanged.of
    return guard.exists.of if guard.exists is not None and guard.exists.same else None


def reads(guard: Guard) -> list[Question]:
    """Return the lists a guard looks at."""
    if guard.unchanged is not None:
        return [guard.unchanged.of]
    return [guard.exists.of] if guard.exists is not None else list(guard.observe.values())


def look(guard: Guard, snapshot: Snapshot, baseline: Baseline | None) -> GuardVerdict:
    """Judge one guard; what cannot be judged is `unknown`, which counts as held."""
    try:
        observed = _broken(guard, snapshot, baseline or Baseline())
    except (Unanswered, ExpressionError) as error:
        return GuardVerdict(about=_about(guard), outcome=Outcome.UNKNOWN, observed=clean(error.message), why=guard.why)
    except GraderError as error:
        observed = clean(error.message)
    outcome = Outcome.FAILED if observed else Outcome.PASSED
    return GuardVerdict(about=_about(guard), outcome=outcome, observed=observed or "as it should be", why=guard.why)


def _about(guard: Guard) -> str:
    if guard.unchanged is not None:
        return f"{_place(guard.unchanged.of)} keeps {', '.join(guard.unchanged.fields)}"
    if guard.exists is not None:
        bound = f" with replicas {guard.exists.replicas}" if guard.exists.replicas else ""
        same = ", and is the one from the start" if guard.exists.same else ""
        return f"{_place(guard.exists.of)} is there{bound}{same}"
    return guard.why or clean(guard.cel or "", 160)


def _place(of: Objects) -> str:
    name = of.name or of.selector or "all"
    return f"{of.kind} {of.namespace}/{name}" if of.namespace else f"{of.kind} {name}"


def _broken(guard: Guard, snapshot: Snapshot, baseline: Baseline) -> str:
    """Return how a guard is broken, or nothing."""
    if guard.unchanged is not None:
        return _changed(guard.unchanged, snapshot, baseline)
    if guard.exists is not None:
        return _gone(guard.exists, snapshot, baseline)
    expression = compiled(guard.cel or "", guard.observe)
    try:
        data = observe(guard.observe, snapshot, whole="managedFields" in expression.source)
        return "" if expression.holds(data) else summary(data, guard.observe)
    except (Undefined, Refused) as error:
        return clean(error.message)


def _changed(guard: Unchanged, snapshot: Snapshot, baseline: Baseline) -> str:
    before = _then(guard.of, baseline)
    now = {_key(obj): _lasting(guard.of.kind, obj) for obj in snapshot.objects(guard.of)}
    lines = []
    for was in before:
        obj = now.get(_key(was))
        about = title({"kind": guard.of.kind, **was})
        if obj is None:
            lines.append(f"{about} is no longer there{' or has lost its labels' if guard.of.selector else ''}")
            continue
        lines += [f"{about}: {line}" for path in guard.fields if (line := _difference(path, was, obj))]
    return "; ".join(lines[:4])


def _difference(path: str, was: Json, now: Json) -> str:
    try:
        before, after = fetch(was, path), fetch(now, path)
    except ValueError as error:
        raise ExpressionError(f"a guard's field is wrong: {error}") from None
    if before == after:
        return ""
    if MARK in str(before) + str(after):
        return f"{path} is not what it was"
    return f"{path} was {_said(before)}, is {_said(after)}"


def _said(value: object) -> str:
    return "not set" if value is ABSENT else shown(value, 160)


def _gone(guard: Exists, snapshot: Snapshot, baseline: Baseline) -> str:
    found = snapshot.objects(guard.of)
    about = _place(guard.of)
    if not found:
        there = snapshot.objects(guard.of.model_copy(update={"name": ""}))
        return absence(guard.of.kind, guard.of.name or guard.of.selector or "any", guard.of.namespace, there)
    if guard.same:
        uids = {obj["metadata"].get("uid") for obj in found}
        if any(was["metadata"].get("uid") not in uids for was in _then(guard.of, baseline)):
            return f"{about} was deleted and made again"
    for obj in found if guard.replicas else []:
        sign, bound = re.findall(r"[<>=]+|\d+", guard.replicas)
        replicas = (obj.get("spec") or {}).get("replicas", 1)
        if not isinstance(replicas, int) or not _BOUNDS[sign](replicas, int(bound)):
            return f"{title({'kind': guard.of.kind, **obj})} has {shown(replicas, 40)} replicas, not {guard.replicas}"
    return ""


def _then(of: Objects, baseline: Baseline) -> list[Json]:
    before = baseline.objects(of)
    if before is None:
        raise Unanswered(
            "what was there when the task began was not recorded", hint="reset the task to record it again"
        )
    return [sealed(of.kind, bare(obj)) for obj in before]


def _key(obj: Json) -> tuple[str, str]:
    return str(obj["metadata"].get("namespace", "")), str(obj["metadata"].get("name", ""))
