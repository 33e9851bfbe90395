"""Raw JSON to and from an API server, and which path serves a kind.

The transport below `grader.live` and `grader.prober`.

Not the typed client of the `kubernetes` package: lists of dictionaries are what checks look at, and typed models lose
unknown fields.
The package's kubeconfig loading, authentication and TLS are used.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException, load_kube_config
from yaml import YAMLError

from grader.errors import Unanswered
from grader.model import Json
from grader.text import clean

CONNECT_SECONDS = 2.0
READ_SECONDS = 6.0
CONNECTIONS = 16
RETRY_SECONDS = 0.3
REFRESH_SECONDS = 1.0
"""Least time between two discoveries, so that a kind nobody serves does not double the requests of every look."""

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer below 500 other than 429.

    Attributes:
        status: HTTP status.
        body: Parsed JSON; for errors a `Status` object.
    """

    status: int
    body: Json

    @property
    def ok(self) -> bool:
        """Whether the request was granted."""
        return self.status < HTTPStatus.BAD_REQUEST

    @property
    def message(self) -> str:
        """The API server's own words, for errors."""
        return clean(str(self.body.get("message") or f"HTTP {self.status}"))


class _BusyError(Unanswered):
    """The server has answered 429."""

    def __init__(self, message: str, reply: Reply) -> None:
        super().__init__(message)
        self.reply = reply


class Api:
    """One API server. Safe to use from several threads.

    Args:
        kubeconfig: File whose current context is used.

    Raises:
        Unanswered: The kubeconfig cannot be used.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self.configuration = Configuration()
        try:
            load_kube_config(  # type: ignore[no-untyped-call]  # the package types only its models
                str(kubeconfig), client_configuration=self.configuration, persist_config=False
            )
        except (ConfigException, YAMLError, OSError, ValueError, TypeError) as error:
            raise Unanswered(f"the kubeconfig {kubeconfig} cannot be used: {clean(str(error))}") from error
        self.configuration.connection_pool_maxsize = CONNECTIONS
        self._client = ApiClient(self.configuration)
        self._skew = timedelta()

    @property
    def server(self) -> str:
        """The server's URL."""
        return str(self.configuration.host)

    def headers(self) -> dict[str, str]:
        """Return the headers that say who we are; client certificates belong to the connection instead."""
        headers: dict[str, str] = {}
        self._client.update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
        return headers

    def now(self) -> datetime:
        """Return the server's time, from the `Date` of its last answer."""
        return datetime.now(UTC) + self._skew

    def request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Json | None = None,
        accept: str = "",
        busy_is_an_answer: bool = False,
    ) -> Reply:
        """Send a request; one quick retry where the server did not answer it.

        Args:
            method: HTTP method; the body of a PATCH is a merge patch.
            path: Path below the server.
            query: Query parameters.
            body: JSON body.
            accept: Wanted media type; default: JSON.
            busy_is_an_answer: Whether 429 is one (an eviction that a disruption budget forbids) and no sign of load.

        Raises:
            Unanswered: No connection, a time-out, 429 or 5xx, twice.
        """
        try:
            return _reply(*self._raw(method, path, query, body=body, accept=accept))
        except _BusyError as error:
            if busy_is_an_answer:
                return error.reply
        except Unanswered:
            pass
        time.sleep(RETRY_SECONDS)
        return _reply(*self._raw(method, path, query, body=body, accept=accept))

    def text(self, path: str, *, query: dict[str, str] | None = None) -> tuple[int, str]:
        """Return status and text of what is no JSON, such as a log; raises as `request` does."""
        try:
            status, payload = self._raw("GET", path, query, body=None, accept="text/plain,*/*")
        except Unanswered:
            time.sleep(RETRY_SECONDS)
            status, payload = self._raw("GET", path, query, body=None, accept="text/plain,*/*")
        return status, payload.decode(errors="replace")

    def _raw(
        self, method: str, path: str, query: dict[str, str] | None, *, body: Json | None, accept: str
    ) -> tuple[int, bytes]:
        url = f"{self.server}{path}{f'?{urlencode(query)}' if query else ''}"
        headers = {"Accept": accept or "application/json", "User-Agent": "labs-grader", **self.headers()}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json" if method != "PATCH" else "application/merge-patch+json"
            data = json.dumps(body).encode()
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        pool = self._client.rest_client.pool_manager
        try:
            raw = pool.request(method, url, body=data, headers=headers, timeout=timeout, retries=False)
            status, payload = int(raw.status), bytes(raw.data)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unanswered(_lost(self.server, error), hint="look at the cluster with `labs status`") from error
        self._note_time(raw.headers.get("Date"))
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            reply = _reply(status, payload)
            words = f"the API server answered {status} to {method} {path}: {reply.message}"
            raise _BusyError(words, reply) if status == HTTPStatus.TOO_MANY_REQUESTS else Unanswered(words)
        return status, payload

    def _note_time(self, date: str | None) -> None:
        try:
            skew = parsedate_to_datetime(date) - datetime.now(UTC) if date else timedelta()
        except ValueError:
            return
        # The header knows whole seconds only: below two it says nothing about the clocks.
        self._skew = skew if abs(skew) > timedelta(seconds=2) else timedelta()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()  # type: ignore[no-untyped-call]  # as above


