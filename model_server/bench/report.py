"""The benchmark's JSON as the table of the README.

`__main__` calls `table` and, with `--readme`, `into`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model_server.bench.peers.environment import VERSIONS

if TYPE_CHECKING:
    from pathlib import Path

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
_NAMES = {
    "floor": "hand-written asyncio protocol (the floor)",
    "bare": "this server",
    "observed": "this server, every request logged, 1 % traced",
} | {"mlserver": f"MLServer {VERSIONS['mlserver']}", "kserve": f"KServe {VERSIONS['kserve']}"}


def table(results: dict[str, Any]) -> str:
    """Return the table in Markdown.

    Args:
        results: What `__main__` writes as JSON.
    """
    work = results["workloads"]
    floor = work["mlp-json"]["floor"]["cpu_us"]
    heads = [
        "Server",
        "mlp JSON, least CPU µs per request",
        "× floor",
        "mlp JSON rps",
        "conv JSON × raw",
        "conv binary × raw",
    ]
    heads += ["MB", "cold start s"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for key, name in _NAMES.items():
        mlp = work["mlp-json"].get(key)
        if mlp is None:  # a peer that was not asked for
            continue
        cells = [f"{mlp['cpu_us']:.0f}", f"{mlp['cpu_us'] / floor:.2f}", f"{mlp['rps']:,.0f}"]
        cells += [_times_raw(work.get(each, {}), key) for each in ("conv-json", "conv-binary")]
        cells += [f"{mlp['memory_mb']:.0f}", f"{mlp['cold_start_s']:.2f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    about = results["machine"]
    lines += [
        "",
        f"{about['rounds']} alternating rounds of {about['seconds']:g} s, {about['connections']} connections, ",
    ]
    lines[-1] += (
        f"× raw by requests a second, server and client on one core each of {about['cpu']}, Python {about['python']}, "
    )
    lines[-1] += f"onnxruntime {about['onnxruntime']}; load of the machine at the start: {about['load']:.1f}."
    lines += _at_the_limits(results.get("limits", {}))
    return "\n".join(lines)


def _at_the_limits(found: dict[str, Any]) -> list[str]:
    lines = []
    if twice := found.get("overload"):
        lines += ["", _twice(twice)]
    quota = found.get("quota", {})
    if quota.get("periods"):
        lines += ["", _quota(quota)]
    return lines


def _twice(twice: dict[str, Any]) -> str:
    return (
        f"Twice the load that it can carry (conv, binary): {twice['accepted']:,} accepted with a p99 of "
        f"{twice['accepted_p99_to_full']:.1f} × that of full load, {twice['refused']:,} refused with 503 and "
        f"`Retry-After` (p99 {twice['refused_p99_ms']:.0f} ms), {twice['lost']} lost."
    )


def _quota(quota: dict[str, Any]) -> str:
    return (
        f"A quota of one CPU, {quota['cpus_used']:.0%} of it used (conv, binary): p99 {quota['p99_to_p50']:.1f} × p50, "
        f"{quota['throttled_share']:.0%} of the periods throttled."
    )


def _times_raw(workload: dict[str, Any], key: str) -> str:
    """Throughput against the bare model's, on the same core."""
    return f"{workload[key]['rps'] / workload['raw']['rps']:.2f}" if key in workload else "–"


def into(readme: Path, text: str) -> None:
    """Put the table between its marks in the README.

    Args:
        readme: Holds both marks.
        text: The table.
    """
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
