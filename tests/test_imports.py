"""The core is headless and imports go one way: by what gets loaded, and by import-linter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCREEN = {"textual", "rich"}


def loaded(statement: str) -> set[str]:
    """Return the top-level packages that a fresh Python has loaded after a statement."""
    script = f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "statement",
    [
        "import labs.cli, labs.demo, labs.doctor, labs.render.demo, labs.attempts.service, labs.providers.kind",
        "import labs.prove, labs.course.lint, labs.images, labs.shell, labs.providers.engine.provider",
        "import grader.runner, grader.live, grader.fake_cluster",
        "import sys, labs.cli; sys.argv = ['labs', '--help']\ntry: labs.cli.main()\nexcept SystemExit: pass",
    ],
)
def test_the_core_never_loads_a_screen_library(statement: str) -> None:
    assert not loaded(statement) & SCREEN


def test_the_grader_knows_nothing_above_it() -> None:
    assert not loaded("import grader.runner, grader.live, grader.fake_cluster") & {
        "labs",
        "tui",
        "model_server",
        "typer",
    }


def test_the_inference_server_stands_alone() -> None:
    assert not loaded("import model_server.serve") & {"labs", "grader", "tui", "kubernetes", "pydantic_settings"}


def test_the_inference_server_without_a_port_for_grpc_needs_none_of_it() -> None:
    assert not loaded("import model_server.serve, model_server.app, model_server.rpc.server") & {"grpc", "google"}


def test_grpc_starts_without_the_web_framework() -> None:
    assert not loaded("import model_server.rpc.service") & {"fastapi", "starlette", "pydantic"}


def test_help_costs_no_heavy_library() -> None:
    heavy = {"pydantic", "kubernetes", "yaml", "jinja2", "cryptography", "httpx", "sqlite3"}
    assert not loaded("import labs.cli") & heavy


def test_the_contracts_of_import_linter_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout
