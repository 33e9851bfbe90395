"""`kubectl kustomize` over the learner's workspace, kept inside it. Used by `grader.live`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

from grader.errors import Refused, Unanswered
from grader.model import Json
from grader.text import clean

SECONDS = 10.0
MARK = "labs.io/marked"
_OTHER_IMAGE = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": f"{MARK}:1"}
MOST_FILES = 2000
MOST_BYTES = 4 * 1024 * 1024


def render(workspace: Path, folder: str, kubectl: Path | None = None, *, marked: str = "") -> list[Json]:
    """Return what a kustomization renders.

    Args:
        workspace: The learner's folder.
        folder: Where the kustomization lies, relative to it.
        kubectl: The program; default: the one on PATH.
        marked: Folder whose objects get the annotation `labs.io/marked: "true"` first, and whose Deployments the image
            `labs.io/marked:1` in their first container; this is done in a copy.

    Raises:
        Refused: It does not render, or reaches out of the workspace; the message is evidence.
        Unanswered: There is no kubectl, or it did not end in time.
    """
    root = workspace.resolve()
    target = (root / folder).resolve()
    if not target.is_relative_to(root):
        raise Refused(f"`{folder}` is outside the workspace")
    if not target.is_dir():
        raise Refused(f"there is no folder `{folder}` in the workspace")
    _check_links(root)
    program = str(kubectl) if kubectl else shutil.which("kubectl")
    if program is None:
        raise Unanswered("kubectl is not installed, so nothing can be rendered", hint="run `labs doctor`")
    if not marked:
        return _objects(_run(program, target))
    with tempfile.TemporaryDirectory(prefix="labs-marked-") as copy:
        _mark(root, Path(copy) / "workspace", marked)
        return _objects(_run(program, Path(copy) / "workspace" / target.relative_to(root)))


def _mark(root: Path, copy: Path, folder: str) -> None:
    """Copy the workspace, and put a kustomization that marks everything in the place of a folder."""
    place = (root / folder).resolve()
    if not place.is_relative_to(root) or place == root:
        raise Refused(f"`{folder}` is outside the workspace")
    if not place.is_dir():
        raise Refused(f"there is no folder `{folder}` in the workspace")
    try:
        shutil.copytree(root, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        original = copy / place.relative_to(root)
        moved = original.rename(original.with_name(f"{original.name}.unmarked"))
        original.mkdir()
        marks = {
            "resources": [f"../{moved.name}"],
            "commonAnnotations": {MARK: "true"},
            # A copy that is laid over the base as a patch keeps the annotation, and hides this.
            "patches": [{"target": {"kind": "Deployment"}, "patch": json.dumps([_OTHER_IMAGE])}],
        }
        (original / "kustomization.yaml").write_text(f"{json.dumps(marks)}\n", encoding="utf-8")
    except OSError as error:
        raise Unanswered(f"the workspace cannot be copied: {clean(str(error))}") from error


def _check_links(root: Path) -> None:
    count = 0
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            count += 1
            path = Path(folder, name)
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise Refused(f"`{path.relative_to(root)}` is a link that leads out of the workspace")
    if count > MOST_FILES:
        raise Refused(f"the workspace has more than {MOST_FILES} files")


def _run(program: str, target: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="labs-kustomize-") as empty:
        # An empty PATH and a proxy that leads nowhere: a kustomization that names a remote base must not reach the
        # network.
        nowhere = {f"{scheme}_PROXY": "http://127.0.0.1:9" for scheme in ("HTTP", "HTTPS")}
        try:
            done = subprocess.run(
                [program, "kustomize", str(target)],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SECONDS,
                check=False,
                cwd=empty,
                env={"HOME": empty, "PATH": empty, "KUBECONFIG": os.devnull, **nowhere},
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise Unanswered(f"kubectl kustomize did not end in {SECONDS:.0f} s") from None
        except OSError as error:
            raise Unanswered(f"kubectl cannot be run: {error}") from error
    if done.returncode != 0:
        raise Refused(f"kubectl kustomize: {clean(done.stderr.strip() or 'failed', 600)}")
    if len(done.stdout) > MOST_BYTES:
        raise Refused(f"kubectl kustomize renders more than {MOST_BYTES // 1024 // 1024} MiB")
    return done.stdout


def _objects(text: str) -> list[Json]:
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise Refused(f"kubectl kustomize renders no YAML: {clean(str(error))}") from None
    return [{"metadata": {}, **document} for document in documents if isinstance(document, dict)]
