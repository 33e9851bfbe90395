"""Which failures are definite: their cause lies in what only the learner writes, so that waiting is in vain.

Used by `grader.track`. A check that reads a Service's selector fails until somebody changes the Service; one that reads
a status, Pods or endpoints may pass by itself a moment later and is for `grader.settle` to judge.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from grader.model import Check, Json, Objects, Rendered
from grader.snapshot import Question, Snapshot
from grader.times import age_of, changes

_WRITTEN = frozenset(
    {"ConfigMap", "Secret", "Service", "ServiceAccount", "Ingress", "NetworkPolicy", "ResourceQuota", "LimitRange"}
    | {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "PodDisruptionBudget", "PriorityClass"}
    | {"StorageClass", "CronJob", "HorizontalPodAutoscaler", "RuntimeClass"}
)
_SCALED = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
"""A learner writes them too, but an autoscaler writes their replicas and a controller their annotations."""

_MOVING = re.compile(r"\b(status|managedFields|resourceVersion|generation|uid|creationTimestamp|deletionTimestamp)\b")
_SCALING = re.compile(r"\b(replicas|annotations)\b")
_WORKSPACE = frozenset({"git", "kustomize"})


def reads_only_what_is_written(check: Check, questions: Iterable[Question]) -> bool:
    """Return whether a check looks at nothing that a controller writes.

    Args:
        check: The check.
        questions: The lists it reads.
    """
    if check.kind in _WORKSPACE:
        return True
    if check.kind not in {"cel", "match"}:
        return False
    words = _words(check)
    kinds = {question.kind for question in questions if isinstance(question, Objects)}
    if not kinds <= _WRITTEN | _SCALED or _MOVING.search(words):
        return False
    return not (kinds & _SCALED and _SCALING.search(words))


def _words(check: Check) -> str:
    return check.cel or json.dumps(check.match.object if check.match else {})


def inputs(questions: Iterable[Question], snapshot: Snapshot) -> str:
    """Return a digest of what a check read, without what controllers write; raises as `Snapshot.raw` does."""
    digest = hashlib.sha256()
    for question in questions:
        for obj in snapshot.raw(question):
            digest.update(json.dumps(_written(obj), sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _written(obj: Json) -> Json:
    meta: dict[str, Any] = obj.get("metadata") or {}
    kept = {key: meta[key] for key in ("name", "namespace", "labels", "annotations", "uid") if key in meta}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": kept}


def youngest(questions: Iterable[Question], snapshot: Snapshot, now: datetime) -> float:
    """Return how many seconds ago the newest change of anything that a check read was made; raises as `raw` does."""
    ages = [
        age_of(changes(obj, status=False), now)
        for question in questions
        if not isinstance(question, Rendered)
        for obj in snapshot.raw(question)
    ]
    return min(ages, default=float("inf"))
