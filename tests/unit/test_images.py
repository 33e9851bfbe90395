"""The lab's images without building them: recipes, content tags, archives and a registry's storage."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from labs import images, paths
from labs.errors import DataError
from labs.events import Event, Step
from labs.images import base, cached, oci, recipe
from labs.providers.engine import catalog, store


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LABS_IMAGE_BASE", raising=False)
    monkeypatch.delenv("LABS_BUNDLE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One image of three files, to be changed by a test."""
    image = tmp_path / "images" / "echo"
    image.mkdir(parents=True)
    (image / "Containerfile").write_text("ARG BASE\nFROM ${BASE}\nCOPY echo.py /\n")
    (image / "image.yaml").write_text('apiVersion: labs/v1\ntag: "1.0"\nfiles: [echo.py]\n')
    (image / "echo.py").write_text("print()\n")
    return image


def tag(folder: Path, identity: str = "base") -> str:
    (only,) = recipe.discover(folder.parent)
    return only.content_tag(identity)


def layout(folder: Path, content: bytes) -> Path:
    """Write an image layout as buildah does: one layer, one configuration, one manifest."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    manifest = blob(json.dumps({"config": blob(b"{}"), "layers": [blob(content)]}).encode())
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def test_every_image_of_the_project_is_read_and_its_tag_fits_its_binary() -> None:
    found = {each.name: each for each in recipe.discover()}
    assert {"pause", "coredns", "metrics-server", "tools", "model-server"} <= set(found)
    for name in ("coredns", "metrics-server"):
        assert found[name].names[0].tag == catalog.load()[name].version
        assert not found[name].needs_base
    assert recipe.Name("private.registry.lab/model-server", "1.0.0", private=True) in found["model-server"].names
    assert "model_server/__main__.py" in found["model-server"].files


def test_the_content_tag_is_the_same_for_the_same_inputs_wherever_they_lie(folder: Path, tmp_path: Path) -> None:
    first = tag(folder)
    assert len(first) == 12
    copy = shutil.copytree(folder.parent, tmp_path / "elsewhere")
    (copy / "echo" / "__pycache__").mkdir()
    os.utime(copy / "echo" / "echo.py", (1, 1))
    assert tag(copy / "echo") == first


@pytest.mark.parametrize("changed", ["Containerfile", "echo.py", "base"])
def test_the_content_tag_moves_with_every_input(folder: Path, changed: str) -> None:
    first = tag(folder)
    if changed == "base":
        assert tag(folder, "another base") != first
        return
    with (folder / changed).open("a") as stream:
        stream.write("# changed\n")
    assert tag(folder) != first


def test_an_image_from_scratch_does_not_care_about_the_base(folder: Path) -> None:
    (folder / "Containerfile").write_text("FROM scratch\nCOPY echo.py /\n")
    assert tag(folder, "one") == tag(folder, "two")


@pytest.mark.parametrize(
    ("text", "told", "line"),
    [
        ("apiVersion: labs/v1\n", "tag: Field required", 1),
        ('apiVersion: labs/v1\ntag: "1.0"\nfile: [x]\n', "file: Extra inputs", 1),
        ('apiVersion: labs/v1\ntag: "1.0"\nfiles: [nope.py]\n', "nope.py is not there", 1),
        ('apiVersion: labs/v1\ntag: "1.0"\nwheels: nope.txt\n', "nope.txt is not there", 1),
        ("apiVersion: labs/v1\ntag: [\n", "not YAML", 3),
    ],
)
def test_a_malformed_recipe_is_told_with_its_file(folder: Path, text: str, told: str, line: int) -> None:
    (folder / "image.yaml").write_text(text)
    with pytest.raises(DataError, match=told) as caught:
        recipe.discover(folder.parent)
    assert caught.value.where == f"{folder / 'image.yaml'}:{line}"


@pytest.mark.usefixtures("cache")
def test_the_base_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    local, public = base.candidates()
    assert local.reference == ""
    assert public.reference.startswith("docker.io/library/python:3.11")
    monkeypatch.setenv("LABS_IMAGE_BASE", "public")
    assert base.candidates() == [public]
    monkeypatch.setenv("LABS_IMAGE_BASE", "local")
    assert base.candidates() == [local]
    monkeypatch.setenv("LABS_IMAGE_BASE", "registry.example/python:1")
    (own,) = base.candidates()
    assert own.reference == "registry.example/python:1"
    assert own.identity not in {local.identity, public.identity}


def test_an_archive_carries_every_name_and_is_the_same_each_time(tmp_path: Path) -> None:
    names = ["registry.lab/echo:1.0", "registry.lab/echo:0123456789ab"]
    oci.write_archive(layout(tmp_path / "a", b"layer"), names, tmp_path / "a.tar")
    oci.write_archive(layout(tmp_path / "b", b"layer"), reversed(names), tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert sorted(oci.names_in(tmp_path / "a.tar")) == sorted(names)
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert {member.mtime for member in tar} == {0}


def always() -> list[str]:
    """Return the names of the images that every cluster has."""
    return [each.name for each in recipe.discover() if not each.on_demand]


def filled(cache: Path) -> None:
    """Have an archive for each of the project's images, as if they had been built on the local base."""
    identity = base.candidates()[0].identity
    for each in recipe.discover():
        draft = paths.cache_dir() / f"{each.name}.draft"
        content_tag = each.content_tag(identity)
        oci.write_archive(
            layout(cache / f"{each.name}.layout", each.name.encode()), cached._references(each, content_tag), draft
        )
        store.add(cached.archive_path(each.name, content_tag), draft, origin="test")


