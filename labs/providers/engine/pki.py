"""The cluster's certificates: EC keys, one CA for the cluster, one for the aggregation layer, a service-account key.

Called once per cluster by `bringup.py`. Everything is written with mode 0600; nothing here is renewed, a cluster that
outlives ten years is made anew.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from labs.providers.engine.addresses import Addresses
from labs.providers.engine.plan import write_private

LIFETIME = dt.timedelta(days=3650)
SKEW = dt.timedelta(days=1)  # a machine whose clock is set back a little still trusts its cluster
ADMIN_GROUP = "system:masters"


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA that signs for one purpose."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey


def write_pki(folder: Path, addresses: Addresses, nodes: Mapping[str, str]) -> None:
    """Make all keys and certificates of a cluster.

    Args:
        folder: Where they go.
        addresses: The cluster's addresses, for the API server's certificate.
        nodes: Node name → its address.
    """
    cluster = _authority(folder, "ca", "lab-ca")
    front = _authority(folder, "front-proxy-ca", "lab-front-proxy-ca")
    _service_account_key(folder)
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    hosts = ["127.0.0.1", addresses.host, addresses.api_service]
    _issue(folder, cluster, "apiserver", "kube-apiserver", hosts=[*names, "localhost", *hosts])
    _issue(folder, cluster, "apiserver-kubelet-client", "kube-apiserver-kubelet-client", group=ADMIN_GROUP)
    _issue(folder, cluster, "admin", "lab-admin", group=ADMIN_GROUP)
    _issue(folder, cluster, "controller-manager", "system:kube-controller-manager")
    _issue(folder, cluster, "scheduler", "system:kube-scheduler")
    _issue(folder, cluster, "kube-proxy", "system:kube-proxy")
    _issue(folder, cluster, "network-policies", "lab:network-policies")
    service = "metrics-server.kube-system.svc"
    _issue(folder, cluster, "metrics-server", "lab:metrics-server", hosts=["metrics-server", service])
    _issue(folder, front, "front-proxy-client", "front-proxy-client")
    for node, address in nodes.items():
        who = f"system:node:{node}"
        _issue(folder, cluster, f"kubelet-{node}", who, group="system:nodes", hosts=[node, address])


def _authority(folder: Path, file: str, common_name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
    )
    _write(folder, file, key, builder.sign(key, hashes.SHA256()))
    return Authority(name, key)


def _issue(
    folder: Path, authority: Authority, file: str, user: str, *, group: str = "", hosts: list[str] | None = None
) -> None:
    """Sign a certificate for a client, and for a server where `hosts` names it."""
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    if group:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = _builder(x509.Name(attributes), authority.name, key).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
    )
    if hosts:
        purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    _write(folder, file, key, builder.sign(authority.key, hashes.SHA256()))


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _service_account_key(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_private(folder / "sa.key", _private_pem(key))
    write_private(folder / "sa.pub", public.decode())


def _private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def _write(folder: Path, file: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    write_private(folder / f"{file}.key", _private_pem(key))
    write_private(folder / f"{file}.crt", certificate.public_bytes(serialization.Encoding.PEM).decode())
