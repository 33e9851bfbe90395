"""A ConfigMap was changed after the pods had started, and nothing rolled (F44): they serve the old settings."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._target import find

NUMBER = 44
SYMPTOM = "the ConfigMap is new, the pods' behaviour is old"


class Params(Spec):
    """What a scenario says in `with`. Use it with `when: ready`, so that the pods start with the old value.

    Attributes:
        config_map: Name of the ConfigMap.
        key: Which value.
        value: Its new content, whole; or
        find: text in it that is replaced
        replace: by this.
        namespace: Its namespace, where the name alone does not say.
    """

    config_map: str
    key: str
    value: str = ""
    find: str = ""
    replace: str = ""
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change the value in place; annotations with its checksum stay as they are."""
    data = find(manifests, "ConfigMap", params.config_map, params.namespace).setdefault("data", {})
    if params.key not in data:
        raise DataError(f"ConfigMap `{params.config_map}` has no key `{params.key}`")
    if params.find and params.find not in data[params.key] and params.replace not in data[params.key]:
        raise DataError(f"`{params.key}` of ConfigMap `{params.config_map}` does not say `{params.find}`")
    if not params.find:
        data[params.key] = params.value
    elif params.replace not in data[params.key]:
        data[params.key] = data[params.key].replace(params.find, params.replace)
