"""An object carries a finalizer of a controller that is gone (F52): it cannot be deleted."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.inject.faults._target import find

NUMBER = 52
SYMPTOM = "after a delete the object stays, Terminating"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        kind: Kind of the object.
        name: Its name.
        finalizer: The finalizer.
        namespace: Its namespace, where the name alone does not say.
    """

    kind: str
    name: str
    finalizer: str = "models.labs.io/archive"
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Add the finalizer in place."""
    finalizers = find(manifests, params.kind, params.name, params.namespace)["metadata"].setdefault("finalizers", [])
    if params.finalizer not in finalizers:
        finalizers.append(params.finalizer)
