"""The ledger of proofs, `scenarios/proved.json`: which scenarios have been proved as they are now, when and where.

`labs prove` writes it and proves what it lacks; `labs lint` warns of what it lacks; a scenario that is not in it as it
is now is a draft. The file is committed, so that a checkout knows what was proved elsewhere.

An entry counts as long as its digest does: over the scenario's folder, and over the code of the check kinds and the
faults it uses, without comments. Why no more than that: docs/decisions.md.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import io
import json
import math
import os
import random
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import grader
from labs import paths
from labs.course.models import Scenario
from labs.errors import DataError, MachineError
from labs.inject import faults
from labs.prove.report import Proof

NAME = "proved.json"
VERSION = 1
TENTH = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """One proof.

    Attributes:
        digest: Of what was proved, see `digest`.
        at: Day (UTC), `2026-01-31`.
        provider: Provider of the cluster.
        gpu: Kind of its GPU pool.
        seconds: How long all trials took.
    """

    digest: str
    at: str
    provider: str
    gpu: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Choice:
    """What `labs prove` without ids proves.

    Attributes:
        changed: Scenarios without a current entry.
        sampled: A random tenth of the others.
    """

    changed: tuple[str, ...]
    sampled: tuple[str, ...]

    @property
    def ids(self) -> list[str]:
        """All of them."""
        return [*self.changed, *self.sampled]


class Ledger:
    """The file. Several processes may write it at once.

    Args:
        path: The file; default: in the course's folder.

    Raises (all methods): `DataError` for a file that cannot be read, `MachineError` for one that cannot be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or paths.scenarios_dir() / NAME

    def exists(self) -> bool:
        """Return whether the course keeps a ledger at all."""
        return self.path.is_file()

    def entries(self) -> dict[str, Entry]:
        """Return scenario id → proof; nothing where there is no file."""
        if not self.exists():
            return {}
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            return {str(name): Entry(**entry) for name, entry in data["proved"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            hint = "restore it from the repository, or remove it and run `labs prove --all`"
            raise DataError(f"the ledger of proofs cannot be read: {error}", where=str(self.path), hint=hint) from None

    def current(self, scenario: Scenario) -> bool:
        """Return whether a scenario is proved as it is now."""
        return not self._changed([scenario])

    def drafts(self, scenarios: Iterable[Scenario]) -> set[str]:
        """Return those that are not proved as they are now; none where the course keeps no ledger."""
        return set(self._changed(scenarios)) if self.exists() else set()

    def choose(self, scenarios: Sequence[Scenario], seed: int) -> Choice:
        """Return what is to be proved: what has changed, and a tenth of the rest, drawn by the seed."""
        changed = self._changed(scenarios)
        rest = sorted({s.id for s in scenarios} - set(changed))
        sampled = random.Random(seed).sample(rest, math.ceil(len(rest) / TENTH))  # noqa: S311 - a sample, no secret
        return Choice(changed, tuple(sorted(sampled)))

    def record(self, scenario: Scenario, proof: Proof, *, provider: str, gpu: str, now: datetime | None = None) -> None:
        """Write down how trials ended: a proof is entered, a failure takes the scenario's entry out.

        What changed while it was proved is not entered, because nobody knows which state the trials met. Trials that
        ended early without a failure, as when the cluster is lost, say nothing: the entry stays as it is.
        """
        if not proof.proved and not proof.failed:
            return
        with self._locked():
            entries = self.entries()
            if proof.proved and scenario.digest == _folder_now(scenario):
                day = (now or datetime.now(UTC)).date().isoformat()
                entries[scenario.id] = Entry(digest(scenario), day, provider, gpu, proof.total)
            else:
                entries.pop(scenario.id, None)
            self._write(entries)

    def _changed(self, scenarios: Iterable[Scenario]) -> tuple[str, ...]:
        entries = self.entries()
        return tuple(s.id for s in scenarios if s.id not in entries or entries[s.id].digest != digest(s))

    def _write(self, entries: dict[str, Entry]) -> None:
        # One line for each scenario, sorted: two branches that prove different ones merge.
        lines = [f"  {json.dumps(name)}: {json.dumps(asdict(entry))}" for name, entry in sorted(entries.items())]
        text = f'{{"version": {VERSION}, "proved": {{\n' + ",\n".join(lines) + "\n}}\n"
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(self.path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise self._cannot(error) from None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            import fcntl  # noqa: PLC0415 - Windows has none; there nobody proves on two terminals at once
        except ImportError:
            yield
            return
        folder = paths.state_dir() / "locks"
        folder.mkdir(exist_ok=True, mode=0o700)
        with (folder / "ledger.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _cannot(self, error: OSError) -> MachineError:
        hint = "the course of an installed package cannot be written: prove from a checkout, or set LABS_SCENARIOS"
        return MachineError(f"the ledger cannot be written: {error.strerror or error}", where=str(self.path), hint=hint)


def digest(scenario: Scenario) -> str:
    """Return the digest that an entry holds: the folder, and the code that is this scenario's in particular, hex."""
    total = hashlib.sha256(scenario.digest.encode())
    checks = Path(grader.__file__).parent / "checks"
    files = [checks / f"{check.kind}.py" for check in scenario.file.checks]
    library = faults.library()
    files += [Path(str(library[fault.use].__file__)) for fault in scenario.file.faults if fault.use]
    for path in sorted(set(files)):
        total.update(f"{path.name} {_code(path, path.stat().st_mtime_ns)}".encode())
    return total.hexdigest()


def _folder_now(scenario: Scenario) -> str:
    from labs.course.load import digest as of_folder  # noqa: PLC0415 - two functions of that name

    return of_folder(scenario.folder)


@cache
def _code(path: Path, _changed: int) -> str:
    """Return the digest of a module without comments, docstrings and blank lines: better words change no verdict."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        for row in _docstring(node):
            lines[row - 1] = ""
    kept = [line.rstrip() for line in lines if line.strip()]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


def _docstring(node: Any) -> range:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) or ast.get_docstring(node) is None:
        return range(0)
    first = node.body[0]
    return range(first.lineno, (first.end_lineno or first.lineno) + 1)
