"""`image`: what the registry tells of an image that is named, and of those that containers name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from grader.cluster import ImageFacts
from grader.fake_cluster import FakeCluster, Inside
from tests.unit.grader_world import NOW, NS, deployment
from tests.unit.test_grader_kinds import Json, check, expect, judge

FACTS = ImageFacts("sha256:abc", "65532:65532", 180_000_000, {"a": "b"}, ("numpy", "pip"))
IMAGE = [
    ({"digest": "sha256:abc", "non_root": True, "most_mb": 200, "labels": {"a": "b"}}, True, "180.0 MB, runs as 65532"),
    ({"digest": "sha256:def"}, False, "digest: observed sha256:abc, expected sha256:def"),
    ({"most_mb": 100}, False, "size: observed 180.0 MB, expected at most 100 MB"),
    ({"labels": {"a": "c"}}, False, "label a: observed b, expected c"),
    ({"packages": ["numpy"], "no_packages": ["pip"]}, False, "the SBOM still lists pip"),
    ({"packages": ["torch"]}, False, "the SBOM lacks torch"),
    ({"ref": "registry.lab/root:1", "non_root": True}, False, "user: observed none set, which is root"),
    ({"ref": "registry.lab/root:1", "no_packages": ["pip"]}, None, "has no SBOM"),
    ({"ref": "registry.lab/x:2"}, False, "the registry has no image registry.lab/x:2"),
]


@pytest.mark.parametrize(("body", "passes", "evidence"), IMAGE)
def test_image(body: Json, passes: bool | None, evidence: str) -> None:
    inside = Inside(images={"registry.lab/x:1": FACTS, "registry.lab/root:1": ImageFacts("sha256:1")})
    expect(
        judge(check("image", {"ref": "registry.lab/x:1", **body}), FakeCluster(inside=inside, now=NOW)),
        passes,
        evidence,
    )


PIN = "sha256:" + "a" * 64
IMAGES = {f"registry.lab/{name}": ImageFacts(PIN, "65532", 1) for name in ("x:1", f"x@{PIN}", f"x:1@{PIN}")}
IMAGES |= {f"registry.lab/y@{PIN}": ImageFacts("sha256:b", "", 1)}
RAN: list[tuple[list[str], bool | None, str]] = [
    ([f"registry.lab/x@{PIN}"], True, f"Deployment embedder: c0: registry.lab/x@{PIN} is {PIN}, 0.0 MB, runs as 65532"),
    ([f"registry.lab/x:1@{PIN}"], True, "c0"),
    ([f"registry.lab/x@{PIN}", "registry.lab/x:1"], False, "c1: it is named by a tag, not by its digest"),
    ([f"registry.lab/y@{PIN}"], False, f"digest: observed sha256:b, expected {PIN}"),
    ([f"registry.lab/y@{PIN}"], False, "user: observed none set, which is root"),
    ([f"registry.lab/z@{PIN}"], False, "the registry has no image registry.lab/z@"),
    ([f"example.com/x@{PIN}"], False, "it is not from the lab's registry"),
    ([], False, "no Deployment `embedder` in serving"),
]


@pytest.mark.parametrize(("images", "passes", "evidence"), RAN)
def test_images_that_run(images: list[str], passes: bool | None, evidence: str) -> None:
    one = deployment(ready=1)
    parts = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    one["spec"]["template"]["spec"] = {"initContainers": parts[1:], "containers": parts[:1]}
    of = {"kind": "Deployment", "namespace": NS, "name": "embedder"}
    body = {"of": of, "pinned": True, "same_as": "registry.lab/x:1", "non_root": True}
    world = FakeCluster([one] if images else [], inside=Inside(images=IMAGES), now=NOW)
    expect(judge(check("image", body), world), passes, evidence)
    gone = FakeCluster([one], inside=Inside(images={}), now=NOW)
    expect(judge(check("image", body), gone), None, "no image registry.lab/x:1 to compare with")
    with pytest.raises(ValidationError, match="exactly one of `ref` and `of`"):
        check("image", {**body, "ref": "registry.lab/x:1"})
