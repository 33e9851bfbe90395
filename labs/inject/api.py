"""A thin client of the API server for whole objects of any kind: discovery, lists, server-side apply, put back, delete.

Used by the modules of `labs.inject` only. The grader has a client of its own, which can only read; this one writes.
Objects are plain JSON; the connection (TLS, exec credentials, proxies) is the `kubernetes` package's.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from grader.model import Json
from labs.errors import ClusterError

MANAGER = "labs"
WORKERS = 8
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_RETRIED = {429, 500, 502, 503, 504}

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as the API server serves it.

    Attributes:
        group: API group, empty for core.
        version: The preferred version that has the kind.
        kind: Kind.
        plural: Name in paths.
        namespaced: Whether its objects live in namespaces.
        listable: Whether they can be listed.
        collective: Whether all of a namespace can be deleted at once.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    listable: bool
    collective: bool = False

    @property
    def api_version(self) -> str:
        """`apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the URL path of one object or of the list."""
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        inside = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{base}{inside}/{self.plural}" + (f"/{quote(name, safe=':')}" if name else "")


class Refusal(ClusterError):  # noqa: N818 - it is an answer, not a fault
    """The API server said no; it will say so again.

    Args:
        status: HTTP status.
        message: Its words.
        where: The object.
    """

    def __init__(self, status: int, message: str, where: str) -> None:
        super().__init__(message, where=where)
        self.status = status


def label(obj: Json) -> str:
    """Return how a message names an object: `Deployment serving/embedder`."""
    meta = obj.get("metadata", {})
    space = f"{meta['namespace']}/" if meta.get("namespace") else ""
    return f"{obj.get('kind', 'object')} {space}{meta.get('name', '?')}"


class Api:
    """A connection to one cluster, safe to use from several threads.

    Args:
        kubeconfig: File with one context.
        clock: Monotonic seconds.

    Raises (all methods): `ClusterError` when the API server does not answer, `Refusal` when it says no.
    """

    def __init__(self, kubeconfig: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = _client(kubeconfig)
        self._clock = clock
        self._resources: list[Resource] = []

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # --- one request -------------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: str = "application/json",
        accept: str = "application/json",
        where: str = "",
        patience: float = 10.0,
    ) -> Json | None:
        """Send a request and return the JSON answer, None for "not found".

        Busy answers (429, 5xx: also a webhook that does not answer yet) and lost connections are tried again.

        Args:
            method: HTTP method.
            path: Path with query.
            body: JSON value.
            content: Content type of the body.
            accept: Wanted content type.
            where: The object, for messages.
            patience: Seconds for which trying again is worth it.
        """
        deadline = self._clock() + patience
        pause = 0.05
        while True:
            status, answer = self._once(method, path, body, content, accept)
            if status == 404:  # noqa: PLR2004 - HTTP
                return None
            if 200 <= status < 300:  # noqa: PLR2004 - HTTP
                return answer
            said = str(answer.get("message") or f"HTTP {status}")
            again = status in _RETRIED or status == 0 or _passing(status, said)
            if not again or self._clock() >= deadline:
                if status == 0:
                    hint = "`labs status` tells what runs, `labs up` repairs it"
                    raise ClusterError(f"the API server does not answer: {said}", where=where, hint=hint)
                raise Refusal(status, said, where or path)
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    def _once(self, method: str, path: str, body: Any, content: str, accept: str) -> tuple[int, Json]:
        import urllib3  # noqa: PLC0415 - the kubernetes package's transport, loaded with it

        configuration = self._client.configuration
        headers = {"Accept": accept, "Content-Type": content, "User-Agent": MANAGER}
        token = configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token:
            headers["Authorization"] = token
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._client.rest_client.pool_manager.request(
                method,
                configuration.host + path,
                body=data,
                headers=headers,
                timeout=urllib3.Timeout(10),
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            return 0, {"message": str(error)}
        try:
            value = json.loads(answer.data)
        except ValueError:
            value = {"message": answer.data[:300].decode(errors="replace")}
        return answer.status, value if isinstance(value, dict) else {"message": str(value)}

    # --- kinds -------------------------------------------------------------------------------------------------------

    def resources(self, *, fresh: bool = False) -> list[Resource]:
        """Return every kind the server has, each once, in its preferred version."""
        if not self._resources or fresh:
            answers = self.together(lambda root: self.request("GET", root, accept=_DISCOVERY), ("/api", "/apis"))
            self._resources = [r for answer in answers for r in _discovered(answer or {})]
        return self._resources

    def resource(self, api_version: str, kind: str) -> Resource:
        """Return the kind with that `apiVersion`; without one, the first that is called so."""
        group = api_version.rpartition("/")[0]
        for fresh in (False, True):
            for found in self.resources(fresh=fresh):
                if found.kind == kind and (not api_version or found.group == group):
                    return found
        raise Refusal(404, f"the cluster does not know the kind {kind} ({api_version or 'any group'})", kind)

    def of(self, obj: Json) -> Resource:
        """Return the kind of an object."""
        return self.resource(obj.get("apiVersion", ""), obj["kind"])

    def path(self, obj: Json) -> str:
        """Return the path of an object."""
        meta = obj["metadata"]
        return self.of(obj).path(meta.get("namespace", ""), meta["name"])

    # --- objects -----------------------------------------------------------------------------------------------------

    def get(self, obj: Json) -> Json | None:
        """Return an object as it is now, None where there is none; `obj` needs kind and name only."""
        return self.request("GET", self.path(obj), where=label(obj))

    def items(self, resource: Resource, namespace: str = "", selector: str = "") -> list[Json]:
        """Return the objects of a kind, each with `kind` and `apiVersion`; none for a namespace that is not there."""
        query = f"?{urlencode({'labelSelector': selector})}" if selector else ""
        answer = self.request("GET", resource.path(namespace) + query, where=resource.plural)
        items: list[Json] = (answer or {}).get("items") or []
        return [{"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in items]

    def apply(self, obj: Json) -> Json:
        """Create or change an object by server-side apply; what others own and we state becomes ours."""
        path = f"{self.path(obj)}?{urlencode({'fieldManager': MANAGER, 'force': 'true'})}"
        found = self.request("PATCH", path, obj, content="application/apply-patch+yaml", where=label(obj))
        if found is None:
            raise Refusal(404, "its namespace is gone", label(obj))
        return found

    def put(self, obj: Json, current: Json) -> Json | None:
        """Replace `current` by `obj`, whole; None when it is gone meanwhile."""
        version = current["metadata"]["resourceVersion"]
        body = {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}}
        return self.request("PUT", f"{self.path(obj)}?fieldManager={MANAGER}", body, where=label(obj))

    def create(self, obj: Json) -> Json | None:
        """Create an object; None when its namespace is gone."""
        resource = self.of(obj)
        path = resource.path(obj["metadata"].get("namespace", ""))
        return self.request("POST", f"{path}?fieldManager={MANAGER}", obj, where=label(obj))

    def merge(self, obj: Json, change: Json) -> Json | None:
        """Change an object by a JSON merge patch."""
        path = f"{self.path(obj)}?fieldManager={MANAGER}"
        return self.request("PATCH", path, change, content="application/merge-patch+json", where=label(obj))

    def delete(self, obj: Json, *, uid: str = "") -> None:
        """Delete an object at once, its dependants in the background. Deleting what is not there is no error."""
        options: Json = {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
        if uid:
            options["preconditions"] = {"uid": uid}
        self.request("DELETE", self.path(obj), options, where=label(obj))

    def delete_all(self, resource: Resource, namespace: str, selector: str = "") -> None:
        """Delete all objects of a kind in a namespace at once; hundreds of events take a busy server its time."""
        query = f"?{urlencode({'labelSelector': selector})}" if selector else ""
        options = {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
        where = f"{resource.plural} in {namespace}"
        self.request("DELETE", resource.path(namespace) + query, options, where=where, patience=60.0)

    # --- helpers -----------------------------------------------------------------------------------------------------

    def together(self, do: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Do something with every item at once, a few at a time; the first error is raised after all have ended."""
        work = list(items)
        if len(work) < 2:  # noqa: PLR2004 - one needs no pool
            return [do(item) for item in work]
        with ThreadPoolExecutor(min(WORKERS, len(work))) as pool:
            return list(pool.map(do, work))

    def wait(self, ready: Callable[[], bool], *, seconds: float, every: float = 0.1) -> bool:
        """Ask until the answer is yes or the time is up; return the last answer."""
        deadline = self._clock() + seconds
        while not ready():
            if self._clock() >= deadline:
                return False
            time.sleep(every)
        return True


def _client(kubeconfig: Path) -> Any:
    from kubernetes import client, config  # noqa: PLC0415 - it takes 0.4 s to load, and reading the course needs none of it

    if not kubeconfig.is_file():
        hint = "`labs up` brings a cluster up and writes it"
        raise ClusterError("there is no kubeconfig", where=str(kubeconfig), hint=hint)
    configuration = client.Configuration()
    try:
        config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError, ValueError) as error:
        raise ClusterError(f"the kubeconfig cannot be used: {error}", where=str(kubeconfig)) from None
    configuration.connection_pool_maxsize = WORKERS * 2
    if _is_local(configuration.host):
        configuration.no_proxy = "*"  # a proxy of the environment cannot reach a cluster on this machine
    return client.ApiClient(configuration)


def _is_local(server: str) -> bool:
    try:
        address = ipaddress.ip_address(urlsplit(server).hostname or "")
    except ValueError:
        return urlsplit(server).hostname == "localhost"
    return address.is_private or address.is_loopback


def _passing(status: int, said: str) -> bool:
    """Whether a refusal goes away by itself: a write race, a namespace or its ServiceAccount still on the way."""
    if status == 409:  # noqa: PLR2004 - HTTP
        return "being deleted" in said or "please apply your changes to the latest version" in said
    return status == 403 and "error looking up service account" in said  # noqa: PLR2004 - HTTP


def _discovered(answer: Json) -> Iterable[Resource]:
    for group in answer.get("items", []):
        name = group.get("metadata", {}).get("name", "")
        seen: set[str] = set()
        for version in group.get("versions", []):
            for item in version.get("resources", []):
                plural = item["resource"]
                if plural in seen or not item.get("responseKind", {}).get("kind"):
                    continue
                seen.add(plural)
                yield Resource(
                    group=name,
                    version=version["version"],
                    kind=item["responseKind"]["kind"],
                    plural=plural,
                    namespaced=item.get("scope") == "Namespaced",
                    listable="list" in item.get("verbs", []),
                    collective="deletecollection" in item.get("verbs", []),
                )
