"""The resolver from the outside: a stand-in `go`, a local web server, and what a learner would see."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labs import tools
from labs.errors import ComponentError, UsageError
from labs.events import Event, State, Step
from labs.providers.engine import builder, catalog, components, store
from labs.providers.engine.catalog import Release
from labs.providers.engine.download import Downloader, checksum_for

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FAKE_GO = """#!/bin/sh
[ "$1" = env ] && { echo go1.99.0; exit 0; }
echo "$*" >> "$GO_CALLS"
for word; do package=$word; [ "$previous" = -o ] && target=$word; previous=$word; done
case "$package" in *"$GO_BREAKS") echo "cannot build $package"; exit 1;; esac
[ -n "$GO_SLEEPS" ] && { sleep "$GO_SLEEPS" & echo $! >> "$GO_CALLS.child"; wait; }
echo "binary of $package" > "$target"
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no network, and a `go` that writes one line instead of a program."""
    tools = tmp_path / "tools"
    tools.mkdir()
    go = tools / "go"
    go.write_text(FAKE_GO)
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("GO_CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("GO_BREAKS", "/nothing-breaks")
    monkeypatch.setenv("GO_SLEEPS", "")
    monkeypatch.setenv("LABS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LABS_NO_DOWNLOAD", "1")
    monkeypatch.delenv("LABS_BUNDLE", raising=False)
    return tmp_path / "cache"


def calls(cache: Path) -> list[str]:
    file = cache.parent / "calls"
    return file.read_text().splitlines() if file.exists() else []


def leftovers(cache: Path) -> list[Path]:
    return [path for path in (cache / "tmp").rglob("*") if path.is_file()]


def test_each_source_that_fails_names_the_next_and_the_last_one_builds(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABS_BUNDLE", str(cache / "no-such-bundle.tar"))
    events: list[Event] = []
    found = components.ensure(events.append, ["coredns"])
    assert found["coredns"].read_text() == "binary of github.com/coredns/coredns\n"
    assert os.access(found["coredns"], os.X_OK)
    steps = {event.id: event for event in events if isinstance(event, Step)}
    assert steps["source:bundle"].state is State.FAILED
    assert steps["source:bundle"].detail.endswith("next: upstream releases")
    assert steps["source:download"].detail == "LABS_NO_DOWNLOAD is set; next: build from source"
    assert steps["component:coredns"].state is State.DONE
    assert leftovers(cache) == []


def test_a_finished_component_is_never_built_again(cache: Path) -> None:
    first = components.ensure(names=["registry"])
    events: list[Event] = []
    assert components.ensure(events.append, ["registry"]) == first
    assert len(calls(cache)) == 1
    assert [event.detail for event in events if isinstance(event, Step)] == ["1 from the cache"]


def test_after_a_failure_the_next_run_goes_on_where_it_stopped(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO_BREAKS", "/cmd/registry")
    with pytest.raises(
        ComponentError, match="registry cannot be had: download: LABS_NO_DOWNLOAD is set; build: "
    ) as told:
        components.ensure(names=["registry", "coredns"])
    assert "cannot build github.com/distribution/distribution/v3/cmd/registry" in str(told.value)
    assert told.value.hint
    assert components.cached("coredns")
    assert not components.cached("registry")
    monkeypatch.setenv("GO_BREAKS", "/nothing-breaks")
    components.ensure(names=["registry", "coredns"])
    built = [call.split()[-1].rpartition("/")[2] for call in calls(cache)]
    assert (sorted(built), built[-1]) == (["coredns", "registry", "registry"], "registry")


def test_a_file_that_was_changed_is_made_anew_and_one_that_was_touched_is_not(cache: Path) -> None:
    path = components.ensure(names=["etcd"])["etcd"]
    os.utime(path, (1, 1))
    components.ensure(names=["etcd"])
    assert len(calls(cache)) == 1
    path.write_bytes(b"x" * path.stat().st_size)
    events: list[Event] = []
    components.ensure(events.append, ["etcd"])
    assert len(calls(cache)) == 2
    assert path.read_text().startswith("binary of")


def test_a_change_that_keeps_size_and_time_is_found_by_the_full_check(cache: Path) -> None:
    path = components.ensure(names=["etcd"])["etcd"]
    status = path.stat()
    path.write_bytes(b"x" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert {each.id: each.ok for each in components.findings()}["etcd"] is True
    assert {each.id: each.observed for each in components.findings(full=True)}["etcd"].startswith(
        "its cached file is not"
    )
    assert str(cache) in str(path)


def test_an_unknown_component_is_told_with_the_known_ones(cache: Path) -> None:
    with pytest.raises(UsageError, match="no component named kubedns") as told:
        components.ensure(names=["kubedns"])
    assert "coredns" in told.value.hint
    assert not calls(cache)


def test_the_build_uses_the_flags_that_the_digest_stands_for(cache: Path) -> None:
    components.ensure(names=["kubelet"])
    (call,) = calls(cache)
    assert call.startswith("build -trimpath -ldflags -s -w -X k8s.io/component-base/version.gitVersion=v1.36.2 ")
    assert call.endswith(" k8s.io/kubernetes/cmd/kubelet")


def test_the_digest_moves_with_every_input(tmp_path: Path) -> None:
    module = tmp_path / "coredns"
    module.mkdir()
    source = catalog.engine_config_dir()
    for name in ("go.mod", "go.sum"):
        (module / name).write_bytes((source / "coredns" / name).read_bytes())
    listing = (
        "modules:\n  coredns:\n    pins: github.com/coredns/coredns\n    ldflags: -s -w\n"
        "    components:\n      coredns: {package: github.com/coredns/coredns, seconds: 1}\n"
    )
    (tmp_path / "components.yaml").write_text(listing)
    first = catalog.load(tmp_path)["coredns"]
    assert first.digest == catalog.load()["coredns"].digest
    (tmp_path / "components.yaml").write_text(listing.replace("-s -w", "-s"))
    assert catalog.load(tmp_path)["coredns"].digest != first.digest
    (tmp_path / "components.yaml").write_text(listing)
    with (module / "go.sum").open("a") as stream:
        stream.write("\n")
    assert catalog.load(tmp_path)["coredns"].digest != first.digest
    assert catalog.load(tmp_path)["coredns"].version == first.version


ENSURE = "from labs.providers.engine import components; components.ensure(names=['coredns', 'etcd'])"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopping_a_build_leaves_no_process_and_nothing_half_made(
    cache: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("GO_SLEEPS", "300")
    lab = subprocess.Popen([sys.executable, "-c", ENSURE], cwd=ROOT, stderr=subprocess.PIPE)
    listed = cache.parent / "calls.child"

    def children() -> list[int]:
        return [int(line) for line in listed.read_text().split()] if listed.exists() else []

    until(lambda: len(children()) == 2)  # of two modules, side by side
    lab.send_signal(number)
    _, told = lab.communicate(timeout=20)
    if number is signal.SIGINT:
        assert b"Interrupted: Stopped while the components were prepared" in told
        until(lambda: not any(map(alive, children())))
        assert leftovers(cache) == []
    assert not components.cached("coredns")
    assert not components.cached("etcd")
    monkeypatch.setenv("GO_SLEEPS", "")
    assert components.ensure(names=["coredns"])["coredns"].exists()
    assert leftovers(cache) == []
    for child in filter(alive, children()):  # a shell passes no signal on; the real go does
        os.kill(child, signal.SIGKILL)


def test_what_only_a_task_needs_is_made_when_it_is_asked_for(cache: Path) -> None:
    runc = cache.parent / "tools" / "runc"
    runc.write_text("#!/bin/sh\n")
    runc.chmod(0o755)
    assert "helm" not in components.ensure()
    finding = next(f for f in components.findings() if f.id == "helm")
    assert (finding.ok, finding.hint) == (None, "the first task that needs it fetches it")
    tools.provide(["helm"])
    assert tools.helm() == components.cached("helm")
    assert calls(cache)[-1].endswith("helm.sh/helm/v3/cmd/helm")


def test_components_of_one_module_are_built_one_after_the_other() -> None:
    known = catalog.load()
    found = builder.lanes(list(known.values()))
    assert len(found) == 2
    assert sorted(c.name for lane in found for c in lane) == sorted(known)
    modules = [{c.module for c in lane} for lane in found]
    assert modules[0].isdisjoint(modules[1])
    assert [len(lane) for lane in builder.lanes([known["kubelet"], known["kubectl"]])] == [2]


def test_two_labs_at_once_build_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO_SLEEPS", "1")
    labs = [subprocess.Popen([sys.executable, "-c", ENSURE], cwd=ROOT) for _ in range(2)]
    assert [lab.wait(timeout=30) for lab in labs] == [0, 0]
    assert len(calls(cache)) == 2  # a component each


def until(condition: object, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server with a folder of its own, as upstream's release page."""
    folder = tmp_path / "upstream"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *_arguments: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()
    thread.join()


