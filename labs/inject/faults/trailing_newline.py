"""A Secret's value ends with a newline (F29): whoever is given it refuses it."""

from __future__ import annotations

import base64

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._target import find

NUMBER = 29
SYMPTOM = "401 from the upstream, though the token reads right"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        secret: Name of the Secret.
        key: Which value.
        namespace: Its namespace, where the name alone does not say.
    """

    secret: str
    key: str
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Add the newline in place."""
    secret = find(manifests, "Secret", params.secret, params.namespace)
    plain, encoded = secret.get("stringData", {}), secret.get("data", {})
    if params.key in plain:
        plain[params.key] = plain[params.key].rstrip("\n") + "\n"
    elif params.key in encoded:
        value = base64.b64decode(encoded[params.key]).rstrip(b"\n") + b"\n"
        encoded[params.key] = base64.b64encode(value).decode()
    else:
        raise DataError(f"Secret `{params.secret}` has no key `{params.key}`")
