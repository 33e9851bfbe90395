"""How a command is declared and run: the options all share, and what becomes of errors, Ctrl-C and a closed pipe.

`@command(app, "up", example="labs up")` is the only way commands are registered; see `labs.commands.cluster` for its
use. Exit codes: 0 pass, 1 a check failed, 2 usage or bad data, 3 the cluster could not be asked, 130 Ctrl-C.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import typer

from labs.commands.session import Session

CLOSED_PIPE = 141
INTERRUPTED = 130
BROKEN = 3

ClusterOption = Annotated[str | None, typer.Option("--cluster", metavar="NAME", help="Which cluster (default: lab).")]
ProviderOption = Annotated[
    str | None,
    typer.Option("--provider", metavar="NAME", help="engine, kind, context:NAME or auto (default)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print data as JSON on stdout.")]
EventsOption = Annotated[
    str | None,
    typer.Option("--events", metavar="FORM", help="Progress on stderr: text, json (one per line) or off."),
]
_SHARED = {"cluster": ClusterOption, "provider": ProviderOption, "json": JsonOption, "events": EventsOption}

Body = Callable[..., int | None]


def new_app(help_text: str, *, bare: bool = False) -> typer.Typer:
    """Return a group of commands; `bare`: it does something without a command too."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=not bare,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def command(app: typer.Typer, name: str, *, example: str) -> Callable[[Body], Body]:
    """Register a command: a function of a `Session` and its own options that returns an exit code or None for 0.

    Args:
        app: The group it belongs to.
        name: What the user types.
        example: Command line shown at the end of its `--help`.
    """

    def register(body: Body) -> Body:
        own = list(inspect.signature(body, eval_str=True).parameters.values())[1:]
        keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        shared = [
            inspect.Parameter(
                key, inspect.Parameter.KEYWORD_ONLY, annotation=option, default=False if key == "json" else None
            )
            for key, option in _SHARED.items()
        ]
        context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)

        def run(context: typer.Context, **given: Any) -> None:
            session = context.find_root().ensure_object(Session)
            take(session, {key: given.pop(key) for key in _SHARED})
            code = guarded(lambda: body(session, **given), session)
            if code:
                raise typer.Exit(code)

        run.__signature__ = inspect.Signature([context, *keyword, *shared])  # type: ignore[attr-defined] # typer reads it
        run.__annotations__ = {p.name: p.annotation for p in [context, *keyword, *shared]}
        run.__doc__ = body.__doc__
        run.__name__ = body.__name__
        app.command(name, epilog=f"Example: {example}")(run)
        return body

    return register


def take(session: Session, given: dict[str, Any]) -> None:
    """Let the options given on a command line win over those before it."""
    for key, value in given.items():
        if value not in (None, False):
            setattr(session, key, value)


def guarded(body: Callable[[], int | None], session: Session) -> int:
    """Run a command and turn whatever ends it into an exit code and, where needed, two lines on stderr."""
    from labs.errors import LabsError, UsageError
    from labs.render.errors import error

    try:
        if session.events not in {"", "text", "json", "off"}:
            raise UsageError(f"unknown form of events `{session.events}`", hint="use text, json or off")  # noqa: TRY301 - one place renders errors
        session.fill()
        code = body() or 0
        sys.stdout.flush()
    except BrokenPipeError:
        return _closed_pipe()
    except KeyboardInterrupt:
        return interrupted(session)
    except LabsError as problem:
        session.err.write(error(session.err, problem))
        return problem.exit_code
    except Exception as problem:  # noqa: BLE001 - the last line of defence: no traceback reaches a user
        return _unexpected(problem, session)
    return code


def interrupted(session: Session) -> int:
    """Say that Ctrl-C was heard."""
    with contextlib.suppress(OSError):  # a terminal that was closed interrupts too, and reads nothing
        session.err.write("\ninterrupted; what was begun can be repeated or taken away with `labs down`")
    return INTERRUPTED


def _closed_pipe() -> int:
    """Keep the interpreter from complaining about the pipe once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CLOSED_PIPE


def _unexpected(problem: Exception, session: Session) -> int:
    from labs.render.errors import message

    first = f"{type(problem).__name__}: {problem}".split("\n", 1)[0]
    if isinstance(problem, OSError) and problem.filename and problem.strerror:
        first = f"{problem.filename}: {problem.strerror}"
    where = _write_log(problem)
    hint = f"the details are in {where}" if where else "the details could not be saved: is the disk full?"
    session.err.write(message(session.err, first, f"{hint}; `labs doctor` looks at this machine"))
    return BROKEN


def _write_log(problem: Exception) -> str:
    """Save the traceback in a private file; return its path, or nothing when even that fails."""
    from labs import paths

    try:
        folder = paths.state_dir() / "logs"
        folder.mkdir(exist_ok=True, mode=0o700)
        path = folder / f"error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"labs {' '.join(sys.argv[1:])}\n\n")
            traceback.print_exception(problem, file=file)
    except OSError:
        return ""
    return str(path)
