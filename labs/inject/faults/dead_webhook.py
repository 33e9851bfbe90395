"""A validating webhook whose server is gone refuses everything (F50)."""

from __future__ import annotations

from pydantic import Field

from grader.model import Json, Spec
from labs.inject.faults._seen import event
from labs.inject.faults._target import add

NUMBER = 50
SYMPTOM = "creating fails: failed calling webhook … no endpoints available, or service not found"
SEEN = event("FailedCreate", "failed calling webhook")


class Params(Spec):
    """What a scenario says in `with`. The webhook sees objects of one namespace only, so that no other task meets it.

    Attributes:
        namespace: Namespace whose objects it refuses.
        name: Name of the ValidatingWebhookConfiguration; default: `<namespace>-policy`.
        service: Service that it calls, in the same namespace, and that is not there.
        resources: What it refuses to create. Workloads among them could not be brought in, so it is pods.
    """

    namespace: str
    name: str = ""
    service: str = "policy"
    resources: tuple[str, ...] = Field(default=("pods",), min_length=1)


def transform(manifests: list[Json], params: Params) -> None:
    """Add the configuration in place."""
    name = params.name or f"{params.namespace}-policy"
    client = {"service": {"namespace": params.namespace, "name": params.service, "path": "/validate", "port": 443}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": list(params.resources)}
    webhook = {
        "name": f"{name}.labs.io",
        "clientConfig": client,
        "rules": [{**rule, "scope": "Namespaced"}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": params.namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "timeoutSeconds": 2,
        "admissionReviewVersions": ["v1"],
    }
    add(
        manifests,
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [webhook],
        },
    )
