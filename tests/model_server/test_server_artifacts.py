"""Artifacts over HTTP and from a registry: digest, size, resume, cache, and a start without a network."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx
import pytest
from server_process import mlp_request, running

from model_server import artifacts
from model_server.model_config import Artifact, ConfigError, apply, default

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Store(ThreadingHTTPServer):
    """Serves CONTENT at /model, in pieces where told so, and the same as an OCI artifact behind a token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.break_after: list[int] = []
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Store

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range", "")))
        if self.path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
        elif self.path.startswith("/token"):
            self._send(json.dumps({"token": "let-me-in"}).encode())
        elif self.path.startswith("/v2/") and self.headers.get("Authorization") != "Bearer let-me-in":
            self.send_response(401)
            self.send_header("WWW-Authenticate", f'Bearer realm="{self.server.url}/token",service="s",scope="pull"')
            self.end_headers()
        elif self.path == "/v2/models/mlp/manifests/7":
            layer = {"digest": "sha256:" + hashlib.sha256(self.server.content).hexdigest()}
            self._send(json.dumps({"layers": [layer]}).encode())
        elif self.path == "/model" or self.path.startswith("/v2/models/mlp/blobs/"):
            self._send(self.server.content)
        else:
            self.send_error(404)

    def _send(self, content: bytes) -> None:
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if asked and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = self.server.break_after.pop(0) if self.server.break_after and len(content) > 10_000 else len(content)
        self.wfile.write(content[start : start + cut])


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(artifacts, "_PAUSE_S", 0.01)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Store()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_broken_download_goes_on_where_it_stopped(store: Store, tmp_path: Path) -> None:
    store.break_after = [300_000, 300_000]
    file = artifacts.fetch(Artifact(f"{store.url}/model", DIGEST), tmp_path, 10 << 20)
    assert file.read_bytes() == CONTENT
    assert store.asked == [("/model", ""), ("/model", "bytes=300000-"), ("/model", "bytes=600000-")]
    store.asked.clear()
    assert artifacts.fetch(Artifact(f"{store.url}/model", DIGEST), tmp_path, 10 << 20) == file
    assert store.asked == []
    file.write_bytes(b"bent")
    assert artifacts.fetch(Artifact(f"{store.url}/model", DIGEST), tmp_path, 10 << 20).read_bytes() == CONTENT


def test_a_registry_that_wants_an_anonymous_token(store: Store, tmp_path: Path) -> None:
    url = f"oci+http://127.0.0.1:{store.server_port}/models/mlp:7"
    assert artifacts.fetch(Artifact(url, DIGEST), tmp_path, 10 << 20).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "how", "reason"),
    [
        ("/model", ("0" * 64, 10 << 20), "another file than sha256"),
        ("/model", (DIGEST, 100_000), "over 100000 bytes"),
        ("/none?secret=1", (DIGEST, 10 << 20), "cannot be fetched"),
        ("/away", (DIGEST, 10 << 20), "cannot be fetched"),
    ],
)
def test_refusals(store: Store, tmp_path: Path, path: str, how: tuple[str, int], reason: str) -> None:
    digest, limit = how
    with pytest.raises(artifacts.FetchError, match=reason) as raised:
        artifacts.fetch(Artifact(store.url + path, digest), tmp_path, limit)
    assert "secret" not in str(raised.value)
    assert list(tmp_path.rglob("model.onnx")) == []


def test_a_server_with_an_artifact_starts_again_without_the_network(store: Store, models: Path, tmp_path: Path) -> None:
    store.content = (models / "mlp" / "1" / "model.onnx").read_bytes()
    digest = hashlib.sha256(store.content).hexdigest()
    (tmp_path / "models" / "mlp").mkdir(parents=True)
    config = f"artifacts:\n  3: {{url: {store.url}/model, sha256: {digest}}}\n"
    (tmp_path / "models" / "mlp" / "config.yaml").write_text(config)
    for content in (store.content, b"gone"):
        store.content = content
        with running(tmp_path / "models", CACHE_PATH=str(tmp_path / "cache"), MODEL_NAME="mlp") as server:
            server.wait_ready()
            answer = httpx.post(f"{server.url}/v2/models/mlp/infer", json=mlp_request(1.0))
            assert answer.json()["model_version"] == "3"
    assert len(store.asked) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "want a mapping"),
        ({"thread": 1}, "unknown key 'thread'"),
        ({"threads": "1"}, "threads: want a whole number"),
        ({"deadline_seconds": True}, "deadline_seconds: want seconds"),
        ({"warm_up": 1}, "warm_up: want true or false"),
        ({"provider_policy": "must"}, "provider_policy: want prefer or require"),
        ({"providers": ["gpu"]}, "unknown provider 'gpu'"),
        ({"providers": []}, "at least one"),
        ({"providers": [{"cuda": {"gpu_mem_limit": -1}}]}, "option gpu_mem_limit of cuda: want a whole number"),
        ({"providers": [{"cuda": {"use_tf32": 1}}]}, "option use_tf32 of cuda: want true or false"),
        ({"versions": [0]}, "versions: want a whole number"),
        ({"artifacts": {"1": {"url": "ftp://x", "sha256": DIGEST}}}, "url must start with"),
        ({"artifacts": {"1": {"url": "https://x", "sha256": "abc"}}}, "64 hexadecimal digits"),
        ({"artifacts": {"x": {"url": "https://x", "sha256": DIGEST}}}, "artifacts: want a whole number"),
    ],
)
def test_wrong_settings_of_a_model_name_their_key(content: object, reason: str) -> None:
    from model_server.config import Settings  # noqa: PLC0415 - beside its only use

    with pytest.raises(ConfigError, match=reason):
        apply(default(Settings()), content)
