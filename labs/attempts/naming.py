"""How people write down an object, read as one: `deploy/x`, `deployments.apps/x`, `Deployment x`. Pure.

`diagnosis.py` compares names with it, `clues.py` knows from it what to list, `labs.coaching` turns the audit log's
resources into kinds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from labs.inject.normal import plural

# kind → short names, as `kubectl api-resources` has them; plurals follow from the kind
_SHORT = {
    "Pod": ("po",),
    "Deployment": ("deploy",),
    "StatefulSet": ("sts",),
    "DaemonSet": ("ds",),
    "ReplicaSet": ("rs",),
    "ReplicationController": ("rc",),
    "Job": (),
    "CronJob": ("cj",),
    "Service": ("svc",),
    "Endpoints": ("ep",),
    "EndpointSlice": (),
    "Ingress": ("ing",),
    "IngressClass": (),
    "NetworkPolicy": ("netpol",),
    "ConfigMap": ("cm",),
    "Secret": (),
    "ServiceAccount": ("sa",),
    "Role": (),
    "RoleBinding": (),
    "ClusterRole": (),
    "ClusterRoleBinding": (),
    "ResourceQuota": ("quota",),
    "LimitRange": ("limits",),
    "PersistentVolumeClaim": ("pvc",),
    "PersistentVolume": ("pv",),
    "StorageClass": ("sc",),
    "HorizontalPodAutoscaler": ("hpa",),
    "PodDisruptionBudget": ("pdb",),
    "PriorityClass": ("pc",),
    "RuntimeClass": (),
    "Namespace": ("ns",),
    "Node": ("no",),
    "Event": ("ev",),
    "CustomResourceDefinition": ("crd",),
    "MutatingWebhookConfiguration": (),
    "ValidatingWebhookConfiguration": (),
    "ValidatingAdmissionPolicy": (),
    "ValidatingAdmissionPolicyBinding": (),
    "APIService": (),
}
_WRITTEN = re.compile(r"^\s*([A-Za-z][\w.-]*)\s*(?:/|\s)\s*(?:([\w.-]+)\s*/\s*)?([\w.:-]+)\s*$")


_KINDS = {
    word: kind
    for kind, short in _SHORT.items()
    for word in (*short, kind.lower(), plural(kind), *((f"{short[0]}s",) if short else ()))
}


def kind_of(word: str) -> str:
    """Return the kind that a word means, in whatever form; a kind we do not know stays as it is, without its group."""
    plain = word.partition(".")[0]
    return _KINDS.get(plain.lower(), plain)


@dataclass(frozen=True, slots=True)
class Named:
    """An object that somebody named.

    Attributes:
        kind: Kind.
        name: Name.
        namespace: Namespace, where one was given.
    """

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    def same(self, other: Named) -> bool:
        """Whether both mean one object; a namespace counts only where both have one."""
        if self.name.lower() != other.name.lower() or (self.namespace and other.namespace not in {"", self.namespace}):
            return False
        mine, theirs = self.kind.lower(), other.kind.lower()
        return mine == theirs or mine == plural(theirs) or theirs == plural(mine)


def read_name(text: str) -> Named | None:
    """Read `Kind/name`, `kind.group/name`, `Kind name` or `Kind namespace/name`; None when it is none of these."""
    found = _WRITTEN.match(text.strip().strip("`'\"").removesuffix("/"))
    if found is None:
        return None
    kind, namespace, name = found.groups()
    return Named(kind_of(kind), name, namespace or "")
