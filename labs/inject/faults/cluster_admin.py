"""A ServiceAccount is cluster-admin (F48): whoever breaks into its pods owns the cluster."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.inject.faults._target import add

NUMBER = 48
SYMPTOM = "nothing fails; an audit of the bindings finds it"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        namespace: Namespace of the ServiceAccount.
        account: Its name.
        name: Name of the ClusterRoleBinding; default: `<namespace>-admin`.
    """

    namespace: str
    account: str = "default"
    name: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Add the binding in place."""
    add(
        manifests,
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": params.name or f"{params.namespace}-admin"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": params.account, "namespace": params.namespace}],
        },
    )
