"""The bill of materials of a bundle: CycloneDX JSON out of go.mod files, Debian's package list and pinned wheels.

Called by `bundle` only. It states what the inputs name; it does not scan binaries.
"""

from __future__ import annotations

import json
import re
import tarfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from labs.providers.engine.catalog import Component

_DPKG_STATUS = ("./var/lib/dpkg/status", "var/lib/dpkg/status")


def document(
    binaries: Mapping[Component, str], images: Mapping[str, str], *, bases: Iterable[Path], requirements: Iterable[Path]
) -> str:
    """Return the bill of materials as CycloneDX 1.6 JSON, the same for the same inputs.

    Args:
        binaries: Component → SHA-256 of its binary.
        images: Image reference → SHA-256 of its archive.
        bases: Root file systems (tar) whose Debian packages count.
        requirements: Files with pinned wheels.
    """
    parts: dict[str, dict[str, Any]] = {}
    for component, digest in binaries.items():
        purl = f"pkg:generic/{component.name}@{component.version}"
        parts[purl] = _part("application", component.name, component.version, purl, digest)
        for module, version in go_modules((component.module / "go.mod").read_text()):
            purl = f"pkg:golang/{module}@{version}"
            parts[purl] = _part("library", module, version, purl)
    for reference, digest in images.items():
        name, _, tag = reference.rpartition(":")
        purl = f"pkg:oci/{name.rpartition('/')[2]}@{tag}?repository_url={name}"
        parts[purl] = _part("container", name, tag, purl, digest)
    for base in bases:
        for name, version in debian_packages(base):
            purl = f"pkg:deb/debian/{name}@{version}"
            parts[purl] = _part("library", name, version, purl)
    for file in requirements:
        for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", file.read_text(), re.MULTILINE):
            purl = f"pkg:pypi/{name.lower()}@{version}"
            parts[purl] = _part("library", name, version, purl)
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "kubernetes-ml-labs-bundle"}},
        "components": [parts[purl] for purl in sorted(parts)],
    }
    return json.dumps(content, indent=1) + "\n"


def go_modules(go_mod: str) -> list[tuple[str, str]]:
    """Return the modules (path, version) that a go.mod requires, replacements applied."""
    replaced = {
        old: (new, version)
        for old, new, version in re.findall(r"^(?:replace )?\s*(\S+)(?: v\S+)? => (\S+) (v\S+)", go_mod, re.MULTILINE)
    }
    required = re.findall(
        r"^(?:require )?\s*([a-z0-9][\w.-]*\.[\w./~-]+) (v\S+)(?: // indirect)?$", go_mod, re.MULTILINE
    )
    return sorted({replaced.get(path, (path, version)) for path, version in required})


def debian_packages(root_tar: Path) -> list[tuple[str, str]]:
    """Return the packages (name, version) installed in a root file system."""
    with tarfile.open(root_tar) as tar:
        for member in tar:
            stream = tar.extractfile(member) if member.name in _DPKG_STATUS else None
            if stream is not None:
                text = stream.read().decode(errors="replace")
                return re.findall(r"^Package: (\S+)$.*?^Version: (\S+)$", text, re.MULTILINE | re.DOTALL)
    return []


def _part(kind: str, name: str, version: str, purl: str, sha256: str = "") -> dict[str, Any]:
    part: dict[str, Any] = {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if sha256:
        part["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    return part
