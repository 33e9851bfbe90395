"""A binding names a ServiceAccount in the wrong namespace, or a wrong one (F47): the client gets 403."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._target import find

NUMBER = 47
SYMPTOM = "403 Forbidden for everything"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        binding: Name of the RoleBinding or ClusterRoleBinding.
        to_namespace: Wrong namespace of its ServiceAccounts; or
        to_name: their wrong name.
        kind: Which of the two bindings it is.
        namespace: Its namespace, where the name alone does not say.
    """

    binding: str
    to_namespace: str = ""
    to_name: str = ""
    kind: Literal["RoleBinding", "ClusterRoleBinding"] = "RoleBinding"
    namespace: str = ""

    @model_validator(mode="after")
    def _some(self) -> Params:
        if not self.to_namespace and not self.to_name:
            raise ValueError("give `to_namespace` or `to_name`")
        return self


def transform(manifests: list[Json], params: Params) -> None:
    """Change the subjects in place."""
    binding = find(manifests, params.kind, params.binding, params.namespace)
    accounts = [s for s in binding.get("subjects") or [] if s["kind"] == "ServiceAccount"]
    if not accounts:
        raise DataError(f"{params.kind} `{params.binding}` names no ServiceAccount")
    for account in accounts:
        if params.to_namespace:
            account["namespace"] = params.to_namespace
        if params.to_name:
            account["name"] = params.to_name
