"""OCI images on disk: one image layout folder as a reproducible archive, and archives as a registry's storage.

Called by the builder and by `labs.images.sbom`. It moves bytes whose digests others made; it never changes an image.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Blobs:
    """The parts of one image.

    Attributes:
        manifest: Digest (`sha256:…`) of its manifest.
        others: Digests of its configuration and layers.
    """

    manifest: str
    others: tuple[str, ...]


def write_archive(layout: Path, references: Iterable[str], target: Path) -> None:
    """Pack an image layout folder that holds one image, under several names.

    The same layout and names give the same bytes. `ctr image import` and `kind load image-archive` take every name.

    Args:
        layout: Folder with `oci-layout`, `index.json` and `blobs/`.
        references: Full names with tags, such as `registry.lab/coredns:1.15.0`.
        target: The tar to write.
    """
    index = json.loads((layout / "index.json").read_text())
    (descriptor,) = index["manifests"]
    index["manifests"] = [
        {
            **descriptor,
            "annotations": {
                "io.containerd.image.name": reference,
                "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
            },
        }
        for reference in sorted(references)
    ]
    (layout / "index.json").write_text(json.dumps(index, sort_keys=True))
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path in (layout / "oci-layout", layout / "index.json", *sorted((layout / "blobs").rglob("*"))):
            if not path.is_file():
                continue
            member = tarfile.TarInfo(str(path.relative_to(layout)))
            member.size = path.stat().st_size
            member.mode = 0o644
            with path.open("rb") as stream:
                tar.addfile(member, stream)


def unpack_blobs(archive: Path, store: Path) -> Blobs:
    """Put an archive's blobs into the layout of the distribution registry's storage.

    Args:
        archive: What `write_archive` wrote.
        store: The registry's root folder.

    Returns:
        Which blobs make up the image.

    Raises:
        ValueError: The archive holds no image.
    """
    index: dict[str, Any] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            stream = tar.extractfile(member)
            if stream is None:
                continue
            if member.name == "index.json":
                index = json.load(stream)
            elif member.name.startswith("blobs/sha256/"):
                target = _blob(store, f"sha256:{member.name.rpartition('/')[2]}")
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("wb") as out:
                        shutil.copyfileobj(stream, out, _CHUNK)
    if not index.get("manifests"):
        raise ValueError(f"{archive} holds no image")
    manifest = str(index["manifests"][0]["digest"])
    document = json.loads(_blob(store, manifest).read_text())
    return Blobs(manifest, tuple(part["digest"] for part in (document["config"], *document["layers"])))


def publish(store: Path, repository: str, tags: Iterable[str], blobs: Blobs) -> None:
    """Make an image whose blobs lie in a registry's storage available there.

    This is what a push leaves behind: links for the layers, the revision and the tags. The layout has been the same
    since distribution 2.0.

    Args:
        store: The registry's root folder.
        repository: Name without the host, such as `coredns`.
        tags: Its tags.
        blobs: Its parts.
    """
    root = _root(store) / "repositories" / repository
    for digest in blobs.others:
        _link(root / "_layers" / digest.replace(":", "/"), digest)
    _link(root / "_manifests" / "revisions" / blobs.manifest.replace(":", "/"), blobs.manifest)
    for tag in tags:
        _link(root / "_manifests" / "tags" / tag / "current", blobs.manifest)
        _link(root / "_manifests" / "tags" / tag / "index" / blobs.manifest.replace(":", "/"), blobs.manifest)


def is_published(store: Path, repository: str, tags: Iterable[str]) -> bool:
    """Return whether a registry has all of these tags and each names the same image."""
    folder = _root(store) / "repositories" / repository / "_manifests" / "tags"
    links = [folder / tag / "current" / "link" for tag in tags]
    return all(link.is_file() for link in links) and len({link.read_text() for link in links}) == 1


def share_blobs(source: Path, target: Path, blobs: Blobs) -> None:
    """Have an image's blobs in a second registry's storage as well, as hard links."""
    for digest in (blobs.manifest, *blobs.others):
        path = _blob(target, digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(_blob(source, digest), path)


def names_in(archive: Path) -> Iterator[str]:
    """Yield the full names under which an archive's image is imported."""
    with tarfile.open(archive) as tar:
        stream = tar.extractfile("index.json")
        for each in json.load(stream)["manifests"] if stream else ():
            yield each["annotations"]["io.containerd.image.name"]


def size(archive: Path) -> int:
    """Return the bytes of the layers of an archive's image, as a registry stores them.

    Raises:
        ValueError: The archive holds no image.
    """
    with tarfile.open(archive) as tar:
        manifest = _member(tar, f"blobs/{_member(tar, 'index.json')['manifests'][0]['digest'].replace(':', '/')}")
    return sum(int(layer["size"]) for layer in manifest["layers"])


def _member(tar: tarfile.TarFile, name: str) -> dict[str, Any]:
    try:
        stream = tar.extractfile(name)
    except KeyError:
        stream = None
    if stream is None:
        raise ValueError(f"{tar.name!r} holds no image: no {name}")
    with stream:
        content: dict[str, Any] = json.load(stream)
    return content


def unpack(archive: Path, layout: Path) -> None:
    """Unpack an archive into an image layout folder, its image under the first of its names alone."""
    with tarfile.open(archive) as tar:
        tar.extractall(layout, filter="data")
    index = json.loads((layout / "index.json").read_text())
    index["manifests"] = index["manifests"][:1]
    (layout / "index.json").write_text(json.dumps(index))


def _root(store: Path) -> Path:
    return store / "docker" / "registry" / "v2"


def _blob(store: Path, digest: str) -> Path:
    algorithm, _, digits = digest.partition(":")
    return _root(store) / "blobs" / algorithm / digits[:2] / digits / "data"


def _link(folder: Path, digest: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link").write_text(digest)