def published(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    (folder / f"{name}.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}  ./{name}\n")


def tarball(member: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(member)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_a_release_is_taken_only_with_its_published_checksum(tmp_path: Path, upstream: tuple[str, Path]) -> None:
    url, folder = upstream
    published(folder, "coredns.tgz", tarball("bin/coredns", b"the real one"))
    release = Release(f"{url}/coredns.tgz", f"{url}/coredns.tgz.sha256", "bin/coredns")
    component = replace(catalog.load()["coredns"], release=release)
    downloader = Downloader(tmp_path, lambda _event: None)
    assert downloader.why_not([release]) == "LABS_NO_DOWNLOAD is set" or downloader.why_not([release]) == ""
    downloader.fetch(component, release, tmp_path / "coredns")
    assert (tmp_path / "coredns").read_bytes() == b"the real one"

    (folder / "coredns.tgz").write_bytes(tarball("bin/coredns", b"another one"))
    with pytest.raises(ComponentError, match="published is"):
        Downloader(tmp_path, lambda _event: None).fetch(component, release, tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_a_network_that_is_not_there_is_found_out_once_and_fast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABS_NO_DOWNLOAD", raising=False)
    releases = [Release("http://127.0.0.1:9/a", "http://127.0.0.1:9/b"), Release("http://nowhere.invalid/a", "x")]
    downloader = Downloader(tmp_path, lambda _event: None)
    started = time.monotonic()
    assert downloader.why_not(releases) == "127.0.0.1:9, nowhere.invalid cannot be reached"
    assert time.monotonic() - started < 3.5
    started = time.monotonic()
    assert downloader.why_not(releases)
    assert time.monotonic() - started < 0.1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A" * 64, "a" * 64),
        (f"{'b' * 64}  other.tgz\n{'c' * 64} *file.tgz\n", "c" * 64),
        (f"### SHA256\n{'d' * 64}  ./dist/file.tgz\n", "d" * 64),
    ],
)
def test_checksum_files_are_read_as_upstreams_write_them(text: str, expected: str) -> None:
    assert checksum_for(text, "file.tgz") == expected


def test_a_checksum_file_without_the_file_is_an_error() -> None:
    with pytest.raises(ComponentError, match=r"do not name file\.tgz"):
        checksum_for(f"{'b' * 64}  other.tgz", "file.tgz")


def test_a_store_folder_of_a_dead_lab_is_removed(cache: Path) -> None:
    dead = cache / "tmp" / "999999999-1"
    dead.mkdir(parents=True)
    (dead / "half.bin").write_text("half")
    with store.scratch() as folder:
        assert not dead.exists()
        assert folder.is_dir()
    assert not folder.exists()
