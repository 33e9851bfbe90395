"""A healthy set of manifests that every library fault finds something to break in."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from grader.model import Json

NS = "shop"


def _object(api: str, kind: str, name: str, **parts: Any) -> Json:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": NS}, **parts}


def _container() -> Json:
    return {
        "name": "server",
        "image": "registry.lab/model-server:1.0.0",
        "args": ["--host", "0.0.0.0", "--port=8000"],  # noqa: S104 - what a healthy server says
        "ports": [{"name": "http", "containerPort": 8000}],
        "env": [
            {"name": "MODEL_PATH", "value": "/models"},
            {"name": "FEATURES_URL", "value": "http://features.data:8080/v1"},
            {"name": "LIMIT", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "limit"}}},
        ],
        "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": 8000}, "periodSeconds": 1},
        "startupProbe": {"httpGet": {"path": "/v2/health/live", "port": 8000}},
        "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},
        "resources": {
            "requests": {"cpu": "20m", "memory": "128Mi", "nvidia.com/gpu": "1"},
            "limits": {"memory": "256Mi", "nvidia.com/gpu": "1"},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/modelserver"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path inside the container
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - as above
        ],
    }


def _pod() -> Json:
    return {
        "serviceAccountName": "web",
        "imagePullSecrets": [{"name": "registry"}],
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}, {"key": "other", "operator": "Exists"}],
        "nodeSelector": {"pool": "gpu"},
        "containers": [_container()],
        "volumes": [
            {"name": "config", "configMap": {"name": "settings", "items": [{"key": "config.yaml", "path": "c.yaml"}]}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        ],
    }


def _workloads() -> list[Json]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels, "annotations": {"prometheus.io/port": "8000"}}, "spec": _pod()}
    store = {"metadata": {"labels": {"app": "store"}}, "spec": {"containers": [{"name": "db", "image": "x:1"}]}}
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "standard"}}
    return [
        _object(
            "apps/v1",
            "Deployment",
            "web",
            spec={"replicas": 2, "selector": {"matchLabels": dict(labels)}, "template": template},
        ),
        _object(
            "apps/v1",
            "StatefulSet",
            "store",
            spec={
                "serviceName": "store",
                "selector": {"matchLabels": {"app": "store"}},
                "template": store,
                "volumeClaimTemplates": [claim],
            },
        ),
    ]


def _network() -> list[Json]:
    backend = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}
    return [
        _object(
            "v1",
            "Service",
            "web",
            spec={"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}, {"port": 90}]},
        ),
        _object(
            "v1",
            "Service",
            "store",
            spec={"clusterIP": "None", "selector": {"app": "store"}, "ports": [{"port": 5432}]},
        ),
        _object(
            "networking.k8s.io/v1",
            "Ingress",
            "web",
            spec={"ingressClassName": "lab", "rules": [{"host": "web.lab", "http": {"paths": [backend]}}]},
        ),
        _object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "outgoing",
            spec={
                "podSelector": {},
                "policyTypes": ["Egress"],
                "egress": [
                    {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]},
                    {"ports": [{"protocol": "TCP", "port": 443}]},
                ],
            },
        ),
    ]


def _certificate() -> dict[str, str]:
    """Return a certificate for ten years, and its key; always the same, as its key and its times are."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "web.shop.svc")])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, begin, begin + timedelta(days=3650))
    names = x509.SubjectAlternativeName([x509.DNSName("web.shop.svc")])
    certificate = builder.add_extension(names, critical=False).sign(key, None)
    return {
        "tls.crt": certificate.public_bytes(Encoding.PEM).decode(),
        "tls.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    }


def _rest() -> list[Json]:
    subject = {"kind": "ServiceAccount", "name": "web", "namespace": NS}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    rules = [{"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get", "watch"]}]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return [
        _object("v1", "ConfigMap", "settings", data={"config.yaml": "queue_size: 64\n", "limit": "10"}),
        _object("v1", "Secret", "token", data={"token": base64.b64encode(b"abc").decode()}),
        _object("v1", "Secret", "tls", type="kubernetes.io/tls", stringData=_certificate()),
        _object("v1", "ServiceAccount", "web"),
        _object("rbac.authorization.k8s.io/v1", "Role", "reader", rules=rules),
        _object("rbac.authorization.k8s.io/v1", "RoleBinding", "reader", roleRef=role, subjects=[subject]),
        _object(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "web",
            spec={
                "scaleTargetRef": target,
                "minReplicas": 2,
                "maxReplicas": 5,
                "metrics": [
                    {"type": "Resource", "resource": {"name": "cpu"}},
                    {"type": "Pods", "pods": {"metric": {"name": "vllm:num_requests_waiting"}}},
                ],
            },
        ),
        _object(
            "v1",
            "PersistentVolumeClaim",
            "cache",
            spec={"accessModes": ["ReadWriteMany"], "storageClassName": "standard"},
        ),
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": "batch"},
            "value": 100,
        },
    ]


def _release(version: int, status: str) -> Json:
    record = {"name": "web", "version": version, "info": {"status": status, "description": "Upgrade complete"}}
    packed = base64.b64encode(gzip.compress(json.dumps(record).encode(), mtime=0))
    name, labels = f"sh.helm.release.v1.web.v{version}", {"name": "web", "owner": "helm", "version": str(version)}
    secret = _object(
        "v1", "Secret", name, type="helm.sh/release.v1", data={"release": base64.b64encode(packed).decode()}
    )
    secret["metadata"]["labels"] = {**labels, "status": status}
    return secret


RULES = """\
groups:
- name: serving
  rules:
  - alert: ErrorBudget
    expr: rate(inference_requests_total{code="500"}[5m]) / rate(inference_requests_total{}[5m]) > 0.01
  - record: inference_requests_total_by_me
    expr: sum(up)
"""


def _delivery() -> list[Json]:
    request = {"name": "gpu", "exactly": {"deviceClassName": "gpu.lab"}}
    return [
        _object(
            "resource.k8s.io/v1",
            "ResourceClaimTemplate",
            "gpu",
            spec={"spec": {"devices": {"requests": [request]}}},
        ),
        _object("v1", "ConfigMap", "rules", data={"alerts.yaml": RULES}),
        _release(9, "superseded"),
        _release(10, "deployed"),
    ]


def healthy() -> list[Json]:
    """Return new manifests, the same each time."""
    return [*_workloads(), *_network(), *_rest(), *_delivery()]


def one(objects: list[Json], kind: str, name: str) -> Json:
    """Return the object of that kind and name."""
    (found,) = (o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, name))
    return found
