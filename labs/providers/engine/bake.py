"""Keeps what the second start need not do again: unpacked images for every node, and an etcd that knows the add-ons.

Called by the provider and `bringup.py`. Bakes live in the cache, so that `down` then `up` is a warm start.

- Images: a containerd root into which the lab's images were imported. It is shared by all nodes of all clusters: a node
  copies the two small databases, links the blobs, and points to the unpacked layers, which nobody ever changes.
- Clusters: certificates, addresses and etcd's data, for one name, one number and one state of all inputs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from labs import paths
from labs.errors import EngineError
from labs.providers.engine.layout import INSIDE, Layout
from labs.providers.engine.processes import run_tool, wait_gone
from labs.providers.engine.record import Record
from labs.providers.engine.render import render_to

FORMAT = "4"
KEY_LENGTH = 12
START_SECONDS = 20
IMPORT_SECONDS = 600
SNAPSHOTS = Path("io.containerd.snapshotter.v1.overlayfs")
BLOBS = Path("io.containerd.content.v1.content/blobs/sha256")
META = Path("io.containerd.metadata.v1.bolt/meta.db")


def digest(*parts: str) -> str:
    """Return a short digest over several texts."""
    return hashlib.sha256("\0".join((FORMAT, *parts)).encode()).hexdigest()[:KEY_LENGTH]


def cluster_key(binaries: Mapping[str, Path], images: Sequence[str], profile: str, *, forwards: bool) -> str:
    """Return the key of everything a cluster's etcd and configuration depend on.

    Args:
        binaries: The components; a binary is known by its size and its time.
        images: References of the add-ons' images; etcd holds those, not their content.
        profile: Text of the profile.
        forwards: Whether the host forwards, which CoreDNS's configuration depends on.
    """
    parts = [*images, profile, str(forwards)]
    for name, path in sorted(binaries.items()):
        info = path.stat()
        parts.append(f"{name} {info.st_size} {info.st_mtime_ns}")
    for folder in ("addons", "engine/config"):
        parts += [path.read_text() for path in sorted((paths.cluster_config_dir() / folder).iterdir())]
    return digest(*parts)


def _folder(kind: str) -> Path:
    folder = paths.cache_dir() / "engine" / kind
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time make something in `folder`; the lock ends with the process."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def images_dir(key: str) -> Path:
    """Return the folder of the baked images with this key, whether it is there or not."""
    return _folder("images") / key


def bake_images(key: str, archives: Mapping[Path, Sequence[str]], binaries: Mapping[str, Path]) -> Path:
    """Import images into a containerd root of their own, unless that was done already, and return its folder.

    Args:
        key: Digest over what the images are.
        archives: Archive → references that it must hold.
        binaries: The engine's components.

    Raises:
        EngineError: containerd did not start, or an archive is not an image.
    """
    target = images_dir(key)
    with _locked(target.parent):
        if target.is_dir():
            return target
        for stale in target.parent.glob(".partial*"):
            shutil.rmtree(stale)
        partial = target.parent / ".partial"
        partial.mkdir(mode=0o700)
        _import(partial, archives, binaries)
        partial.rename(target)
        for other in target.parent.iterdir():
            if other != target and not _is_mounted(other):
                shutil.rmtree(other, ignore_errors=True)
    return target


def _is_mounted(folder: Path) -> bool:
    """Say whether a node of any cluster, whichever state folder it has, still uses these images."""
    seen = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            namespace = (process / "ns/mnt").stat().st_ino
            if namespace not in seen:
                seen.add(namespace)
                if any(line.split()[3].endswith(f"/images/{folder.name}") for line in _lines(process / "mountinfo")):
                    return True
    return False


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _import(folder: Path, archives: Mapping[Path, Sequence[str]], binaries: Mapping[str, Path]) -> None:
    socket, config, log = folder / "containerd.sock", folder / "containerd.toml", folder / "log"
    render_to(config, "engine/config/bake.toml.j2", root=folder / "root", socket=socket)
    # Its state goes into a mount of its own: nothing of it is to be kept, nor seen by the host.
    script = 'mount -t tmpfs run /run && exec "$0" --config "$1"'
    argv = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-euc", script]
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            [*argv, str(binaries["containerd"]), str(config)], stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    ctr = [str(binaries["ctr"]), "--address", str(socket), "--namespace", "k8s.io"]
    try:
        _await_socket(daemon, socket, log)
        for archive, references in archives.items():
            run_tool([*ctr, "images", "import", "--local", str(archive)], timeout=IMPORT_SECONDS)
            lacking = set(references) - set(run_tool([*ctr, "images", "ls", "-q"]).split())
            if lacking:
                raise EngineError(f"the archive does not hold {', '.join(sorted(lacking))}", where=str(archive))
    finally:
        daemon.send_signal(signal.SIGTERM)
        if wait_gone([daemon.pid], seconds=5):
            daemon.kill()
        daemon.wait()
    for leftover in (socket, folder / "containerd.sock.ttrpc"):
        leftover.unlink(missing_ok=True)


def _await_socket(daemon: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not socket.exists():
        if daemon.poll() is not None or time.monotonic() > deadline:
            words = (log.read_text().strip() or "it said nothing").splitlines()[-1]
            raise EngineError(f"containerd did not start: {words}", hint="run `labs doctor`")
        time.sleep(0.02)


def place_images(baked: Path, target: Path) -> None:
    """Make a node's containerd root that has the baked images.

    Args:
        baked: Folder from `bake_images`; inside the node it is mounted at `INSIDE/images`.
        target: The node's containerd root.
    """
    source = baked / "root"
    shutil.rmtree(target, ignore_errors=True)
    for part in (META.parent, SNAPSHOTS / "snapshots", BLOBS):
        (target / part).mkdir(parents=True, mode=0o700)
    for database in (META, SNAPSHOTS / "metadata.db"):
        shutil.copy(source / database, target / database)
    for snapshot in (source / SNAPSHOTS / "snapshots").iterdir():
        inside = INSIDE / "images" / "root" / SNAPSHOTS / "snapshots" / snapshot.name
        (target / SNAPSHOTS / "snapshots" / snapshot.name).symlink_to(inside)
    for blob in (source / BLOBS).iterdir():
        _link(blob, target / BLOBS / blob.name)


def copy_registry(source: Path, target: Path, *, keep: bool = False) -> None:
    """Give a cluster its own copy of a registry's storage: blobs are linked, the small files that change are copied."""

    def copy(file: str, destination: str) -> str:
        if "/blobs/" in file and Path(file).name == "data":
            _link(Path(file), Path(destination))
        else:
            shutil.copyfile(file, destination)
        return destination

    if not keep:
        shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=copy, dirs_exist_ok=True)


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def cluster_dir(name: str, index: int, key: str) -> Path:
    """Return the folder of a cluster's bake, whether it is there or not."""
    return _folder("clusters") / f"{name}-{index}-{key}"


