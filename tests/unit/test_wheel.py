"""The wheel carries everything that the application reads, and nothing of the tests."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_wheel_holds_course_and_configuration(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("scenarios", "cluster-config"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and not {"__pycache__", ".mypy_cache", ".ruff_cache"} & set(path.parts):
                assert f"labs/_data/{path.relative_to(ROOT)}" in names
    assert any(name.endswith("tui/app.tcss") for name in names)
    assert not [name for name in names if name.startswith("tests/") or "__pycache__" in name]
