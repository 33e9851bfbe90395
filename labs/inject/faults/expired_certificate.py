"""A serving certificate is past its date: clients that verify it refuse to talk.

With `at: 1m` it expires while the learner works.
"""

from __future__ import annotations

import base64
from datetime import timedelta

from pydantic import Field

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._target import find

NUMBER = 0
SYMPTOM = "certificate has expired"
_FIELDS = ("tls.crt", "tls.key")


class Params(Spec):
    """What a scenario says in `with`.

    The certificate becomes one that signs itself: same key, names and begin, and an end so many days after that.

    Attributes:
        secret: Name of the Secret of type `kubernetes.io/tls`.
        days: How long the certificate is valid from its own begin; with the shipped one that day is long gone.
        namespace: Its namespace, where the name alone does not say.
    """

    secret: str
    days: int = Field(default=1, ge=1)
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Replace the certificate in place."""
    secret = find(manifests, "Secret", params.secret, params.namespace)
    plain, encoded = secret.get("stringData", {}), secret.get("data", {})
    held = {f: plain[f].encode() if f in plain else base64.b64decode(encoded.get(f, "")) for f in _FIELDS}
    if not all(held.values()):
        raise DataError(f"Secret `{params.secret}` has no {' and '.join(_FIELDS)}")
    expired = _expired(held["tls.crt"], held["tls.key"], timedelta(days=params.days))
    if expired is None:
        return
    if "tls.crt" in plain:
        plain["tls.crt"] = expired.decode()
    else:
        encoded["tls.crt"] = base64.b64encode(expired).decode()


def _expired(certificate: bytes, key: bytes, valid: timedelta) -> bytes | None:
    """Return the shorter certificate, None where it is that short already."""
    from cryptography import x509  # noqa: PLC0415 - it takes long to load, and one fault needs it
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key  # noqa: PLC0415 - as above

    try:
        old, signer = x509.load_pem_x509_certificate(certificate), load_pem_private_key(key, None)
    except ValueError as error:
        raise DataError(f"the Secret holds no certificate with its key: {error}") from None
    end = old.not_valid_before_utc + valid
    if old.not_valid_after_utc <= end:
        return None
    new = x509.CertificateBuilder(
        old.subject,
        old.subject,
        old.public_key(),
        old.serial_number,
        old.not_valid_before_utc,
        end,
        list(old.extensions),
    )
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return new.sign(signer, digest).public_bytes(Encoding.PEM)  # type: ignore[arg-type]  # any key that X.509 takes
