"""One image with the real buildah: from scratch, so that neither a base nor a network is needed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from labs import tools
from labs.errors import EngineError
from labs.images import oci, recipe
from labs.images.buildah import Buildah
from labs.providers.engine import store

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    tools.find("buildah") is None or os.geteuid() != 0, reason="needs buildah and root, as the engine does"
)


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> recipe.Recipe:
    monkeypatch.setenv("LABS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "images" / "echo"
    folder.mkdir(parents=True)
    (folder / "Containerfile").write_text('FROM scratch\nCOPY data/ /data/\nCMD ["/data/x"]\n')
    (folder / "image.yaml").write_text('apiVersion: labs/v1\ntag: "1.0"\nfiles: [data]\n')
    (folder / "data").mkdir()
    (folder / "data" / "x").write_text("x")
    (found,) = recipe.discover(folder.parent)
    return found


def test_the_same_inputs_give_the_same_image_and_nothing_is_left(image: recipe.Recipe, tmp_path: Path) -> None:
    mounts = [line for line in _mounts() if str(tmp_path) in line]
    for name in ("one.tar", "two.tar"):
        os.utime(image.folder / "data" / "x")
        with store.scratch() as scratch:
            builder = Buildah(scratch, lambda _event: None)
            builder.build(image, {}, ["registry.lab/echo:1.0"], tmp_path / name, lambda _elapsed: None)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert list(oci.names_in(tmp_path / "one.tar")) == ["registry.lab/echo:1.0"]
    assert list((tmp_path / "cache" / "tmp").iterdir()) == []
    assert [line for line in _mounts() if str(tmp_path) in line] == mounts


def test_a_build_that_fails_says_why_and_where_the_rest_is(image: recipe.Recipe, tmp_path: Path) -> None:
    (image.folder / "Containerfile").write_text("FROM scratch\nCOPY nothing-here /\n")
    with (
        store.scratch() as scratch,
        pytest.raises(EngineError, match=r"image echo cannot be built: .*nothing-here") as told,
    ):
        Buildah(scratch, lambda _event: None).build(image, {}, ["x:1"], tmp_path / "x.tar", lambda _elapsed: None)
    log = tmp_path / "cache" / "logs" / "image-echo.log"
    assert str(log) in told.value.hint
    assert "nothing-here" in log.read_text()
    assert not (tmp_path / "x.tar").exists()


def _mounts() -> list[str]:
    with open("/proc/self/mounts") as stream:  # noqa: PTH123 - a pseudo file
        return stream.readlines()
