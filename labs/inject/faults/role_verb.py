"""A Role lacks a verb (F46): the client gets 403."""

from __future__ import annotations

from typing import Literal

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._target import find

NUMBER = 46
SYMPTOM = "403 Forbidden for one verb"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        role: Name of the Role or ClusterRole.
        resource: Resource, plural, whose verb is taken away; others in the same rule keep it.
        verb: The verb.
        kind: Which of the two it is.
        namespace: Its namespace, where the name alone does not say.
    """

    role: str
    resource: str
    verb: str
    kind: Literal["Role", "ClusterRole"] = "Role"
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Take the verb out of the rules in place; a rule over several resources is split."""
    role = find(manifests, params.kind, params.role, params.namespace)
    rules = role.get("rules") or []
    about = [r for r in rules if {params.resource, "*"} & set(r.get("resources", []))]
    if any("*" in [*r["verbs"], *r["resources"]] for r in about):
        raise DataError(f"a rule of {params.kind} `{params.role}` uses `*`", hint="list its verbs and resources")
    role["rules"] = [new for rule in rules for new in _without(rule, params)]


def _without(rule: Json, params: Params) -> list[Json]:
    if params.resource not in rule.get("resources", []) or params.verb not in rule["verbs"]:
        return [rule]
    others = [r for r in rule["resources"] if r != params.resource]
    verbs = [v for v in rule["verbs"] if v != params.verb]
    kept = [{**rule, "resources": others}] if others else []
    return [*kept, {**rule, "resources": [params.resource], "verbs": verbs}] if verbs else kept
