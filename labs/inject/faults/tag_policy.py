"""A ValidatingAdmissionPolicy forbids an image tag (F51): pods that have it are refused."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.inject.faults._seen import event
from labs.inject.faults._target import add

NUMBER = 51
SYMPTOM = "FailedCreate: ValidatingAdmissionPolicy … denied request"
SEEN = event("FailedCreate", "denied request")


class Params(Spec):
    """What a scenario says in `with`. The policy sees pods of one namespace only, so that no other task meets it.

    It counts from up to a second after it was made. Give the tag to a workload by `image_tag` with `when: ready`.

    Attributes:
        namespace: Namespace whose pods it judges.
        tag: The forbidden tag.
        name: Name of policy and binding; default: `<namespace>-tags`.
    """

    namespace: str
    tag: str = "latest"
    name: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Add policy and binding in place."""
    name = params.name or f"{params.namespace}-tags"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    validation = {
        "expression": f"object.spec.containers.all(c, !c.image.endsWith(':{params.tag}'))",
        "message": f"images with the tag {params.tag} are not admitted: pin a release",
    }
    common = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    policy = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]}, "validations": [validation]}
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": params.namespace}}}
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": here}
    add(manifests, {**common, "kind": "ValidatingAdmissionPolicy", "spec": policy})
    add(manifests, {**common, "metadata": {"name": name}, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding})
