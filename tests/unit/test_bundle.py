"""An offline bundle: what goes in comes out, and nothing that was tampered with gets in."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from labs.errors import DataError, UsageError
from labs.events import Event, Progress, State, Step
from labs.providers.engine import bundle, bundle_reader, catalog, components, sbom, store


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LABS_BUNDLE", raising=False)
    return tmp_path / "cache"


def packed(folder: Path, files: dict[str, bytes], name: str = "bundle.tar.gz") -> Path:
    """Write a bundle as `bundle.build` does."""
    sources = {}
    for number, (member, content) in enumerate(files.items()):
        sources[member] = folder / f"source-{number}"
        sources[member].write_bytes(content)
    target = folder / name
    bundle._write(target, sources, "{}", lambda _event: None)
    return sealed(target)


def forged(folder: Path, manifest: Any, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    """Write a tar that claims to be a bundle, with a checksum that fits."""
    target = folder / "forged.tar"
    with tarfile.open(target, "w") as tar:
        content = json.dumps(manifest).encode()
        for info, data in ((plain("manifest.json"), content), *members):
            if info.isreg():
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return sealed(target)


def sealed(target: Path) -> Path:
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    target.with_name(f"{target.name}.sha256").write_text(f"{digest}  {target.name}\n")
    return target


def plain(name: str) -> tarfile.TarInfo:
    return tarfile.TarInfo(name)


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = tarfile.SYMTYPE
    info.linkname = target
    return info


def manifest(*names: str, content: bytes = b"evil") -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    files = [{"name": name, "sha256": digest, "size": len(content), "executable": True} for name in names]
    return {"apiVersion": "labs/v1", "files": files}


@pytest.mark.parametrize("name", ["bundle.tar", "bundle.tar.gz"])
def test_what_goes_in_comes_out_and_the_resolver_finds_it(cache: Path, tmp_path: Path, name: str) -> None:
    coredns = catalog.load()["coredns"]
    members = {
        f"bin/coredns/{coredns.key}/coredns": b"a binary",
        f"{bundle_reader.system_prefix()}/runc": b"a system tool",
        "images/coredns-0123456789ab.tar": b"an image",
    }
    events: list[Event] = []
    taken = bundle.import_(packed(tmp_path, members, name), events.append)
    assert sorted(taken) == sorted(members)
    assert {member: (cache / member).read_bytes() for member in members} == members
    assert components.ensure(names=["coredns"])["coredns"] == store.binary(coredns)
    assert store.binary(coredns).stat().st_mode & 0o777 == 0o755
    assert bundle_reader.system_file("runc") == cache / bundle_reader.system_prefix() / "runc"
    last = [event for event in events if isinstance(event, Step)][-1]
    assert (last.state, last.detail) == (State.DONE, "3 files")


def test_the_resolver_takes_the_bundle_that_the_environment_names(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coredns = catalog.load()["coredns"]
    path = packed(tmp_path, {f"bin/coredns/{coredns.key}/coredns": b"a binary"})
    monkeypatch.setenv("LABS_BUNDLE", str(path))
    events: list[Event] = []
    assert components.ensure(events.append, ["coredns"])["coredns"].read_bytes() == b"a binary"
    assert not [event for event in events if isinstance(event, Step) and event.id == "source:download"]
    assert cache in store.binary(coredns).parents


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "bin/../../outside",
        "/etc/outside",
        "bin//x",
        "bin/.hidden",
        "state/x",
        "bin",
        "bin/a\nb",
        "./bin/x",
    ],
)
def test_a_manifest_that_points_outside_its_folders_is_refused(cache: Path, tmp_path: Path, name: str) -> None:
    path = forged(tmp_path, manifest(name), (plain(name), b"evil"))
    with pytest.raises(DataError, match="outside the folders of a bundle"):
        bundle.import_(path)
    assert written(cache) == []
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    ("member", "content", "told"),
    [
        (plain("bin/other"), b"evil", "is not in the bundle's manifest"),
        (plain("../outside"), b"evil", "is not in the bundle's manifest"),
        (link("bin/tool", "/etc/passwd"), b"", "is not a plain file"),
        (link("bin", "/etc"), b"", "is not a plain file"),
        (plain("bin/tool"), b"good", "the manifest says"),
    ],
)
def test_a_member_that_the_manifest_does_not_vouch_for_is_refused(
    cache: Path, tmp_path: Path, member: tarfile.TarInfo, content: bytes, told: str
) -> None:
    path = forged(tmp_path, manifest("bin/tool"), (member, content))
    with pytest.raises(DataError, match=told) as caught:
        bundle.import_(path)
    assert caught.value.hint
    assert written(cache) == []


def test_a_bundle_that_lacks_a_file_of_its_manifest_is_refused(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="are missing"):
        bundle.import_(forged(tmp_path, manifest("bin/tool")))
    assert written(cache) == []


def test_a_bundle_of_another_format_or_none_at_all_is_refused(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="reads labs/v1"):
        bundle.import_(forged(tmp_path, {"apiVersion": "labs/v2", "files": []}))
    noise = tmp_path / "noise.tar"
    noise.write_bytes(b"not a tar at all")
    with pytest.raises(DataError, match="no bundle that can be used"):
        bundle.import_(sealed(noise))
    assert written(cache) == []


def test_a_checksum_that_is_missing_or_another_is_told_with_the_file(cache: Path, tmp_path: Path) -> None:
    path = packed(tmp_path, {"bin/tool": b"tool"})
    with path.open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(DataError, match="expected is"):
        bundle.import_(path)
    path.with_name(f"{path.name}.sha256").unlink()
    with pytest.raises(DataError, match="checksum file is missing") as told:
        bundle.import_(path)
    assert told.value.where.endswith("bundle.tar.gz.sha256")
    with pytest.raises(DataError, match="no such file"):
        bundle.import_(tmp_path / "nothing.tar")
    assert written(cache) == []


def test_the_same_files_give_the_same_bundle_and_progress_is_told(tmp_path: Path) -> None:
    events: list[Event] = []
    source = tmp_path / "tool"
    source.write_bytes(b"tool")
    for name in ("one.tar", "two.tar"):
        bundle._write(tmp_path / name, {"bin/tool": source}, "{}", events.append)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert [event.done for event in events if isinstance(event, Progress)] == [4, 4]


def test_a_name_that_promises_another_format_is_refused_before_any_work(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"b\.zip is no name for a bundle"):
        bundle.build(tmp_path / "b.zip")
    assert written(cache) == []


def test_the_bill_of_materials_names_modules_packages_and_wheels(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# pinned\nnumpy==2.4.6 \\\n    --hash=sha256:00\n")
    base = tmp_path / "base.tar"
    status = b"Package: bash\nStatus: install ok installed\nVersion: 5.2.15-2\n\nPackage: curl\nVersion: 7.88\n"
    with tarfile.open(base, "w") as tar:
        info = plain("./var/lib/dpkg/status")
        info.size = len(status)
        tar.addfile(info, io.BytesIO(status))
    policies = catalog.load()["kube-network-policies"]
    text = sbom.document(
        {policies: "ab" * 32}, {"registry.lab/tools:1.0.0": "cd" * 32}, bases=[base], requirements=[requirements]
    )
    parts = {part["purl"]: part for part in json.loads(text)["components"]}
    assert parts["pkg:generic/kube-network-policies@1.1.0"]["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert {"pkg:deb/debian/bash@5.2.15-2", "pkg:deb/debian/curl@7.88", "pkg:pypi/numpy@2.4.6"} <= set(parts)
    assert "pkg:golang/github.com/vishvananda/netlink@v1.3.1" in parts  # the replacement, not what it replaces
    assert parts["pkg:oci/tools@1.0.0?repository_url=registry.lab/tools"]["type"] == "container"


def written(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()] if cache.exists() else []
