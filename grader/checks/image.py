"""`image`: an image as the registry tells of it: digest, user, size, labels, and what its SBOM lists."""

from __future__ import annotations

from grader.cluster import ImageFacts
from grader.errors import GraderError
from grader.finding import Finding, Scene, given, verdict
from grader.model import Check, Image
from grader.snapshot import Question
from grader.text import clean, listed, shown

_MEGA = 1_000_000
_ROOT = frozenset({"", "0", "root"})


def reads(_check: Check, _namespaces: tuple[str, ...]) -> list[Question]:
    """Return nothing: the registry is asked."""
    return []


def look(check: Check, scene: Scene) -> Finding:
    """Compare what the registry tells."""
    wanted = given(check, "image", check.image)
    found = scene.cluster.image(wanted.ref)
    if found is None:
        words = f"the registry has no image {clean(wanted.ref, 160)}"
        return verdict(passed=False, observed=words, expected=_expected(wanted), mismatches=[words])
    if found.packages is None and (wanted.packages or wanted.no_packages):
        raise GraderError(f"{clean(wanted.ref, 160)} has no SBOM in the registry, so its packages are not known")
    bad = _wrong(wanted, found)
    user = clean(found.user, 60) or "root"
    observed = f"{clean(found.digest, 80)}, {found.size / _MEGA:.1f} MB, runs as {user}"
    return verdict(not bad, "\n".join([observed, *bad[:4]]), _expected(wanted), bad)


def _wrong(wanted: Image, found: ImageFacts) -> list[str]:
    bad = []
    if wanted.digest not in {"", found.digest}:
        bad.append(f"digest: observed {clean(found.digest, 80)}, expected {wanted.digest}")
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
    parts = [wanted.ref]
    parts += [wanted.digest] if wanted.digest else []
    parts += ["runs as another user than root"] if wanted.non_root else []
    parts += [f"at most {wanted.most_mb:g} MB"] if wanted.most_mb is not None else []
    parts += [f"labels {shown(wanted.labels, 120)}"] if wanted.labels else []
    parts += [f"an SBOM with {listed(wanted.packages)}"] if wanted.packages else []
    return ", ".join([*parts, *([f"an SBOM without {listed(wanted.no_packages)}"] if wanted.no_packages else [])])
