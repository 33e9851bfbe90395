"""The normal form of an object: what an author or a learner decides, without what the cluster adds by itself. Pure.

`snapshot.py` compares objects in this form, byte for byte; `restore.py` writes them back from it. What the API's
conventions say of any object, its controller and its kind's plural, stands here too.
"""

from __future__ import annotations

import copy
from typing import Any

from grader.model import Json
from grader.taints import of_people

_META = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
_ANNOTATIONS = (
    "deployment.kubernetes.io/",
    "deprecated.daemonset.template.generation",
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
    "volume.beta.kubernetes.io/",
    "batch.kubernetes.io/job-tracking",
)
_FINALIZERS = ("kubernetes.io/", "kubernetes", "foregroundDeletion", "orphan", "batch.kubernetes.io/")
_JOB_LABELS = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")
_POD_ONLY = ("nodeName", "ephemeralContainers", "priority")
_DERIVED_KINDS = frozenset({"Event", "Lease", "ControllerRevision", "PodMetrics", "LocalSubjectAccessReview"})
PROBER = "labs.io/prober"


def plural(kind: str) -> str:
    """Return a kind's plural as it stands in paths: `networkpolicies`."""
    low = kind.lower()
    if low.endswith(("s", "x", "ch")):
        return low if low == "endpoints" else f"{low}es"
    return f"{low[:-1]}ies" if low.endswith("y") else f"{low}s"


def controller_of(obj: Json) -> Json | None:
    """Return the reference to what controls an object, None where nothing does."""
    references: list[Json] = obj["metadata"].get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), None)


def is_derived(obj: Json) -> bool:
    """Return whether the cluster made the object from others, or it is the grader's: nobody decided it."""
    meta = obj["metadata"]
    kind, labels = obj["kind"], meta.get("labels") or {}
    if kind in _DERIVED_KINDS or PROBER in labels:
        return True
    if controller_of(obj) is not None:
        return True
    if kind == "EndpointSlice":
        return str(labels.get("endpointslice.kubernetes.io/managed-by", "")).endswith("controller.k8s.io")
    if kind == "Endpoints":
        marked = "endpoints.kubernetes.io/last-change-trigger-time" in (meta.get("annotations") or {})
        return marked or labels.get("endpoints.kubernetes.io/managed-by") == "endpoint-controller"
    if kind == "ConfigMap":
        return bool(meta["name"] == "kube-root-ca.crt")
    return is_pristine_account(obj)


def is_pristine_account(obj: Json) -> bool:
    """Return whether this is a namespace's `default` ServiceAccount as the cluster makes it."""
    if obj["kind"] != "ServiceAccount" or obj["metadata"]["name"] != "default":
        return False
    plain = normal(obj)
    return set(plain) <= {"apiVersion", "kind", "metadata"} and set(plain["metadata"]) <= {"name", "namespace"}


def normal(obj: Json) -> Json:
    """Return the object's normal form; the argument stays as it is."""
    plain = copy.deepcopy(obj)
    plain.pop("status", None)
    meta = plain["metadata"]
    for name in _META:
        meta.pop(name, None)
    _prune(meta, "annotations", _ANNOTATIONS)
    meta["finalizers"] = [f for f in meta.get("finalizers") or [] if not f.startswith(_FINALIZERS)]
    for name in ("annotations", "labels", "finalizers", "ownerReferences"):
        if not meta.get(name):
            meta.pop(name, None)
    handler = _HANDLERS.get(plain["kind"])
    if handler is not None:
        handler(plain)
    return plain


def _prune(parent: Json, name: str, prefixes: tuple[str, ...]) -> None:
    kept = {k: v for k, v in (parent.get(name) or {}).items() if not k.startswith(prefixes)}
    if kept:
        parent[name] = kept
    else:
        parent.pop(name, None)


def _namespace(obj: Json) -> None:
    obj.pop("spec", None)


def _job(obj: Json) -> None:
    spec = obj["spec"]
    if not spec.get("manualSelector"):
        spec.pop("selector", None)
        _prune(spec["template"].setdefault("metadata", {}), "labels", _JOB_LABELS)
        _prune(obj["metadata"], "labels", _JOB_LABELS)
    _no_creation(spec["template"])


def _template(obj: Json) -> None:
    _no_creation(obj["spec"]["template"])


def _no_creation(template: Json) -> None:
    """Some servers write `creationTimestamp: null` into templates."""
    (template.get("metadata") or {}).pop("creationTimestamp", None)


def _pod(obj: Json) -> None:
    spec = obj["spec"]
    for name in _POD_ONLY:
        spec.pop(name, None)
    token = {v["name"] for v in spec.get("volumes") or [] if v["name"].startswith("kube-api-access-")}
    spec["volumes"] = [v for v in spec.get("volumes") or [] if v["name"] not in token]
    if not spec["volumes"]:
        spec.pop("volumes")
    for container in [*spec.get("containers", []), *(spec.get("initContainers") or [])]:
        mounts = [m for m in container.get("volumeMounts") or [] if m["name"] not in token]
        container.pop("volumeMounts", None)
        if mounts:
            container["volumeMounts"] = mounts


def _claim(obj: Json) -> None:
    obj["spec"].pop("volumeName", None)


def _node(obj: Json) -> None:
    """Of a node, only what people set: labels, taints of theirs, and whether it is cordoned."""
    spec: dict[str, Any] = {}
    if taints := of_people(obj):
        spec["taints"] = taints
    if obj["spec"].get("unschedulable"):
        spec["unschedulable"] = True
    meta = obj["metadata"]
    obj["metadata"] = {"name": meta["name"], "labels": meta.get("labels") or {}}
    obj["spec"] = spec


_HANDLERS = {
    "Namespace": _namespace,
    "Job": _job,
    "Pod": _pod,
    "Deployment": _template,
    "StatefulSet": _template,
    "DaemonSet": _template,
    "ReplicaSet": _template,
    "PersistentVolumeClaim": _claim,
    "Node": _node,
}
