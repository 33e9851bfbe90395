"""The one module that touches the CEL library; also the script that evaluates expensive expressions apart.

`grader.expression` calls it in both ways. The library holds Python's lock while it evaluates, so no thread can stop it:
what may take long runs as `python cel_engine.py`, which can be killed. The script therefore imports nothing of the
grader.
"""

from __future__ import annotations

import json
import sys
import types
from typing import Any, TypedDict


class Answer(TypedDict, total=False):
    """What an evaluation gives: a value, or an error: `author` (the expression) or `data` (these objects)."""

    value: Any
    error: str
    message: str


def library() -> Any:
    """Return the CEL library, without the command line (and the screen library) that its package imports along."""
    if "cel" not in sys.modules:
        sys.modules.setdefault("cel.cli", types.ModuleType("cel.cli"))
    import cel  # noqa: PLC0415 - after the stub stands

    return cel


def run(program: Any, data: dict[str, Any]) -> Answer:
    """Evaluate a compiled program; what goes wrong is told apart by whose mistake it is."""
    try:
        return {"value": program.execute(data)}
    except KeyError as error:
        return {"error": "data", "message": f"no field `{error.args[0] if error.args else error}`"}
    except (IndexError, TypeError, ArithmeticError) as error:
        return {"error": "data", "message": _first_sentence(error)}
    except (RuntimeError, ValueError) as error:
        # A conversion of what stands in an object, int("many"), is the object's matter; anything else is the
        # expression's.
        author = "Undefined" in str(error) or "regex" in str(error)
        return {"error": "author" if author else "data", "message": _first_sentence(error)}


def _first_sentence(error: Exception) -> str:
    words = " ".join(str(error).split())
    for end in (". ", "; "):
        words = words.partition(end)[0]
    return words


def main() -> None:
    """Read `{"source", "data"}` from stdin, write an `Answer` to stdout."""
    try:
        import resource  # noqa: PLC0415 - not on every system

        # A parent that was killed cannot kill us: the kernel ends an orphan that still counts, or that eats the
        # machine's memory.
        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    except (ImportError, ValueError, OSError):
        pass
    task = json.load(sys.stdin)
    answer = run(library().compile(task["source"]), task["data"])
    json.dump(answer, sys.stdout, default=str)


if __name__ == "__main__":
    main()
