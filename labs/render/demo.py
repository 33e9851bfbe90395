"""The story of `labs demo` as text for a newcomer: who speaks, what is typed, what the grader says."""

from __future__ import annotations

from dataclasses import replace

from labs.demo import Beat, Ended, Graded, Result, Row, Say, Scene, Typed
from labs.render.report import report
from labs.render.table import table
from labs.render.terminal import Terminal, clean, duration

EVIDENCE = 1
"""One check with its evidence shows the idea; the whole report of every grading would bury the story."""


class Narrator:
    """Prints the beats of the story as they come.

    Args:
        terminal: Where to.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def __call__(self, beat: Beat) -> None:
        """Print one beat."""
        terminal = self._terminal
        match beat:
            case Scene():
                self._scene(beat)
            case Say(text=text, quote=True):
                bar = terminal.paint("│", "dim") + " "
                narrow = replace(terminal, width=terminal.width - len("│ "))
                for line in narrow.prose(text).split("\n"):
                    terminal.write(f"{bar}{line}".rstrip())
            case Say(text=text):
                terminal.write("\n" + terminal.prose(text))
            case Typed(command=command):
                terminal.write(f"{terminal.paint('$', 'dim')} {terminal.paint(clean(command), 'cyan')}")
            case Graded():
                self._graded(beat)
            case Ended(result=result, kept=kept):
                self._ended(result, kept=kept)

    def _scene(self, scene: Scene) -> None:
        self._terminal.write("\n" + self._terminal.rule(clean(scene.title)))
        if scene.detail:
            self._terminal.write(self._terminal.paint(scene.detail, "dim"))

    def _graded(self, graded: Graded) -> None:
        terminal = self._terminal
        narrow = replace(terminal, width=terminal.width - 2)
        text = report(narrow, graded.report, evidence=EVIDENCE if graded.as_expected else None)
        terminal.write("\n".join(f"  {line}".rstrip() for line in text.split("\n")))
        if graded.as_expected:
            said = "As it should: the repair holds." if graded.expected == "passed" else "As it should: not repaired."
            terminal.write(f"  {terminal.paint(said, 'dim')}")
        else:
            terminal.write(f"  {terminal.paint('✗ this should have ' + graded.expected, 'red', 'bold')}")

    def _ended(self, result: Result, *, kept: bool) -> None:
        terminal = self._terminal
        terminal.write("\n" + terminal.rule("What was shown"))
        head = ["scenario", "start", "grade", "reset", "total", "as is", "wrong", "solved"]
        terminal.write(table(terminal, head, [_row(row) for row in result.rows], right=(1, 2, 3, 4), give=0))
        for row in result.rows:
            if row.problem or row.skipped:
                terminal.write(terminal.block(f"{row.scenario}: {row.problem or row.skipped}", first="  ", indent="  "))
        ready = f"cluster ready in {duration(result.up)}, everything in {duration(result.seconds)}"
        good = result.exit_code == 0
        mark = terminal.paint("✓ all behaved", "green", "bold") if good else terminal.paint("✗ not all behaved", "red")
        terminal.write(f"\n{mark}; {ready}")
        if kept:
            name = "" if result.cluster == "lab" else f" --cluster {result.cluster}"
            terminal.write(
                f"The cluster keeps running.\n  try one yourself:  labs{name}\n  take it away:      labs down{name}"
            )


def _row(row: Row) -> list[str]:
    if row.skipped:
        return [row.scenario, "", "", "", "", "not shown", "", ""]
    times = [f"{value:.1f} s" for value in (row.start, row.grade, row.reset, row.total)]
    return [row.scenario, *times, row.untouched, row.wrong, row.solved]
