"""Writes kubeconfigs with everything inside, so that one file can be handed on. Called by `bringup.py`."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from labs.providers.engine.plan import write_private


def write_kubeconfig(path: Path, *, pki: Path, user: str, server: str, context: str) -> None:
    """Write a kubeconfig of mode 0600.

    Args:
        path: The file.
        pki: Folder with `ca.crt`, `<user>.crt` and `<user>.key`.
        user: Base name of the certificate.
        server: URL of the API server.
        context: Name of the one context, of its cluster and of its user.
    """

    def inline(name: str) -> str:
        return base64.b64encode((pki / name).read_bytes()).decode()

    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": context, "cluster": {"server": server, "certificate-authority-data": inline("ca.crt")}}],
        "users": [
            {
                "name": context,
                "user": {
                    "client-certificate-data": inline(f"{user}.crt"),
                    "client-key-data": inline(f"{user}.key"),
                },
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
    }
    write_private(path, yaml.safe_dump(config, sort_keys=False))
