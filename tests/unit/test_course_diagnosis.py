"""What loading and lint say about a diagnosis that cannot be answered, or is answered wrongly by the solution."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.course.lint import lint
from labs.course.load import load_course
from labs.errors import DataError
from tests.unit.course_sample import write_course
from tests.unit.diagnosis_world import FILES

S = "3-services/no-answer/scenario.yaml"
F = "3-services/no-answer/solution/fix.yaml"


def spoiled(name: str, old: str, new: str) -> dict[str, str | bytes | None]:
    assert old in FILES[name]
    return {**FILES, name: FILES[name].replace(old, new)}


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        (spoiled(S, "Service/front", "Service/frnt"), f"{S}:30", "no object of this scenario: `Service/frnt`"),
        (spoiled(S, "Deployment/web", "web"), f"{S}:30", "no object of this scenario: `web`"),
        (spoiled(S, "  evidence:", "  # evidence:"), f"{S}:29", "`evidence` is missing"),
        (spoiled(F, "cause: limit", "cause: load"), f"{F}:1", "answers another cause"),
        ({**FILES, F: "about: x\nsteps:\n- {say: x, kubectl: [get, pods]}\n"}, f"{F}:1", "does not answer"),
    ],
    ids=["no-object", "no-kind", "no-evidence", "other-cause", "no-answer"],
)
def test_lint_names_what_is_wrong(
    tmp_path: Path, change: dict[str, str | bytes | None], where: str, message: str
) -> None:
    root = write_course(tmp_path, change)
    found = [f for f in lint(root=root) if f.rule == "diagnosis" and message in f.message]
    assert [f.where.removeprefix(f"{root}/") for f in found] == [where]


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        (spoiled(F, "cause: limit", "cause: limt"), f"{F}:4", "names no option: `limt`"),
        (spoiled(F, "  answer:", "  kubectl: [get, pods]\n  answer:"), f"{F}:3", "exactly one of"),
        (spoiled(S, "cause: limit", "cause: limt"), f"{S}:31", "names no option: `limt`"),
        (spoiled(S, "component: 2", "component: 0"), f"{S}:37", "points"),
    ],
    ids=["option", "two-actions", "cause", "points"],
)
def test_a_mistake_is_told_at_its_line(
    tmp_path: Path, change: dict[str, str | bytes | None], where: str, message: str
) -> None:
    with pytest.raises(DataError) as raised:
        load_course(write_course(tmp_path, change))
    assert where in str(raised.value)
    assert message in str(raised.value)
