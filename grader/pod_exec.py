"""Runs a command in a pod and returns what it printed. Used by `grader.prober` and `grader.live`."""

from __future__ import annotations

import json
import ssl
import time
from typing import Any
from urllib.parse import urlencode

import websocket

from grader.api import Api
from grader.cluster import ExecAnswer
from grader.errors import Unanswered
from grader.model import Json
from grader.text import clean

CONNECT_SECONDS = 8.0
MOST_OUTPUT = 64 * 1024

_EARLY = "the connection ended early"

_OUT, _ERR, _STATUS = 1, 2, 3


def run_in_pod(api: Api, path: str, container: str, command: list[str], seconds: float) -> str:
    """Run a command in a pod and return its standard output.

    Args:
        api: The API server.
        path: Path of the pod.
        container: Where in the pod.
        command: Program and arguments.
        seconds: Deadline for all of it.

    Raises:
        Unanswered: It could not be run, failed, or did not end within `seconds`.
    """
    channels = _channels(api, path, container, command, seconds)
    output = channels[_OUT].decode(errors="replace")
    if _status(channels).get("status") != "Success" and not output.strip():
        words = channels[_ERR].decode(errors="replace") or str(_status(channels).get("message") or _EARLY)
        where = path.rpartition("/")[2]
        raise Unanswered(f"the command in {where} failed: {clean(words.strip(), 200)}")
    return output


def exec_in_pod(api: Api, path: str, container: str, command: list[str], seconds: float) -> ExecAnswer:
    """Run a command in a pod and return how it ended; parameters as for `run_in_pod`.

    Raises:
        Unanswered: The API server could not be reached, or it did not end within `seconds`.
    """
    channels = _channels(api, path, container, command, seconds)
    status = _status(channels)
    printed = (channels[_OUT] + channels[_ERR])[:MOST_OUTPUT].decode(errors="replace")
    if status.get("status") == "Success":
        return ExecAnswer(0, printed)
    causes = (status.get("details") or {}).get("causes") or []
    codes = [cause.get("message", "") for cause in causes if cause.get("reason") == "ExitCode"]
    if codes and codes[0].isdigit():
        return ExecAnswer(int(codes[0]), printed)
    if not status:
        raise Unanswered(f"the command in {path.rpartition('/')[2]}: {_EARLY}")
    return ExecAnswer(None, printed, str(status.get("message") or "no reason given"))


def _channels(api: Api, path: str, container: str, command: list[str], seconds: float) -> dict[int, bytes]:
    # The client library's own exec neither bounds the connection nor can run twice at once on one client.
    query = [("container", container), ("stdout", "1"), ("stderr", "1"), *(("command", word) for word in command)]
    url = f"{api.server.replace('http', 'ws', 1)}{path}/exec?{urlencode(query)}"
    deadline = time.monotonic() + seconds
    where = path.rpartition("/")[2]
    try:
        connection = websocket.create_connection(
            url,
            timeout=min(seconds, CONNECT_SECONDS),
            sslopt=_tls(api),
            header=api.headers(),
            subprotocols=["v5.channel.k8s.io", "v4.channel.k8s.io"],
            http_no_proxy=["*"],
            enable_multithread=False,
        )
    except (websocket.WebSocketException, OSError) as error:
        raise Unanswered(f"nothing can be run in {where}: {clean(str(error), 160)}") from error
    try:
        return _collect(connection, deadline)
    except (websocket.WebSocketException, OSError) as error:
        words = clean(str(error), 160)
        raise Unanswered(f"the command in {where} did not end in {seconds:.0f} s: {words}") from error
    finally:
        connection.close(timeout=0)


def _collect(connection: websocket.WebSocket, deadline: float) -> dict[int, bytes]:
    channels = {_OUT: b"", _ERR: b"", _STATUS: b""}
    while not channels[_STATUS]:  # the last word of an exec is its status
        connection.settimeout(max(deadline - time.monotonic(), 0.01))
        code, data = connection.recv_data()
        if code == websocket.ABNF.OPCODE_CLOSE:
            break
        if data and data[0] in channels:
            channels[data[0]] += data[1:]
    return channels


def _status(channels: dict[int, bytes]) -> Json:
    try:
        status = json.loads(channels[_STATUS] or b"{}")
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def _tls(api: Api) -> dict[str, Any]:
    configuration = api.configuration
    options: dict[str, Any] = {"cert_reqs": ssl.CERT_REQUIRED if configuration.verify_ssl else ssl.CERT_NONE}
    files = {
        "ca_certs": configuration.ssl_ca_cert,
        "certfile": configuration.cert_file,
        "keyfile": configuration.key_file,
        "server_hostname": configuration.tls_server_name,
    }
    return options | {key: value for key, value in files.items() if value}
