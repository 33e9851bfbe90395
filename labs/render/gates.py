"""What the two gates for scenarios say: proofs on a cluster, and findings of the linter.

Called by `labs.commands.authors`.
"""

from __future__ import annotations

from collections.abc import Sequence

from labs.course.lint import LintFinding
from labs.prove import Proof, ProveReport
from labs.render.terminal import Terminal, duration


def proofs(terminal: Terminal, report: ProveReport) -> str:
    """Return what was tried with each scenario, and which is proved."""
    lines: list[str] = []
    for proof in report.proofs:
        lines += [*_proof(terminal, proof), ""]
    proved = sum(proof.proved for proof in report.proofs)
    skipped = sum(bool(proof.skipped) for proof in report.proofs)
    tail = f", {skipped} not applicable on this cluster" if skipped else ""
    mark = terminal.paint("✓", "green") if report.proved else terminal.paint("✗", "red")
    said = f"{proved} of {len(report.proofs)} scenarios proved{tail}; GPU pool: {report.gpu}"
    lines.append(f"{mark} {said}; {duration(report.seconds)}")
    return "\n".join(lines)


def _proof(terminal: Terminal, proof: Proof) -> list[str]:
    if proof.skipped:
        return [f"{terminal.paint('·', 'dim')} {proof.scenario}: not applicable, {proof.skipped}"]
    if not proof.trials:
        return [f"{terminal.paint('·', 'dim')} {proof.scenario}: not tried"]
    mark = terminal.paint("✓", "green") if proof.proved else terminal.paint("✗", "red")
    times = ", ".join(f"{kind} ≤ {duration(seconds)}" for kind, seconds in proof.seconds.items())
    lines = [f"{mark} {terminal.paint(proof.scenario, 'bold')}  ({times})"]
    for trial in proof.trials:
        sign = terminal.paint("✓", "green") if trial.ok else terminal.paint("✗", "red")
        detail = f": {trial.detail}" if trial.detail else ""
        text = f"{trial.id}{detail} ({duration(trial.seconds)})"
        lines.append(terminal.block(text, first=f"  {sign} ", indent="      "))
    if proof.lost and not proof.failed:
        said = "`labs up` repairs the cluster; the scenario's entry in the ledger stays as it was"
        lines.append(terminal.block(said, first=f"  {terminal.paint('hint:', 'cyan')} ", indent="        "))
    return lines


def findings(terminal: Terminal, found: Sequence[LintFinding], drafts: Sequence[str] = ()) -> str:
    """Return what is wrong, each with its place, its rule and the mend.

    Args:
        terminal: Where it is shown.
        found: What has to be mended.
        drafts: Scenarios that are not proved as they are now.
    """
    lines = []
    for finding in found:
        lines.append(terminal.block(f"{finding.where}: {finding.message} [{finding.rule}]", indent="  "))
        if finding.hint:
            lines.append(terminal.block(finding.hint, first=f"  {terminal.paint('hint:', 'cyan')} ", indent="        "))
    if drafts:
        said = f"not proved as they are now, so drafts: {', '.join(drafts)}"
        lines.append(terminal.block(said, first=f"{terminal.paint('warning:', 'yellow')} ", indent="         "))
        lines.append(f"  {terminal.paint('hint:', 'cyan')} labs prove")
    todo = sum(finding.rule == "todo" for finding in found)
    if not found:
        lines.append(f"{terminal.paint('✓', 'green')} nothing to mend")
    elif todo:
        lines.append(
            f"\n{terminal.paint('✗', 'red')} {len(found) - todo} to mend, {todo} to write; a line is done without TODO"
        )
    else:
        lines.append(f"\n{terminal.paint('✗', 'red')} {len(found)} to mend")
    return "\n".join(lines)
