"""A small valid course on disk, which the tests of loading and lint then spoil in one place each."""

from __future__ import annotations

from pathlib import Path

SCENARIO = """\
apiVersion: labs/v1
id: no-answer
title: The service that does not answer
lesson: "3.1"
kind: fix
target_minutes: 4
weight: 2
requires: {nodes: 1}
namespaces: [shop]
situation: Nobody gets an answer.
task: In namespace `shop`, the Service `web` selects `app=web`.
faults:
- use: service_selector
  with: {service: web, value: wbe}
checks:
- id: selects
  points: 2
  about: The Service selects the pods
  observe:
    services: {kind: Service, namespace: shop, name: web}
  cel: services.exists(s, s.spec.selector["app"] == "web")
- id: held
  about: It stays so
  sustained: {seconds: 2, check: selects}
guards:
- exists:
    of: {kind: Deployment, namespace: shop, name: web}
    replicas: ">=1"
wrong: [relabel, delete-it]
docs:
- {label: Services, url: "https://kubernetes.io/docs/concepts/services-networking/service/"}
"""

BASE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: server
        image: registry.lab/model-server:1.0.0
        args: [--host, 0.0.0.0]
        readinessProbe: {httpGet: {path: /ready, port: 8000}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports:
  - {port: 80, targetPort: 8000}
"""

SOLUTION = """\
about: Select what the pods carry.
steps:
- say: Correct the selector.
  kubectl: [-n, shop, patch, service, web, -p, '{"spec":{"selector":{"app":"web"}}}']
"""

WRONG = """\
about: It tempts.
steps:
- say: Do something else.
  kubectl: [-n, shop, label, pod, --all, app=wbe, --overwrite]
"""

HINTS = """\
## concept
A Service finds its pods by labels.

## field
Compare what it looks for with what there is.

## live
See for yourself.
"""

CHAPTER = """\
number: 3
title: Services
summary: How traffic finds a model.
weight: 20
lessons:
  "3.1": Deployment and Service
  "3.2": Ingress
"""

FILES = {
    "3-services/chapter.yaml": CHAPTER,
    "3-services/no-answer/scenario.yaml": SCENARIO,
    "3-services/no-answer/base/all.yaml": BASE,
    "3-services/no-answer/solution/fix.yaml": SOLUTION,
    "3-services/no-answer/wrong/relabel/fix.yaml": WRONG,
    "3-services/no-answer/wrong/delete-it/fix.yaml": WRONG,
    "3-services/no-answer/hints.md": HINTS,
    "3-services/no-answer/debrief.md": "The selector said wbe.\n",
}


def write_course(root: Path, changed: dict[str, str | bytes | None] | None = None) -> Path:
    """Write the course below `root`; `changed` replaces files, or leaves them out (None)."""
    for name, text in {**FILES, **(changed or {})}.items():
        if text is None:
            continue
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def spoiled(name: str, old: str, new: str) -> dict[str, str | bytes | None]:
    """Return the change that puts `new` where `old` stands in a file."""
    text = FILES[name]
    assert text.count(old) >= 1, f"{old!r} is not in {name}"
    return {name: text.replace(old, new, 1)}
