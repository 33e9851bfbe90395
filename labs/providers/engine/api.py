"""A very small client of the API server for bringing a cluster up: get, apply, patch.

Called by the engine only, with the cluster's admin certificate. Standard library, because importing the full Kubernetes
client takes longer than the whole start; the grader and the labs have their own, richer client.
"""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from labs.errors import ClusterError

REQUEST_SECONDS = 10
MANAGER = "labs"

PLURALS = {
    "APIService": ("apis/apiregistration.k8s.io/v1", "apiservices", False),
    "ClusterRole": ("apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "ConfigMap": ("api/v1", "configmaps", True),
    "DaemonSet": ("apis/apps/v1", "daemonsets", True),
    "Deployment": ("apis/apps/v1", "deployments", True),
    "Namespace": ("api/v1", "namespaces", False),
    "Node": ("api/v1", "nodes", False),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "Secret": ("api/v1", "secrets", True),
    "Service": ("api/v1", "services", True),
    "ServiceAccount": ("api/v1", "serviceaccounts", True),
    "StorageClass": ("apis/storage.k8s.io/v1", "storageclasses", False),
}
"""The kinds our add-ons consist of: group and version, plural, namespaced."""


class ApiClient:
    """One connection to the API server.

    Args:
        server: Its URL.
        pki: Folder with `ca.crt`, `admin.crt` and `admin.key`.
    """

    def __init__(self, server: str, pki: Path) -> None:
        self._url = urlsplit(server)
        self._tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self._connection: http.client.HTTPSConnection | None = None

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, path: str) -> Any:
        """Return the object or list at `path` (without a leading slash), or None where there is none.

        Raises:
            ClusterError: The API server did not answer or refused.
        """
        return self._request("GET", path)

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return the items of the list at `path`."""
        found = self.get(path)
        return list(found["items"]) if found else []

    def apply(self, manifest: dict[str, Any]) -> None:
        """Create an object or bring it to what `manifest` says (server-side apply)."""
        group, plural, namespaced = PLURALS[manifest["kind"]]
        meta = manifest["metadata"]
        where = f"namespaces/{meta['namespace']}/{plural}" if namespaced else plural
        path = f"{group}/{where}/{meta['name']}?fieldManager={MANAGER}&force=true"
        self._request("PATCH", path, manifest, "application/apply-patch+yaml")

    def patch(self, path: str, change: dict[str, Any]) -> None:
        """Merge `change` into the object at `path`."""
        self._request("PATCH", path, change, "application/merge-patch+json")

    def replace(self, path: str, body: dict[str, Any]) -> None:
        """Put a whole object in the place of the one at `path`."""
        self._request("PUT", path, body)

    def delete(self, path: str) -> None:
        """Delete the object at `path`; none there is no error."""
        self._request("DELETE", path)

    def _request(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        headers = {"Accept": "application/json", "Content-Type": kind}
        data = None if body is None else json.dumps(body)
        try:
            if self._connection is None:
                self._connection = http.client.HTTPSConnection(
                    self._url.hostname or "", self._url.port, timeout=REQUEST_SECONDS, context=self._tls
                )
            self._connection.request(method, f"/{path}", body=data, headers=headers)
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ClusterError(f"the API server did not answer: {error}", hint="run `labs status`") from error
        if response.status == http.client.NOT_FOUND and method in {"GET", "DELETE"}:
            return None
        if response.status >= http.client.BAD_REQUEST:
            words = _message(text)
            raise ClusterError(f"the API server refused {method} {path.partition('?')[0]}: {words}")
        return json.loads(text)


def _message(text: bytes) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.decode(errors="replace")[:200]
