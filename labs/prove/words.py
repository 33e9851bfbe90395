"""What the fixes of a scenario say they do: the names they type, and the settings of nodes they change. Pure.

`trials.py` and `outside.py` ask, to know what a scenario may have left; `gate.py`, to know what may run beside others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from labs.course.models import Fix, FixStep, Scenario
from labs.inject.manifests import CLUSTER_SCOPED, targets
from labs.inject.snapshot import tracked

CORDON, TAINT, LABEL, THERE = "cordon", "taint", "label", "there"
EVERYTHING = frozenset({CORDON, TAINT, LABEL, THERE})

_NAME = re.compile(r"\w[\w.:-]*")
_VERBS = {"cordon": {CORDON}, "uncordon": {CORDON}, "drain": {CORDON}, "taint": {TAINT}}
_NODE = re.compile(r"^(no|node|nodes)(/|$)")
_WRITES = frozenset({"annotate", "apply", "create", "delete", "edit", "label", "patch", "replace"})
_KIND_NODE = re.compile(r"^\s*[\"']?kind[\"']?:\s*[\"']?Node\b", re.MULTILINE)


def fixes(scenario: Scenario) -> tuple[Fix, ...]:
    """Return every fix of a scenario, the solution first."""
    return (scenario.solution, *scenario.wrong)


def names(scenario: Scenario) -> frozenset[str]:
    """Return every word of the fixes that may be the name of an object: of their commands and of their files."""
    found: set[str] = set()
    for fix in fixes(scenario):
        for step in fix.file.steps:
            for argument in step.command:
                found.update(_words(argument))
        for text in _texts(fix.folder):
            found.update(_words(text))
    return frozenset(found)


def _words(text: str) -> Iterator[str]:
    for word in _NAME.findall(text):
        yield word
        yield from word.split(":")  # `serving:ranker`, `name:` at the end of a key
        yield word.rstrip(".:-")


def _texts(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file() and path.name != "fix.yaml":
            yield path.read_text(encoding="utf-8", errors="replace")


def nodes_of_fix(fix: Fix) -> frozenset[str]:
    """Return which settings of nodes a fix may change: cordons, taints, labels, whether a node is there."""
    found: set[str] = set()
    for step in fix.file.steps:
        found |= _nodes_of_step(step)
    written = any(set(step.kubectl) & _WRITES for step in fix.file.steps)
    if written and any(_KIND_NODE.search(text) for text in _texts(fix.folder)):
        found |= EVERYTHING
    return frozenset(found)


def _nodes_of_step(step: FixStep) -> set[str]:
    verb = next((word for word in step.kubectl if word in _WRITES or word in _VERBS), "")
    if verb in _VERBS:
        return set(_VERBS[verb])
    if verb and any(_NODE.match(word) for word in step.kubectl):
        return {LABEL} if verb in {"label", "annotate"} else set(EVERYTHING)
    return set()


def nodes_of_start(scenario: Scenario) -> frozenset[str]:
    """Return which settings of nodes the faults of a scenario change, at its start or while it runs."""
    return EVERYTHING if any(what.kind == "Node" for what in targets(scenario)) else frozenset()


def nodes_of_checks(scenario: Scenario) -> frozenset[str]:
    """Return which settings of nodes change while a scenario is checked: a drain cordons, a fault goes on."""
    acts = {c.triggered.do.kind for c in scenario.file.checks if c.triggered and c.triggered.do}
    changed = {"drain": {CORDON}, "kill_node": {TAINT}, "lose_gpu": EVERYTHING}
    return nodes_of_start(scenario).union(*(changed.get(act, set()) for act in acts))


def nodes_of(scenario: Scenario) -> frozenset[str]:
    """Return which settings of nodes a start, a check or a fix of the scenario changes."""
    of_fixes = (nodes_of_fix(fix) for fix in fixes(scenario))
    return frozenset().union(nodes_of_start(scenario), nodes_of_checks(scenario), *of_fixes)


def acts_on_cluster(scenario: Scenario) -> bool:
    """Return whether the scenario brings or changes an object of the whole cluster, other than its namespaces.

    One that looks at nodes counts too: another one could label them.
    """
    if nodes_of(scenario) or any(what.kind == "Node" for what in tracked(scenario)):
        return True
    kinds = {kind.lower() for kind in CLUSTER_SCOPED - {"Namespace"}}
    said = re.compile(rf"^({'|'.join(sorted(kinds))})(s|es)?(\.|/|$)")
    typed = any(said.match(word.lower()) for fix in fixes(scenario) for step in fix.file.steps for word in step.command)
    written = re.compile(
        rf"^\s*[\"']?kind[\"']?:\s*[\"']?({'|'.join(sorted(CLUSTER_SCOPED - {'Namespace'}))})\b", re.MULTILINE
    )
    folders = [scenario.folder / name for name in ("base", "broken", "workspace", "solution", "wrong")]
    return typed or bool(targets(scenario)) or any(written.search(t) for f in folders for t in _texts(f))
