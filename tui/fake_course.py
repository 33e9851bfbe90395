"""A small course for `tui.fake`: six tasks with everything a screen can show; never served to a learner."""

from __future__ import annotations

from pathlib import Path

from grader.capabilities import Requires
from grader.model import Check
from labs.attempts.clues import Clues, Line
from labs.course.models import Chapter, Course, Doc, Fix, FixFile, FixStep, Kind, Scenario, ScenarioFile

_HERE = Path("fake")

_CHECKS = (
    Check(
        id="available",
        points=2,
        about="The Deployment `recommender` is Available",
        cel="true",
        why="Available means that a pod was ready. The kubelet asks over the pod's own address, as every client does.",
    ),
    Check(
        id="endpoint-ready",
        points=1,
        about="The Service `recommender` has a ready endpoint",
        cel="true",
        why="A Service sends traffic to ready endpoints only.",
    ),
    Check(
        id="predicts",
        points=4,
        about="Any client in the cluster gets a prediction",
        cel="true",
        why="Port-forward ends inside the pod. Only a request over the pod network proves where the server listens.",
    ),
    Check(id="gpu-pool", points=1, about="The pod runs on the GPU pool", cel="true"),
)

_HINTS = {
    "concept": "A port-forward ends *inside* the pod's network, a client does not. Compare where they arrive.",
    "field": "Read what the server binds to:\n\n```\nkubectl get deploy recommender -o yaml | grep -A4 args\n```\n",
    "live": "The container's arguments say `--host 127.0.0.1`.",
}

_SITUATION = """\
Monday, 10:40. The homepage team wants its first recommendations today. The server is deployed, the pod is Running, and
its log says that the model is loaded. Through `kubectl port-forward` it answers at once; everybody else gets connection
errors, and the pod has been 0/1 ready since it started."""

_TASK = """\
In namespace `reco-first`, a client anywhere in the cluster gets a prediction from the Service `recommender` on port
`80`, and the Deployment is Available. The readiness probe stays, and the pod keeps a network of its own."""

_DEBRIEF = """\
The server listened on 127.0.0.1. **Inside a pod** that address belongs to the pod alone, so only what is tunnelled into
it arrives.

- `kubectl port-forward` proves that the process answers, not that clients reach it.
- A readiness probe asks over the pod's address: it was the one witness that told the truth."""

_DIAGNOSIS = {
    "component": "Deployment/recs-b",
    "cause": "body-limit",
    "options": (
        {
            "id": "body-limit",
            "text": "Version b refuses request bodies over 1 KiB, and a batch of the homepage is larger than that.",
        },
        {"id": "overload", "text": "Version b is throttled, its queue is full, and it sheds what does not fit."},
        {"id": "bad-client", "text": "The homepage sends malformed requests about half of the time."},
        {"id": "stale-endpoint", "text": "The Service still lists an address of a pod that is gone."},
        {
            "id": "wrong-model",
            "text": "Version b serves a model with another input shape [n, 12], so the batch does not fit it.",
        },
    ),
    "evidence": '"status":413',
}


def clues() -> Clues:
    """Return events, lines of logs and fields, hostile ones among them."""
    pods = ("homepage-6c9f7-x2v4q", "recs-a-7d4b9-mm2xk", "recs-b-58c6d-q9z7t")
    named = [("Deployment", name) for name in ("homepage", "recs-a", "recs-b")]
    objects = [
        {"kind": kind, "metadata": {"name": name, "namespace": "reco-first"}}
        for kind, name in [*named, ("Service", "recs"), ("ConfigMap", "recs-b-config")]
    ]
    told = "Successfully assigned reco-first/recs-b-58c6d-q9z7t to cpu-2 [/red] [[x]]"
    lines = [Line("event", f"Pod/{pods[2]}", told, "Normal Scheduled")]
    for second in range(9, 0, -1):
        status = 413 if second % 2 else 200
        place, version = (pods[2], "b") if second % 2 else (pods[1], "a")
        said = f'{{"ts":"20:05:0{second}","path":"/v2/models/mlp/infer","status":{status},"version":"{version}"}}'
        lines += [Line("log", f"{place}/server", said)]
        shown = "fallback shown: HTTP 413" if status != 200 else "recommendations shown"  # noqa: PLR2004 - HTTP
        lines += [Line("log", f"{pods[0]}/client", shown)]
    lines.append(Line("field", "ConfigMap/recs-b-config", "max_body_bytes: 1024", "data[config.yaml]"))
    return Clues(lines, objects, ["1 event", "3 logs", "the fields of 5 objects"])


