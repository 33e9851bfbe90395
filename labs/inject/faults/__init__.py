"""The fault library: one small module per fault, discovered, never listed.

A module is a manifest-level fault when it has `Params` (a `Spec`) and `transform(manifests, params)`, which breaks
copies of the manifests in place: what was injected is then part of the task's baseline, so a reset restores it like
everything else. It is a live fault when it has `Params` and `patch(objects, params)` with `TARGET` (an `Objects`): it
changes objects that are not the scenario's, such as nodes; their state before and after is recorded, so that stop and
reset restore exactly that. A manifest-level fault may have a `TARGET`, too: what it adds changes such objects while the
learner works. It is a fault over files when it has `Params` and `edit(files, params)`, which changes the
text of the learner's files in place (path → text); the workspace is put back with it.

Every module says its row of the fault catalogue (`NUMBER`, 0 for none) and what the learner sees (`SYMPTOM`); many also
how the task's objects show it (`SEEN`), for which `labs.inject.symptoms` waits.

`labs.course.load` calls `check`; `labs.inject.manifests` calls `transform`; `labs.attempts.seeding` asks for live ones
and calls `patch`; `labs.inject.files` calls `edit`.
"""

from __future__ import annotations

import copy
import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from grader.model import Json, Objects
from labs.course.explain import nearest, validate
from labs.course.position import Document, Path_
from labs.errors import DataError
from labs.inject.faults._seen import Seen, World


@cache
def library() -> dict[str, ModuleType]:
    """Return name → module of every fault there is."""
    found = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
    return {name: importlib.import_module(f"{__name__}.{name}") for name in sorted(found)}


def check(use: str, with_: dict[str, Any], document: Document, loc: Path_, *, later: str = "") -> Iterator[DataError]:
    """Yield what is wrong with a scenario's use of a library fault.

    Args:
        use: The fault's name.
        with_: Its parameters.
        document: The file that uses it.
        loc: Where in the file.
        later: Key that makes it come later than the rest (`when`, `at`); empty: none.
    """
    module = library().get(use)
    if module is None:
        yield DataError(
            f"no fault is called `{use}`", where=document.where((*loc, "use")), hint=nearest(use, library())
        )
        return
    if later and not is_manifest(use):
        message = f"the fault `{use}` cannot come later: it is not about manifests"
        yield DataError(message, where=document.where((*loc, later)), hint=f"leave `{later}` out")
    _, errors = validate(module.Params, document, with_, base=(*loc, "with"))
    yield from errors


def is_live(use: str) -> bool:
    """Return whether a fault acts on objects of the cluster rather than on manifests."""
    return hasattr(library()[use], "patch")


def is_edit(use: str) -> bool:
    """Return whether a fault acts on files of the learner's workspace."""
    return hasattr(library()[use], "edit")


def is_manifest(use: str) -> bool:
    """Return whether a fault acts on the scenario's manifests."""
    return hasattr(library()[use], "transform")


def edit(files: dict[str, str], use: str, with_: dict[str, Any]) -> dict[str, str]:
    """Return a copy of the files, path → text, with the fault in them.

    Raises:
        DataError: The fault finds nothing to break, so scenario and fault do not go together.
    """
    broken = dict(files)
    module = library()[use]
    module.edit(broken, _params(module, use, with_))
    if broken == files:
        raise DataError(f"the fault `{use}` changes nothing", hint="the files are broken that way already")
    return broken


def transform(manifests: list[Json], use: str, with_: dict[str, Any]) -> list[Json]:
    """Return copies of the manifests with the fault in them.

    Raises:
        DataError: The fault finds nothing to break, so scenario and fault do not go together.
    """
    broken = copy.deepcopy(manifests)
    module = library()[use]
    module.transform(broken, _params(module, use, with_))
    if broken == manifests:
        raise DataError(f"the fault `{use}` changes nothing", hint="the manifests are broken that way already")
    return broken


def has_target(use: str) -> bool:
    """Return whether a fault changes objects that are not the scenario's, at the start or later."""
    return hasattr(library()[use], "TARGET")


def target(use: str) -> Objects:
    """Return which objects these are."""
    chosen: Objects = library()[use].TARGET
    return chosen


def patch(objects: list[Json], use: str, with_: dict[str, Any]) -> list[Json]:
    """Return the objects a live fault wants changed, as they have to look.

    Raises:
        DataError: The cluster has none that it could break.
    """
    module = library()[use]
    wanted: list[Json] = module.patch(copy.deepcopy(objects), _params(module, use, with_))
    changed = [obj for obj in wanted if obj not in objects]
    if not changed:
        hint = "the cluster lacks what the fault is about, or is broken that way already"
        raise DataError(f"the fault `{use}` changes nothing", hint=hint)
    return changed


def sight(use: str) -> Seen | None:
    """Return how the symptom of a fault is seen in the task's objects; None: at once, or only by using the service."""
    return getattr(library()[use], "SEEN", None)


def is_seen(use: str, with_: dict[str, Any], world: World) -> bool:
    """Return whether the symptom of a fault is there; `world` has the objects of the kinds that `sight` names."""
    seen = sight(use)
    return seen is None or seen.test(world, _params(library()[use], use, with_))


def _params(module: ModuleType, use: str, with_: dict[str, Any]) -> Any:
    try:
        return module.Params.model_validate(with_)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        raise DataError(f"the fault `{use}` does not take these parameters: {said}") from None