def test_cached_images_need_no_tool_and_private_ones_are_not_in_an_archive(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(cache)
    monkeypatch.setenv("PATH", "/nowhere")
    events: list[Event] = []
    found = {image.reference: image for image in images.ensure(events.append)}
    assert [event.detail for event in events if isinstance(event, Step)] == [f"{len(always())} from the cache"]
    private = found["private.registry.lab/model-server:1.0.0"]
    assert private.private
    assert private.archive == found["registry.lab/model-server:1.0.0"].archive
    assert sorted(oci.names_in(private.archive)) == sorted(
        f"registry.lab/model-server:{each}" for each in ("1.0.0", private.content_tag)
    )


def test_the_doctor_says_what_is_there_or_what_is_missing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (before,) = images.findings()
    assert before.ok is not True
    filled(cache)
    monkeypatch.setenv("PATH", "/nowhere")
    (after,) = images.findings()
    assert (after.ok, after.observed) == (True, f"{len(always())} in the cache")


def test_a_registry_finds_its_images_in_the_storage_and_private_ones_only_in_theirs(cache: Path) -> None:
    filled(cache)
    storage = images.registry_storage(images.ensure())
    public, private = storage["public"], storage["private"]
    root = "docker/registry/v2/repositories"
    assert {path.name for path in (public / root).iterdir()} == set(always())
    assert [path.name for path in (private / root).iterdir()] == ["model-server"]
    image = next(image for image in images.ensure() if image.name == "registry.lab/model-server")
    for store_root in (public, private):
        for each in (image.tag, image.content_tag):
            link = (store_root / root / "model-server/_manifests/tags" / each / "current/link").read_text()
            manifest = json.loads(blob(store_root, link).read_text())
            assert blob(store_root, manifest["layers"][0]["digest"]).read_bytes() == b"model-server"
            assert (store_root / root / "model-server/_layers" / link.replace(":", "/")).exists() is False
    assert blob(public, link).stat().st_nlink == 2  # one copy on the disk for both
    assert images.registry_storage(images.ensure()) == storage


def test_an_image_on_demand_is_no_part_of_a_start_and_is_had_when_a_task_names_it(cache: Path) -> None:
    filled(cache)
    events: list[Event] = []
    assert images.ensure_on_demand({"registry.lab/model-server:1.0.0"}, events.append) == []
    assert events == []
    assert "registry.lab/prometheus" not in {image.name for image in images.ensure()}
    (image,) = images.ensure_on_demand({"registry.lab/prometheus:2.42.0", "registry.lab/tools:1.0.0"})
    assert (image.reference, image.archive.is_file()) == ("registry.lab/prometheus:2.42.0", True)
    assert image in images.ensure_on_demand()


def test_a_registry_learns_of_an_image_later_and_of_a_new_one_under_its_name(cache: Path) -> None:
    filled(cache)
    store_root = images.registry_storage(images.ensure())["public"]
    (image,) = images.ensure_on_demand({"registry.lab/prometheus:2.42.0"})
    tags = (image.tag, image.content_tag)
    assert not oci.is_published(store_root, "prometheus", tags)
    oci.publish(store_root, "prometheus", tags, oci.unpack_blobs(image.archive, store_root))
    assert oci.is_published(store_root, "prometheus", tags)
    newer = oci.Blobs(f"sha256:{'0' * 64}", ())
    oci.publish(store_root, "prometheus", ("another",), newer)
    assert not oci.is_published(store_root, "prometheus", (image.tag, "another"))


def test_another_set_of_images_replaces_the_storage(cache: Path) -> None:
    filled(cache)
    first = images.registry_storage(images.ensure())["public"]
    stale = first.parent.parent / "0123456789ab"
    first.parent.rename(stale)
    assert images.registry_storage(images.ensure())["public"] == first
    assert not stale.exists()


def test_old_archives_of_an_image_are_removed_but_the_one_before_is_kept(cache: Path) -> None:
    paths.cache_dir()
    kept = []
    for number, each in enumerate(("aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc")):
        draft = cache / "draft"
        draft.write_text(each)
        kept.append(store.add(cached.archive_path("model", each), draft, origin="test"))
        os.utime(kept[-1], (number, number))
    other = cached.archive_path("model-server", "dddddddddddd")
    other.write_text("another image")
    cached._prune(kept[-1])
    assert [path.exists() for path in (*kept, other)] == [False, True, True, True]


def blob(root: Path, digest: str) -> Path:
    digits = digest.removeprefix("sha256:")
    return root / "docker/registry/v2/blobs/sha256" / digits[:2] / digits / "data"