def _reply(status: int, payload: bytes) -> Reply:
    try:
        parsed: Any = json.loads(payload) if payload.strip() else {}
    except ValueError:
        parsed = {"message": payload[:300].decode(errors="replace")}
    return Reply(status, parsed if isinstance(parsed, dict) else {"items": parsed})


def _lost(server: str, error: Exception) -> str:
    place = urlsplit(server).netloc
    # A refused connection is a kind of time-out to that library.
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    if isinstance(error, urllib3.exceptions.TimeoutError) and not refused:
        return f"the API server at {place} did not answer in time"
    return f"the API server at {place} cannot be reached: {clean(str(error), 160)}"


# --- discovery -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Resource:
    """How a kind is served.

    Attributes:
        api_version: `v1`, `apps/v1`.
        plural: `pods`.
        namespaced: Whether its objects stand in namespaces.
    """

    api_version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None) -> str:
        """Return the path of its list."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        return (
            f"{root}/namespaces/{namespace}/{self.plural}" if namespace and self.namespaced else f"{root}/{self.plural}"
        )


@dataclass(slots=True)
class Discovery:
    """Which resources an API server serves, read once and again when an unknown kind is asked for.

    Attributes:
        kinds: Kind → how it is served, the preferred group and version first.
    """

    kinds: dict[str, list[Resource]] = field(default_factory=dict)
    _read: float = float("-inf")
    _lock: Lock = field(default_factory=Lock)

    def find(self, api: Api, kind: str, api_version: str = "") -> Resource | None:
        """Return how a kind is served, or None when it is not.

        Raises:
            Unanswered: The server could not be asked.
        """
        found = self._known(kind, api_version)
        if found is None:
            with self._lock:
                if time.monotonic() - self._read > REFRESH_SECONDS:
                    self.kinds = _discover(api)
                    self._read = time.monotonic()
            found = self._known(kind, api_version)
        return found

    def _known(self, kind: str, api_version: str) -> Resource | None:
        served = self.kinds.get(kind, [])
        return next((r for r in served if api_version in {"", r.api_version}), None)


_discoveries: dict[str, Discovery] = {}


def discovery(api: Api) -> Discovery:
    """Return the discovery of this server, shared by all who ask it in this process."""
    return _discoveries.setdefault(api.server, Discovery())


def _discover(api: Api) -> dict[str, list[Resource]]:
    kinds: dict[str, list[Resource]] = {}
    for root in ("/api", "/apis"):
        reply = api.request("GET", root, accept=_DISCOVERY)
        if not reply.ok:
            raise Unanswered(f"the API server does not say what it serves: {reply.message}")
        for group in reply.body.get("items") or []:
            for version in group.get("versions") or []:
                _add(kinds, str(group.get("metadata", {}).get("name") or ""), version)
    return kinds


def _add(kinds: dict[str, list[Resource]], group: str, version: Json) -> None:
    api_version = f"{group}/{version['version']}" if group else str(version["version"])
    for served in version.get("resources") or []:
        if "list" in (served.get("verbs") or []):
            kind = str((served.get("responseKind") or {}).get("kind", ""))
            resource = Resource(api_version, str(served["resource"]), served.get("scope") == "Namespaced")
            kinds.setdefault(kind, []).append(resource)
