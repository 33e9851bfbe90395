"""An alert is about a metric that nobody exports any more (F87): it never fires, whatever happens.

The rules are in a ConfigMap that the scenario's Prometheus reads.
"""

from __future__ import annotations

import re

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._target import find

NUMBER = 87
SYMPTOM = "the alert's expression returns nothing; it is inactive while requests fail"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        config_map: Name of the ConfigMap with the rules.
        metric: The metric that the rules name.
        renamed: The name that nobody exports.
        key: Key in the ConfigMap; default: every one that names the metric.
        namespace: Its namespace, where the name alone does not say.
    """

    config_map: str
    metric: str
    renamed: str
    key: str = ""
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Rename the metric in place, wherever it stands as a whole name."""
    rules: dict[str, str] = find(manifests, "ConfigMap", params.config_map, params.namespace).get("data") or {}
    if params.key and params.key not in rules:
        known = ", ".join(sorted(rules)) or "nothing"
        raise DataError(f"the ConfigMap `{params.config_map}` has no key `{params.key}`", hint=f"it has {known}")
    chosen = [params.key] if params.key else sorted(rules)
    old, new = (re.compile(rf"(?<![\w:]){re.escape(name)}(?![\w:])") for name in (params.metric, params.renamed))
    if not any(old.search(rules[key]) or new.search(rules[key]) for key in chosen):
        raise DataError(f"the ConfigMap `{params.config_map}` names no metric `{params.metric}`")
    for key in chosen:
        rules[key] = old.sub(params.renamed, rules[key])
