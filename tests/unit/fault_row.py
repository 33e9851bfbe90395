"""What a row of `fault_rows` is, and how it looks at the objects of `fault_world`."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from grader.model import Json
from tests.unit.fault_world import one

WEB = {"deployment": "web"}


class Row(NamedTuple):
    """A use of a fault, and what must then be true of the objects."""

    use: str
    with_: dict[str, Any]
    broken: Callable[[list[Json]], bool]


def deployment(objects: list[Json]) -> Json:
    found: Json = one(objects, "Deployment", "web")["spec"]
    return found


def pod(objects: list[Json]) -> Json:
    found: Json = deployment(objects)["template"]["spec"]
    return found


def server(objects: list[Json]) -> Json:
    return next(c for c in pod(objects)["containers"] if c["name"] == "server")


def service(objects: list[Json]) -> Json:
    found: Json = one(objects, "Service", "web")["spec"]
    return found


def spec(objects: list[Json], kind: str, name: str) -> Json:
    found: Json = one(objects, kind, name)["spec"]
    return found


def agent(objects: list[Json]) -> list[str]:
    words: list[str] = spec(objects, "Pod", "node-health")["containers"][0]["command"]
    return words[3:]


def variable(objects: list[Json], name: str) -> Any:
    return next((e.get("value") for e in server(objects)["env"] if e["name"] == name), None)


def gpus(objects: list[Json]) -> list[Json]:
    parts = (server(objects)["resources"][part] for part in ("requests", "limits"))
    return [{k: v for k, v in part.items() if k.startswith("nvidia.com/")} for part in parts]


def mounts(objects: list[Json]) -> list[Json]:
    found: list[Json] = server(objects)["volumeMounts"]
    return found


def shm(objects: list[Json]) -> Any:
    return next(v["emptyDir"] for v in pod(objects)["volumes"] if v["name"] == "shm")


def switches(objects: list[Json], name: str) -> list[Any]:
    return [variable(objects, "ENABLE_FAULTS"), variable(objects, name)]


def lifetime(objects: list[Json]) -> timedelta:
    secret = one(objects, "Secret", "tls")["stringData"]
    certificate = x509.load_pem_x509_certificate(secret["tls.crt"].encode())
    key = load_pem_private_key(secret["tls.key"].encode(), None)
    assert certificate.public_key() == key.public_key()
    assert certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc


def record(obj: Json) -> Json:
    """Return what a Secret of Helm holds."""
    found: Json = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(obj["data"]["release"]))))
    return found
