"""Each lint rule finds what it is for, at its line, and leaves a good scenario alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.course.lint import lint
from tests.unit.course_sample import FILES, spoiled, write_course

S = "3-services/no-answer/scenario.yaml"
B = "3-services/no-answer/base/all.yaml"
H = "3-services/no-answer/hints.md"

Change = dict[str, str | bytes | None]

FINDINGS: list[tuple[str, Change, str, str]] = [
    ("literal", spoiled(S, "selects `app=web`", "on port `8080` selects `app=web`"), f"{S}:11", "`8080`"),
    ("literal", spoiled(S, "selects `app=web`", "selects `app=shop-front`"), f"{S}:11", "`app=shop-front`"),
    ("image", spoiled(B, "model-server:1.0.0", "model-server:latest"), f"{B}:12", "not pinned"),
    ("image", spoiled(B, "model-server:1.0.0", "model-server"), f"{B}:12", "not pinned"),
    ("image", spoiled(B, "registry.lab/model-server:1.0.0", "nginx:1.27"), f"{B}:12", "not the lab's"),
    ("node-name", spoiled(B, "      containers:", "      nodeName: any\n      containers:"), f"{B}:10", "`any`"),
    (
        "node-name",
        spoiled(B, "      containers:", "      nodeSelector: {pool: cpu-1}\n      containers:"),
        f"{B}:10",
        "cpu-1",
    ),
    (
        "namespace",
        spoiled(
            B,
            "{name: web, namespace: shop}\nspec:\n  selector",
            "{name: web, namespace: kube-system}\nspec:\n  selector",
        ),
        f"{B}:18",
        "lies in `kube-system`",
    ),
    ("manifest", spoiled(B, "kind: Service", "knd: Service"), f"{B}:16", "needs `kind`"),
    ("manifest", spoiled(B, "    spec:", "\tspec:"), f"{B}:9", "tab"),
    ("fault", spoiled(S, "service: web, value: wbe", "service: wbe, value: wbe"), f"{S}:12", "finds no Service `wbe`"),
    ("fault", spoiled(S, "value: wbe", "value: web"), f"{S}:12", "changes nothing"),
    ("expression", spoiled(S, "services.exists(s, ", "services.exists(s "), f"{S}:21", ""),
    ("expression", spoiled(S, "services.exists(", "servces.exists("), f"{S}:21", "servces"),
    (
        "wrong",
        {**spoiled(S, "[relabel, delete-it]", "[relabel]"), "3-services/no-answer/wrong/delete-it/fix.yaml": None},
        f"{S}:29",
        "1 wrong fixes",
    ),
    ("untouched", {S: FILES[S].replace("  about:", "  untouched: passes\n  about:")}, f"{S}:15", "no check fails"),
    ("lesson", spoiled(S, 'lesson: "3.1"', 'lesson: "3.5"'), f"{S}:4", "no lesson 3.5"),
    ("debrief", {"3-services/no-answer/debrief.md": "\n"}, "debrief.md:1", "empty"),
    (
        "spoiler",
        spoiled(H, "See for yourself.", 'Type kubectl patch service web -p \'{"spec":{"selector":{"app":"web"}}}\''),
        f"{H}:8",
        "app",
    ),
    (
        "spoiler",
        {
            **spoiled(H, "See for yourself.", "It says `replicas: 17` there."),
            "3-services/no-answer/solution/new.yaml": "spec:\n  replicas: 17\n",
        },
        f"{H}:8",
        "replicas: 17",
    ),
    ("schema", spoiled(S, "kind: fix", "kind: fux"), f"{S}:5", "cannot be `fux`"),
]


@pytest.mark.parametrize(
    ("rule", "change", "where", "message"), FINDINGS, ids=[f"{f[0]}-{i}" for i, f in enumerate(FINDINGS)]
)
def test_a_rule_finds_what_it_is_for(tmp_path: Path, rule: str, change: Change, where: str, message: str) -> None:
    findings = lint(root=write_course(tmp_path, change))
    assert any(f.rule == rule and where in f.where and message in f.message for f in findings), findings


def test_a_good_scenario_has_no_findings(tmp_path: Path) -> None:
    assert lint(root=write_course(tmp_path)) == []


def test_two_scenarios_may_not_share_a_namespace_or_their_checks(tmp_path: Path) -> None:
    twin = {
        n.replace("no-answer", "twin"): t.replace("no-answer", "twin") for n, t in FILES.items() if "no-answer" in n
    }
    rules = {f.rule for f in lint(root=write_course(tmp_path, dict(twin)))}
    assert rules == {"namespace", "alike"}


def test_only_the_named_paths_are_reported(tmp_path: Path) -> None:
    root = write_course(tmp_path, spoiled(S, 'lesson: "3.1"', 'lesson: "3.5"'))
    assert lint([root / "3-services/no-answer"], root=root)
    assert lint([root / "3-services/no-answer/base"], root=root) == []


def test_hints_may_name_what_only_looks(tmp_path: Path) -> None:
    change = spoiled(H, "See for yourself.", "Run `kubectl -n shop get service web -o yaml` and read `app`.")
    assert lint(root=write_course(tmp_path, change)) == []