def baked_indexes(name: str, key: str) -> list[int]:
    """Return the numbers for which a bake of this cluster exists."""
    found = []
    for path in _folder("clusters").glob(f"{name}-*-{key}"):
        index = path.name.removeprefix(f"{name}-").removesuffix(f"-{key}")
        if index.isdigit():
            found.append(int(index))
    return sorted(found)


def save_cluster(layout: Layout, record: Record) -> None:
    """Keep the certificates, the record and etcd's data of a stopped cluster; bakes of other states are dropped."""
    target = cluster_dir(record.name, record.index, record.key)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    shutil.copytree(layout.pki, partial / "pki")
    shutil.copy(layout.record, partial / "cluster.json")
    copy_sparse(layout.etcd, partial / "etcd")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    for other in target.parent.glob(f"{record.name}-{record.index}-*"):
        if other != target:
            shutil.rmtree(other, ignore_errors=True)


def restore_cluster(layout: Layout, record: Record) -> bool:
    """Put etcd, certificates and record back to the baked state; False when there is no such bake."""
    source = cluster_dir(record.name, record.index, record.key)
    if not (source / "cluster.json").is_file():
        return False
    for folder in (layout.etcd, layout.pki):
        shutil.rmtree(folder, ignore_errors=True)
    copy_sparse(source / "etcd", layout.etcd)
    shutil.copytree(source / "pki", layout.pki)
    shutil.copy(source / "cluster.json", layout.record)
    return True


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a folder; what etcd only reserved takes no space in the copy."""
    run_tool(["cp", "--recursive", "--preserve=mode", "--sparse=always", "--reflink=auto", str(source), str(target)])
