"""Asks once, quickly, whether a component serves. Called by the supervisor's loop, which does the waiting."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from labs.providers.engine.plan import Probe

CONNECT_SECONDS = 0.5


def serves(probe: Probe) -> bool:
    """Say whether the component behind `probe` serves now."""
    try:
        if probe.kind == "unix":
            _connect(Path(probe.target))
        elif probe.kind == "tcp":
            host, _, port = probe.target.rpartition(":")
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        elif probe.kind == "https":
            return _answers(probe)
    except OSError:
        return False
    return True


def _connect(path: Path) -> None:
    """Connect to a socket through its folder: a path to a socket may have 107 characters, ours may be longer."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(CONNECT_SECONDS)
            client.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def _answers(probe: Probe) -> bool:
    url = urlsplit(probe.target)
    context = ssl.create_default_context(cafile=probe.ca)
    connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=2, context=context)
    try:
        connection.request("GET", f"{url.path}?{url.query}")
        return connection.getresponse().status == http.client.OK
    except http.client.HTTPException:
        return False
    finally:
        connection.close()
