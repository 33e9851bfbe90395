"""Discovery of pods for a Prometheus that was built without it, as Debian's is: an HTTP service discovery beside it.

    discover.py NAMESPACE [PORT]      serves http://localhost:PORT/pods (9099) for `http_sd_configs`

Each answer is made from a fresh list of the namespace's pods, with the targets and the labels of Prometheus' own
`kubernetes_sd_configs` with `role: pod`: one target for each declared container port, `__meta_kubernetes_pod_…`. Where
the API server cannot be asked it answers 503, and Prometheus keeps the targets it has. Standard library only; the
service account's token of the pod is its identity, and it needs `list` on pods.
"""

# ruff: noqa: INP001 - one file in an image, no module of a package

from __future__ import annotations

import json
import os
import re
import ssl
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

IDENTITY = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT = 5.0
PREFIX = "__meta_kubernetes_"


def pods(namespace: str, context: ssl.SSLContext) -> list[dict[str, Any]]:
    """Ask the API server for the namespace's pods; raises OSError or ValueError."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    token = (IDENTITY / "token").read_text()  # it is renewed while we run
    url = f"https://{f'[{host}]' if ':' in host else host}:{port}/api/v1/namespaces/{namespace}/pods"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=TIMEOUT, context=context) as answer:  # noqa: S310 - as above
        found: list[dict[str, Any]] = json.load(answer)["items"]
    return found


def groups(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a pod's targets with their labels; none while it has no address."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    address = status.get("podIP")
    if not address:
        return []
    ready = next((c["status"] for c in status.get("conditions") or [] if c["type"] == "Ready"), "unknown")
    labels = {
        "namespace": meta["namespace"],
        "pod_name": meta["name"],
        "pod_ip": address,
        "pod_uid": meta["uid"],
        "pod_phase": status.get("phase", ""),
        "pod_ready": ready.lower(),
        "pod_node_name": spec.get("nodeName", ""),
        "pod_host_ip": status.get("hostIP", ""),
    }
    for owner in meta.get("ownerReferences") or []:
        if owner.get("controller"):
            labels |= {"pod_controller_kind": owner["kind"], "pod_controller_name": owner["name"]}
    for kind in ("label", "annotation"):
        for key, value in (meta.get(f"{kind}s") or {}).items():
            name = re.sub(r"[^a-zA-Z0-9_]", "_", key)
            labels |= {f"pod_{kind}_{name}": value, f"pod_{kind}present_{name}": "true"}
    host = f"[{address}]" if ":" in address else address
    return [
        {
            "targets": [f"{host}:{more['pod_container_port_number']}" if "pod_container_port_number" in more else host],
            "labels": {PREFIX + name: value for name, value in {**labels, **more}.items()},
        }
        for container in spec["containers"]
        for more in _ports(container)
    ]


def _ports(container: dict[str, Any]) -> list[dict[str, str]]:
    own = {"pod_container_name": container["name"], "pod_container_image": container.get("image", "")}
    return [
        {
            **own,
            "pod_container_port_name": port.get("name", ""),
            "pod_container_port_number": str(port["containerPort"]),
            "pod_container_port_protocol": port.get("protocol", "TCP"),
        }
        for port in container.get("ports") or []
    ] or [own]


def handler(namespace: str) -> type[BaseHTTPRequestHandler]:
    """Return what answers requests for one namespace."""
    context = ssl.create_default_context(cafile=str(IDENTITY / "ca.crt"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                body = json.dumps([group for pod in pods(namespace, context) for group in groups(pod)]).encode()
                status = 200
            except (OSError, ValueError, KeyError) as error:
                sys.stderr.write(f"the pods of {namespace} cannot be listed: {error}\n")
                status, body = 503, b"[]"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing of requests that went well: there is one every second."""

    return Handler


if __name__ == "__main__":
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 9099  # noqa: PLR2004 - the second argument
    ThreadingHTTPServer(("127.0.0.1", port), handler(sys.argv[1])).serve_forever()
