"""Upstream's own builds of the components, taken only with the checksum that upstream publishes beside them.

Called by the resolver (`components`) when neither the cache nor a bundle has a binary. A network that is not there is
found out once per run, in at most three seconds, DNS included.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import re
import shutil
import socket
import tarfile
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from labs.errors import ComponentError
from labs.events import Listener, Progress
from labs.providers.engine import store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import httpx

    from labs.providers.engine.catalog import Component, Release

PROBE_SECONDS = 3.0
_CHUNK = 1 << 20
_EVENT_SECONDS = 0.5


class Downloader:
    """Fetches releases during one run of the resolver; it remembers dead hosts and keeps archives shared by components.

    Args:
        scratch: Temporary folder in the cache's file system.
        emit: Told how far a download has come.
    """

    def __init__(self, scratch: Path, emit: Listener) -> None:
        self._scratch = scratch
        self._emit = emit
        self._reachable: dict[str, bool] = {}
        self._archives: dict[str, Path] = {}

    def why_not(self, releases: Iterable[Release]) -> str:
        """Say why none of these can be downloaded, empty when at least one host answers. Asks each host once."""
        if os.environ.get("LABS_NO_DOWNLOAD"):
            return "LABS_NO_DOWNLOAD is set"
        urls = {_origin(release.url): release.url for release in releases}
        new = [origin for origin in urls if origin not in self._reachable]
        self._reachable.update(_probe(new))
        if dead := [urlsplit(origin).netloc for origin in urls if not self._reachable[origin]]:
            return f"{', '.join(dead)} cannot be reached" if len(dead) == len(urls) else ""
        return ""

    def fetch(self, component: Component, release: Release, target: Path) -> None:
        """Download, verify and unpack one component into `target`.

        Raises:
            ComponentError: The host does not answer, has no such file, or the checksum is another.
        """
        if not self._reachable.get(_origin(release.url), True):
            raise ComponentError(f"{urlsplit(release.url).netloc} cannot be reached")
        try:
            if release.url not in self._archives:
                self._archives[release.url] = self._verified(component, release)
            archive = self._archives[release.url]
            if release.member:
                _unpack(archive, release.member, target)
            else:
                archive.replace(target)
        except (_http_error(), OSError, tarfile.TarError, KeyError) as error:
            raise ComponentError(f"{release.url} cannot be downloaded: {error}") from error

    def _verified(self, component: Component, release: Release) -> Path:
        target = self._scratch / f"{component.name}.download"
        with _client() as client:
            answer = client.get(release.checksum)
            answer.raise_for_status()
            expected = checksum_for(answer.text, release.url.rsplit("/", 1)[-1])
            actual = self._stream(client, component, release.url, target)
        if actual != expected:
            raise ComponentError(f"{release.url} has the SHA-256 {actual}, published is {expected}")
        return target

    def _stream(self, client: httpx.Client, component: Component, url: str, target: Path) -> str:
        digest = hashlib.sha256()
        started = told = time.monotonic()
        done = 0
        with client.stream("GET", url) as answer, target.open("wb") as stream:
            answer.raise_for_status()
            total = int(answer.headers.get("content-length", 0)) or None
            for chunk in answer.iter_bytes(_CHUNK):
                stream.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                if (now := time.monotonic()) - told >= _EVENT_SECONDS:
                    told = now
                    self._emit(Progress(step_id(component), done, total, "bytes", now - started))
        return digest.hexdigest()


def step_id(component: Component) -> str:
    """Return the id under which everything about this component is told."""
    return f"component:{component.name}"


def checksum_for(text: str, file_name: str) -> str:
    """Pick a file's SHA-256 out of a published checksum file: a bare hash, or lines of `sha256sum`.

    Raises:
        ComponentError: It is not in there.
    """
    for line in text.splitlines():
        words = line.split()
        if not words or not re.fullmatch(r"[0-9a-fA-F]{64}", words[0]):
            continue
        if len(words) == 1 or words[1].lstrip("*").rsplit("/", 1)[-1] == file_name:
            return words[0].lower()
    raise ComponentError(f"The published checksums do not name {file_name}")


def fetch_with_checksum(url: str, target: Path) -> None:
    """Download a file and the `URL.sha256` beside it.

    Raises:
        ComponentError: It does not answer, or the checksum is another.
    """
    try:
        with _client() as client:
            answer = client.get(f"{url}.sha256")
            answer.raise_for_status()
            expected = checksum_for(answer.text, url.rsplit("/", 1)[-1])
            with client.stream("GET", url) as body, target.open("wb") as stream:
                body.raise_for_status()
                for chunk in body.iter_bytes(_CHUNK):
                    stream.write(chunk)
    except (_http_error(), OSError) as error:
        raise ComponentError(f"{url} cannot be downloaded: {error}") from error
    if (actual := store.sha256_of(target)) != expected:
        raise ComponentError(f"{url} has the SHA-256 {actual}, published is {expected}")


def _unpack(archive: Path, member: str, target: Path) -> None:
    with tarfile.open(archive) as tar:
        source = tar.extractfile(member)
        if source is None:
            raise KeyError(f"{member} is no file of the archive")
        with target.open("wb") as stream:
            shutil.copyfileobj(source, stream, _CHUNK)


def _client() -> httpx.Client:
    # Imported on the first download only: httpx takes 150 ms, and it loads rich where that is installed.
    import httpx  # noqa: PLC0415 - see above

    return httpx.Client(timeout=httpx.Timeout(30.0, connect=5.0), follow_redirects=True)


def _http_error() -> type[Exception]:
    import httpx  # noqa: PLC0415 - as in `_client`

    return httpx.HTTPError


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _probe(origins: list[str]) -> dict[str, bool]:
    """Ask each origin for anything at all, side by side, within `PROBE_SECONDS`.

    A resolver without a network can hang far longer than any connect timeout, so the threads are left behind when the
    time is up; they are daemons and end by themselves.
    """
    answers: dict[str, concurrent.futures.Future[bool]] = {origin: concurrent.futures.Future() for origin in origins}
    for origin, future in answers.items():
        threading.Thread(target=_ask, args=(origin, future), daemon=True).start()
    deadline = time.monotonic() + PROBE_SECONDS
    reachable: dict[str, bool] = {}
    for origin, future in answers.items():
        try:
            reachable[origin] = future.result(timeout=max(0.0, deadline - time.monotonic()))
        except concurrent.futures.TimeoutError:
            reachable[origin] = False
    return reachable


def _ask(origin: str, future: concurrent.futures.Future[bool]) -> None:
    try:
        with _client() as client:
            client.head(origin, timeout=PROBE_SECONDS)
    except (_http_error(), OSError, socket.gaierror):
        future.set_result(False)
    else:
        future.set_result(True)
