"""Prints `docs/faults.md`: what each row of the fault catalogue has become, and how each fault is used.

    python -m labs.inject.faults > docs/faults.md

`tests/unit/test_fault_page.py` holds the file and the modules together. Not for programs: they ask `library`.
"""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import Any

from grader.model import Spec
from labs.inject.faults import library
from labs.inject.faults._target import Workload

ROWS = 90
ABSENT = {
    9: "needs the Gateway API and a controller for it",
    64: "breaks the metrics of every task on the cluster, not of one",
    70: "needs a device plugin that runs as a DaemonSet; the engine's pools are simulated or made by the provider",
    82: "needs Flux",
    83: "needs Flux",
    84: "needs Argo CD",
    85: "needs a GitOps controller",
    88: "needs Alertmanager",
    90: "needs an OpenTelemetry collector",
}
_HEAD = """\
# The fault library

Written by `python -m labs.inject.faults > docs/faults.md` from the modules in `labs/inject/faults/`; a test compares.

A scenario uses a fault by its name, and as many as it likes:

```yaml
faults:
- use: target_port
  with: {service: ranker, target_port: 8080}
- use: image_tag
  with: {deployment: ranker, tag: 1.0.O}
  when: ready
```

A fault that finds nothing to break, or finds it broken that way already, is an error that `labs lint` tells. Faults go
together in any order, unless two want the same field. Most change the scenario's manifests before they are applied, so
that the baseline holds them; *live* ones change nodes, whose state is recorded; those *over files* change the learner's
workspace. Stop and reset put all of it back.

`at: 20s` in place of `when` brings a fault (or a folder, by `apply`) while the learner works: a bare pod, `deploy-bot`,
changes the objects in time, with the rights for just that. It replaces lists whole, runs anew after a reset, and needs
its way to the API server, which a policy that denies egress would cut. Whoever grades the untouched task waits for it.

`unseen: it never starts, the image is wrong` says why the symptom of a fault does not show, when another fault hides it
or the task makes it look otherwise. Without it a start waits two seconds for the symptom, and `labs prove` a minute.

A **workload** is one of `deployment`, `statefulset`, `job`, `pod`, with `namespace` where the name alone does not say,
and `container` (default: the first).
"""
_ATTRIBUTE = re.compile(r"^    (\w+): (.*)$")


def page() -> str:
    """Return the page as Markdown."""
    parts = [_HEAD, "## The catalogue\n", "| row | fault |", "|--|--|"]
    numbered = {number: [n for n, m in library().items() if number == m.NUMBER] for number in range(1, ROWS + 1)}
    for number, names in numbered.items():
        said = ", ".join(f"[`{name}`](#{name})" for name in names) or f"– {ABSENT.get(number, '')}"
        parts.append(f"| {number} | {said} |")
    more = ", ".join(f"[`{name}`](#{name})" for name, module in library().items() if not module.NUMBER)
    parts += ["", f"Besides: {more}.", "", "## The faults", ""]
    parts += [_fault(name, module) for name, module in library().items()]
    return "\n".join(parts)


def _fault(name: str, module: ModuleType) -> str:
    form = " · live" if hasattr(module, "patch") else " · over files" if hasattr(module, "edit") else ""
    row = f" · row {module.NUMBER}" if module.NUMBER else ""
    about = " ".join((module.__doc__ or "").split("\n\n", maxsplit=1)[0].split())
    lines = [f"### {name}", "", f"{about}  ", f"*{module.SYMPTOM}*{row}{form}", ""]
    note = " ".join((module.Params.__doc__ or "").split("Attributes:")[0].split())
    note = re.sub(r"^What a scenario says in `with`[.:]? ?(the workload\.)?", "", note)
    lines += [note, ""] if note else []
    lines += ["- a workload"] if issubclass(module.Params, Workload) else []
    lines += [_parameter(module, field, said) for doc in _docs(module.Params) for field, said in _attributes(doc)]
    return "\n".join([*lines, ""])


def _docs(params: type[Spec]) -> list[str]:
    """Return the docstrings of the parameters' classes, the most general first; a workload is told once, above."""
    own = [c for c in params.__mro__ if issubclass(c, Spec) and c not in {Spec, Workload}]
    return [c.__doc__ or "" for c in reversed(own)]


def _attributes(doc: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    _, _, listed = doc.partition("Attributes:\n")
    for line in listed.splitlines():
        match = _ATTRIBUTE.match(line.removeprefix("    "))
        if match:
            found.append((match[1], match[2]))
        elif line.strip():
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
    return found


def _parameter(module: ModuleType, name: str, said: str) -> str:
    field = module.Params.model_fields[name]
    default = field.get_default(call_default_factory=True)
    value = "" if field.is_required() or default in ("", None, ()) else f", default `{_short(default)}`"
    must = "**" if field.is_required() else ""
    return f"- {must}`{name}`{must}{value}: {said}"


def _short(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004 - a line's worth


if __name__ == "__main__":
    sys.stdout.write(page())
