"""A virtual environment for each peer, made when it is first asked for and kept in the user's cache.

`python -m model_server.bench.peers.environment [NAME]` makes them beforehand. Their requirements exclude ours (MLServer
wants an older FastAPI, KServe an older psutil), so they cannot be installed beside the server.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

#: Package → version: what the table in the README names.
VERSIONS = {"mlserver": "1.7.1", "kserve": "0.21.0"}
_DONE = "complete"


def folder(name: str) -> Path:
    """Return where a peer's environment is, made or not.

    Args:
        name: Of the peer.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Path(cache) / "model-server" / "peers" / f"{name}-{VERSIONS[name]}-python{version}"


def ensure(name: str) -> Path:
    """Return the Python of a peer's environment, which is made if need be: a minute or two, and a package index.

    Args:
        name: Of the peer.

    Raises:
        SystemExit: pip cannot install it; the text says what to do.
    """
    home = folder(name)
    python = home / "bin" / "python"
    if (home / _DONE).exists():
        return python
    shutil.rmtree(home, ignore_errors=True)  # an installation that was interrupted is begun anew
    venv.create(home, symlinks=True, with_pip=True)
    import onnxruntime  # noqa: PLC0415 - only its version: the peers run the same one

    log = home / "pip.log"
    wanted = [f"{name}=={VERSIONS[name]}", f"onnxruntime=={onnxruntime.__version__}"]
    command = [str(python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", *wanted]
    with log.open("wb") as output:
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        sys.exit(
            f"error: pip could not install {' '.join(wanted)}: {said[-1] if said else code}\n"
            f"hint:  is a package index reachable? All that pip said is in {log}; without --peers nothing is installed"
        )
    (home / _DONE).touch()
    return python


if __name__ == "__main__":
    for each in sys.argv[1:] or VERSIONS:
        sys.stdout.write(f"{ensure(each)}\n")
