"""Write `requirements.txt`: every wheel of the image, pinned by version and hash: `python -m model_server.lock`.

Takes what the project's extra `cpu` names (from pyproject.toml beside this package), lets pip resolve it for
CPython 3.11 on x86-64 Linux, and writes what pip chose. Run by hand when a version is to move; neither the server nor
the image build imports it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
_HEAD = """\
# Wheels of the inference server's image: CPython 3.11, x86-64 Linux with glibc 2.28 or newer.
# Made by `python -m model_server.lock`; install with `pip install --require-hashes --only-binary=:all: --no-deps`.
"""


def resolve(wanted: list[str]) -> str:
    """Return the text of the lock file.

    Args:
        wanted: Requirements as pip reads them.

    Raises:
        subprocess.CalledProcessError: pip cannot resolve them; its words are on stderr.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        platforms = [argument for name in _PLATFORMS for argument in ("--platform", name)]
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed"]
        command += ["--only-binary=:all:", "--python-version=3.11", "--implementation=cp", "--abi=cp311", *platforms]
        command += ["--target", folder, "--report", str(report), *wanted]
        subprocess.run(command, check=True)
        installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    pins = {item["metadata"]["name"].lower().replace("_", "-"): item for item in installed}
    return _HEAD + "".join(_pin(name, pins[name]) for name in sorted(pins))


def _pin(name: str, item: dict[str, dict[str, str | dict[str, dict[str, str]]]]) -> str:
    archive = item["download_info"]["archive_info"]
    assert isinstance(archive, dict)  # noqa: S101 - pip's report format
    return f"{name}=={item['metadata']['version']} \\\n    --hash=sha256:{archive['hashes']['sha256']}\n"


def main() -> int:
    """Resolve and write."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = project["project"]["optional-dependencies"]["cpu"]
    (HERE / "requirements.txt").write_text(resolve(wanted), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
