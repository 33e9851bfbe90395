"""The entry script with a stand-in for Python and pip: what it installs, when it installs again, and what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from labs.tools import DEBIAN_PACKAGES

ROOT = Path(__file__).parent.parent.parent

# Behaves like `python3 -c …`, `python3 -m venv DIR`, `python -m pip install …`; each install is written down.
PYTHON = r"""#!/bin/sh
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip")
        for what in "$@"; do :; done
        echo "$what" >>"$LOG"
        [ -z "${SLOW:-}" ] || sleep 30
        if [ -n "${BROKEN:-}" ]; then echo "no index answers" >&2; exit 1; fi
        printf '#!/bin/sh\necho "labs $*"\n' >"$(dirname "$0")/labs"
        chmod +x "$(dirname "$0")/labs" ;;
esac
"""

BASICS = ["sh", "cat", "cksum", "chmod", "cp", "dirname", "date", "grep", "id", "kill", "mkdir", "mktemp"]
BASICS += ["readlink", "rm", "sed", "sleep", "tail"]


class Checkout:
    """A clone with the entry script and nothing installed."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a clone"
        self.log = folder / "installs"
        self.tools = folder / "bin"
        (self.root / "cluster-config").mkdir(parents=True)
        self.tools.mkdir()
        for name in ("lab", "pyproject.toml", "cluster-config/debian-packages.txt"):
            shutil.copy(ROOT / name, self.root / name)
        # Only what every Debian has: no uv, no dpkg (the packages of this machine are none of this test's business).
        for name in BASICS:
            found = shutil.which(name)
            if found:
                (self.tools / name).symlink_to(found)
        self.python("python3.11")

    def python(self, name: str) -> None:
        (self.tools / name).write_text(PYTHON)
        (self.tools / name).chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": str(self.tools), "LOG": str(self.log), "HOME": str(self.root), **more}

    def lab(self, *argv: str, script: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [script or self.root / "lab", *argv],
            env=self.environment(**more),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def installs(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_first_run_installs_and_the_second_only_runs(checkout: Checkout, tmp_path: Path) -> None:
    first = checkout.lab("status", "--json")
    assert (first.returncode, first.stdout) == (0, "labs status --json\n")
    assert "installing the Python packages" in first.stderr
    link = tmp_path / "somewhere"
    link.symlink_to(checkout.root / "lab")
    second = checkout.lab("two words", script=link)
    assert (second.stdout, second.stderr) == ("labs two words\n", "")
    assert checkout.installs == [str(checkout.root)]
    assert not (checkout.root / ".venv.lock").exists()


def test_the_tests_tools_come_with_the_first_test_and_serve_for_running_too(checkout: Checkout) -> None:
    checkout.lab("up")
    checkout.lab("test", "--version")
    checkout.lab("up")
    assert checkout.installs == [str(checkout.root), f"{checkout.root}[cpu,test]"]


def test_it_installs_again_when_the_project_changed_or_was_moved(checkout: Checkout) -> None:
    checkout.lab("up")
    with (checkout.root / "pyproject.toml").open("a") as file:
        file.write("# another dependency\n")
    checkout.lab("up")
    checkout.root = checkout.root.rename(checkout.root.with_name("moved"))
    checkout.lab("up")
    assert len(checkout.installs) == 3


def test_a_failed_install_says_why_and_the_next_run_begins_again(checkout: Checkout) -> None:
    failed = checkout.lab("up", BROKEN="1")
    assert failed.returncode == 3
    assert "no index answers" in failed.stderr
    assert "hint:" in failed.stderr
    (checkout.root / ".venv" / "leftover").touch()
    assert checkout.lab("up").stdout == "labs up\n"
    assert not (checkout.root / ".venv" / "leftover").exists()


def test_an_interrupted_install_is_mended_and_its_lock_does_not_stay(checkout: Checkout) -> None:
    child = subprocess.Popen([checkout.root / "lab", "up"], env=checkout.environment(SLOW="1"), stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not checkout.installs and time.monotonic() < deadline:
        time.sleep(0.02)
    child.kill()  # not even a trap runs
    child.communicate()
    assert (checkout.root / ".venv.lock").exists()
    assert checkout.lab("up").stdout == "labs up\n"
    assert not (checkout.root / ".venv.lock").exists()


def test_without_a_python_it_says_which_one_is_needed(checkout: Checkout) -> None:
    (checkout.tools / "python3.11").unlink()
    failed = checkout.lab("up")
    assert failed.returncode == 3
    assert "error: there is no Python 3.11 or later" in failed.stderr
    assert "apt-get install" in failed.stderr


def test_somebody_who_is_not_root_is_told_the_command(checkout: Checkout) -> None:
    for name, body in {"id": "echo 1000", "dpkg-query": '[ "$4" = runc ] || echo installed'}.items():
        (checkout.tools / name).unlink(missing_ok=True)
        (checkout.tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (checkout.tools / name).chmod(0o755)
    said = checkout.lab("up")
    assert said.stdout == "labs up\n"
    assert "  sudo apt-get update && sudo apt-get install -y --no-install-recommends runc\n" in said.stderr


def test_every_program_the_lab_uses_is_in_the_list_of_packages() -> None:
    lines = (ROOT / "cluster-config" / "debian-packages.txt").read_text().splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    assert set(DEBIAN_PACKAGES.values()) <= listed


def test_it_is_plain_sh() -> None:
    for name in ("lab", ".ci/run"):
        subprocess.run(["sh", "-n", ROOT / name], check=True)
        assert os.access(ROOT / name, os.X_OK)