# a chapter: number, title, percent of the exam, lessons; then its tasks: id, title, lesson, kind, minutes, weight
_PLAN = (
    (
        1,
        "Foundations",
        10,
        {"1.1": "From life cycle to objects", "1.2": "Clusters, contexts, namespaces", "1.3": "A lab routine"}
        | {"1.4": "The first pod that predicts", "1.5": "Checkpoint: the network or the cluster"},
        (("hangs-on-connect", "The first pod answers only itself", "1.4", Kind.FIX, 4, 2),),
    ),
    (
        2,
        "Packaging",
        15,
        {"2.1": "Images that build the same twice", "2.4": "A container with nothing to abuse"},
        (("run-as-nobody", "A model server that insists on being root", "2.4", Kind.FIX, 8, 4),),
    ),
    (
        3,
        "Services",
        20,
        {"3.1": "Deployments, Services and endpoints", "3.2": "Ingress, paths and TLS"},
        (("no-endpoints", "The Service that lost its pods", "3.1", Kind.FIX, 4, 2),),
    ),
    (
        4,
        "Scale and reliability",
        25,
        {"4.1": "Requests and limits", "4.3": "Rollouts that can stop and go back"},
        (("stuck-halfway", "A rollout that stopped half way", "4.3", Kind.OPERATE, 9, 4),),
    ),
    (
        5,
        "Delivery",
        15,
        {"5.1": "A chart for the serving stack", "5.2": "One base, three environments"},
        (("patch-that-missed", "The patch that never arrived", "5.2", Kind.BUILD, 8, 4),),
    ),
    (
        6,
        "Operations",
        15,
        {"6.1": "Metrics that answer questions", "6.4": "Incidents, worked from evidence"},
        (("half-the-requests-fail", "Every other request fails", "6.4", Kind.DIAGNOSE, 9, 8),),
    ),
)


def course() -> Course:
    """Return the sample course."""
    return Course(
        chapters=tuple(
            Chapter(
                number=number,
                slug=title.lower().replace(" ", "-"),
                title=title,
                summary="What goes wrong here, how it shows, and the smallest change that ends it.",
                weight=weight,
                lessons=lessons,
                scenarios=tuple(_scenario(number, row) for row in rows),
            )
            for number, title, weight, lessons, rows in _PLAN
        )
    )


def _scenario(chapter: int, row: tuple[str, str, str, Kind, int, int]) -> Scenario:
    id_, title, lesson, kind, minutes, weight = row
    file = ScenarioFile.model_validate(
        {
            "apiVersion": "labs/v1",
            "id": id_,
            "title": title,
            "lesson": lesson,
            "kind": kind,
            "target_minutes": minutes,
            "weight": weight,
            "requires": Requires(),
            "namespaces": ("reco-first",),
            "situation": _SITUATION,
            "task": _TASK,
            "checks": _CHECKS,
            "diagnosis": _DIAGNOSIS if kind is Kind.DIAGNOSE else None,
            "docs": (Doc(label="Debug Services", url="https://kubernetes.io/docs/tasks/debug/"),),
        }
    )
    step = FixStep(
        say="Listen on every address of the pod.",
        kubectl=("-n", "reco-first", "set", "env", "deploy/recommender", "HOST=0.0.0.0"),
    )
    fix = Fix(id="solution", folder=_HERE, file=FixFile(about="The server binds to the pod's address.", steps=(step,)))
    return Scenario(
        file=file,
        folder=_HERE,
        chapter=chapter,
        hints=_HINTS,
        debrief=_DEBRIEF,
        solution=fix,
        wrong=(),
        digest="0" * 64,
    )
