"""`image`: images as the registry tells of them: digest, user, size, labels, and what the SBOM lists."""

from __future__ import annotations

from grader.cluster import ImageFacts
from grader.errors import GraderError
from grader.finding import Finding, Scene, given, verdict
from grader.model import Check, Image, Json
from grader.snapshot import Question
from grader.text import absence, clean, listed, shown

_MEGA = 1_000_000
_OURS = ("registry.lab/", "private.registry.lab/")
_ROOT = frozenset({"", "0", "root"})


def reads(check: Check, _namespaces: tuple[str, ...]) -> list[Question]:
    """Return the list of those whose images are asked about; for an image that is named, the registry is enough."""
    wanted = given(check, "image", check.image)
    return [wanted.of] if wanted.of else []


def look(check: Check, scene: Scene) -> Finding:
    """Compare what the registry tells."""
    wanted = given(check, "image", check.image)
    model = scene.cluster.image(wanted.same_as) if wanted.same_as else None
    if wanted.same_as and model is None:
        raise GraderError(f"the registry has no image {clean(wanted.same_as, 160)} to compare with")
    digest = model.digest if model else wanted.digest
    if wanted.of is None:
        observed, bad = _one(wanted, wanted.ref, digest, scene)
        return verdict(not bad, "\n".join([observed, *bad[:4]] if observed else bad[:4]), _expected(wanted), bad)
    objects = scene.snapshot.objects(wanted.of)
    named = _images(objects)
    if not named:
        place = wanted.of.namespace or ", ".join(scene.namespaces)
        words = absence(wanted.of.kind, wanted.of.name or wanted.of.selector, place, [])
        return verdict(passed=False, observed=words, expected=_expected(wanted), mismatches=[words])
    told, bad = [], []
    for reference, users in named.items():
        observed, wrong = _one(wanted, reference, digest, scene)
        told.append(f"{', '.join(users[:3])}: {clean(reference, 160)}{f' is {observed}' if observed else ''}")
        bad += [f"{users[0]}: {words}" for words in wrong]
    return verdict(not bad, "\n".join([*told[:4], *bad[:4]]), _expected(wanted), bad)


def _images(objects: list[Json]) -> dict[str, list[str]]:
    """Return reference → the containers that name it, each as `Kind name: container`."""
    found: dict[str, list[str]] = {}
    for obj in objects:
        spec = obj.get("spec") or {}
        pod = (spec.get("template") or {}).get("spec") or spec
        for container in [*(pod.get("initContainers") or []), *(pod.get("containers") or [])]:
            user = f"{obj.get('kind', '')} {obj['metadata']['name']}: {container.get('name', '')}".strip()
            found.setdefault(str(container.get("image", "")), []).append(clean(user, 160))
    return found


def _one(wanted: Image, reference: str, digest: str, scene: Scene) -> tuple[str, list[str]]:
    """Return what is told of one image, and what of it is wrong."""
    bad = [] if not wanted.pinned or "@sha256:" in reference else ["it is named by a tag, not by its digest"]
    if wanted.of is not None and not reference.startswith(_OURS):
        return "", [*bad, "it is not from the lab's registry"]
    found = scene.cluster.image(reference)
    if found is None:
        return "", [*bad, f"the registry has no image {clean(reference, 160)}"]
    if found.packages is None and (wanted.packages or wanted.no_packages):
        raise GraderError(f"{clean(reference, 160)} has no SBOM in the registry, so its packages are not known")
    user = clean(found.user, 60) or "root"
    observed = f"{clean(found.digest, 80)}, {found.size / _MEGA:.1f} MB, runs as {user}"
    return observed, bad + _wrong(wanted, digest, found)


def _wrong(wanted: Image, digest: str, found: ImageFacts) -> list[str]:
    bad = []
    if digest not in {"", found.digest}:
        bad.append(f"digest: observed {clean(found.digest, 80)}, expected {digest}")
    if wanted.non_root and found.user.partition(":")[0] in _ROOT:
        bad.append(f"user: observed {found.user or 'none set, which is root'}, expected another than root")
    if wanted.most_mb is not None and found.size > wanted.most_mb * _MEGA:
        bad.append(f"size: observed {found.size / _MEGA:.1f} MB, expected at most {wanted.most_mb:g} MB")
    for key, value in wanted.labels.items():
        if found.labels.get(key) != value:
            bad.append(f"label {key}: observed {shown(found.labels.get(key, 'nothing'), 80)}, expected {value}")
    there = set(found.packages or ())
    lacking = [name for name in wanted.packages if name not in there]
    left = [name for name in wanted.no_packages if name in there]
    bad += [f"the SBOM lacks {listed(lacking)}"] if lacking else []
    return bad + ([f"the SBOM still lists {listed(left)}"] if left else [])


def _expected(wanted: Image) -> str:
    parts = [wanted.ref or "every image"]
    parts += ["named by digest"] if wanted.pinned else []
    parts += [f"the same as {wanted.same_as}"] if wanted.same_as else []
    parts += [wanted.digest] if wanted.digest else []
    parts += ["runs as another user than root"] if wanted.non_root else []
    parts += [f"at most {wanted.most_mb:g} MB"] if wanted.most_mb is not None else []
    parts += [f"labels {shown(wanted.labels, 120)}"] if wanted.labels else []
    parts += [f"an SBOM with {listed(wanted.packages)}"] if wanted.packages else []
    return ", ".join([*parts, *([f"an SBOM without {listed(wanted.no_packages)}"] if wanted.no_packages else [])])
