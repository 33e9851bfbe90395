"""What a fix types: an image's digest, which is another on each machine, is looked up when the step is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader import registry
from grader.capabilities import Capabilities
from grader.cluster import ImageFacts
from grader.errors import Unanswered
from labs.attempts import fixes
from labs.course.models import Fix, FixFile, FixStep
from labs.errors import ClusterError
from labs.providers.base import ClusterHandle

IMAGE = "server=registry.lab/x@{digest of registry.lab/x:1.0.0}"


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file in which a kubectl that does nothing writes its arguments."""
    out, program = tmp_path / "typed", tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {out}\n')
    program.chmod(0o755)
    monkeypatch.setitem(fixes._FIND, "kubectl", lambda: program)
    return out


def do(tmp_path: Path, *words: str, address: str = "10.0.0.1:5000") -> None:
    handle = ClusterHandle("x", "engine", "id", tmp_path / "kubeconfig", Capabilities(), registry=address)
    step = FixStep(say="Pin it.", kubectl=words)
    fix = Fix(id="solution", folder=tmp_path, file=FixFile(about="It is pinned.", steps=(step,)))
    fixes.apply_fix(handle, tmp_path, fix, answer=lambda _: None, emit=lambda _: None)


def test_a_digest_is_looked_up(tmp_path: Path, typed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def read(*words: str) -> ImageFacts | None:
        asked.append(words)
        return ImageFacts("sha256:abc") if words[1].endswith(":1.0.0") else None

    monkeypatch.setattr(registry, "read", read)
    do(tmp_path, "set", "image", IMAGE, '{"spec":{"a":1}}')
    assert typed.read_text().split() == ["set", "image", "server=registry.lab/x@sha256:abc", '{"spec":{"a":1}}']
    assert asked == [("10.0.0.1:5000", "registry.lab/x:1.0.0", "")]
    with pytest.raises(ClusterError, match="does not have the image") as error:
        do(tmp_path, "{digest of registry.lab/x:2}")
    assert error.value.hint
    with pytest.raises(ClusterError, match="does not have the image"):
        do(tmp_path, IMAGE, address="")


def test_a_registry_that_does_not_answer_is_told(tmp_path: Path, typed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: str) -> None:
        raise Unanswered("the registry at 10.0.0.1:5000 cannot be reached")

    monkeypatch.setattr(registry, "read", read)
    with pytest.raises(ClusterError, match="cannot be reached"):
        do(tmp_path, IMAGE)
    assert not typed.exists()
