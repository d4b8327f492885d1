"""results.json and results.md."""

import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.contest import OURS

PACKAGES = ("numpy", "numba", "pandas", "polars", "duckdb", "chdb")
RECORD = ("item", "peer", "rows", "seconds_median", "runs", "peak_mb")
HOW = """\
Each item ran in a process of its own, ours and its peers in turn, on the same synthetic trades and
quotes (`benchmarks/data.py`). After a first call on few rows, which compiles what compiles, all
results were found equal; the memory that this run needed above what was held before, its result
included, is the peak. Then all were timed.
Inputs lie in each library's own form. Every contestant may use all cores and its fastest engine.
Ours and numpy write over the result of their run before where a result has as many rows as the
trades, or nearly (`out=`); the other libraries have no way to be handed memory, and reuse what they keep.
Checks of the input are part of our time. Medians.

- **ratio**: our rows per second over the peer's, in the same process. It is the best peer, or the
  one that the goal names because the others do less of the work.
- **limit**: our time over that of moving all bytes of inputs and outputs once, at the copy
  bandwidth above.
- **met**: whether the ratio reaches its goal and, at the most rows, the limit its own, in brackets.
- **growth**: our time per row over that at the fewest rows; 1.0x is linear.
"""
BUSY = """\
**Other processes used the cores during the runs marked with \\*: their figures say little.**
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one contestant did on one item.

    Attributes
    ----------
    item, peer : str
    rows : int
    seconds_median : float
    runs : int
    peak_mb : float or None
        None where the system does not tell.
    is_disturbed : bool
        Others used the cores too often to leave enough undisturbed runs.
    limit_s : float
        Seconds to move the bytes of inputs and outputs once.
    goal, limit_goal, row_goal_us : float or None
        As in `Item`.
    goal_peer : str or None
        As in `Item`.
    work : str
    """

    item: str
    peer: str
    rows: int
    seconds_median: float
    runs: int
    peak_mb: float | None
    is_disturbed: bool
    limit_s: float
    goal: float | None
    work: str
    goal_peer: str | None = None
    limit_goal: float | None = None
    row_goal_us: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A peer that did not take part, and why."""

    item: str
    peer: str
    rows: int
    why: str


def write(folder: Path, results: list[Result], left_out: list[LeftOut], bandwidth: float) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    records = [{name: getattr(result, name) for name in RECORD} for result in results]
    lines = ",\n".join(f" {json.dumps(record)}" for record in records)
    (folder / "results.json").write_text(f"[\n{lines}\n]\n")
    (folder / "results.md").write_text(markdown(results, left_out, bandwidth))


def markdown(results: list[Result], left_out: list[LeftOut], bandwidth: float) -> str:
    """Return results.md."""
    ours = [result for result in results if result.peer == OURS]
    sections = ["# Benchmarks", _machine(bandwidth), HOW]
    if any(result.is_disturbed for result in results):
        sections.append(BUSY)
    for rows in sorted({result.rows for result in ours}):
        sections += [f"## {rows:,} rows", _summary(results, ours, rows)]
    sections.append("## All contestants")
    for item in dict.fromkeys(result.item for result in ours):
        sections.append(_details([result for result in results if result.item == item]))
        sections += _absent([one for one in left_out if one.item == item])
    return "\n\n".join(section.strip("\n") for section in sections) + "\n"


def compared_peer(results: list[Result], ours: Result) -> Result | None:
    """Return the peer that our goal counts against, on the same item and rows; None without one.

    It is the fastest, or the one that the goal names: where that did not take part, there is none.
    """
    peers = [r for r in results if (r.item, r.rows) == (ours.item, ours.rows) and r.peer != OURS]
    if ours.goal_peer is not None:
        peers = [peer for peer in peers if peer.peer == ours.goal_peer]
    return min(peers, key=lambda peer: peer.seconds_median, default=None)


def _machine(bandwidth: float) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, {os.cpu_count()} cores, "
        f"copy bandwidth {bandwidth / 1e9:.0f} GB/s (read and written). "
        f"Python {platform.python_version()}, {versions}."
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _summary(results: list[Result], ours: list[Result], rows: int) -> str:
    fewest = {result.item: result for result in sorted(ours, key=lambda r: -r.rows)}
    is_most = rows == max(result.rows for result in ours)
    lines = [
        "| item | M rows/s | peer | its M rows/s | ratio | goal | limit | met | growth | peak MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for result in ours:
        if result.rows != rows:
            continue
        peer = compared_peer(results, result)
        start = fewest[result.item]
        growth = result.seconds_median / rows / (start.seconds_median / start.rows)
        limit_goal = result.limit_goal if is_most else None
        cells = (
            result.item,
            _speed(result),
            peer.peer if peer else "-",
            _speed(peer) if peer else "-",
            times(peer.seconds_median / result.seconds_median) if peer else "-",
            f"{result.goal:g}x" if result.goal is not None else f"{result.row_goal_us:g} us a row",
            f"{_of_limit(result):.1f}x" + ("" if limit_goal is None else f" ({limit_goal:g}x)"),
            "yes" if is_met(result, peer, limit_goal) else "no",
            f"{growth:.2f}x",
            _peak(result),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def is_met(ours: Result, peer: Result | None, limit_goal: float | None) -> bool:
    """Return whether we are as much faster than the peer, and as near the limit, as wanted.

    Where a cost of a row is wanted, that alone counts.
    """
    if ours.row_goal_us is not None:
        return ours.seconds_median / ours.rows <= ours.row_goal_us * 1e-6
    is_faster = (
        peer is not None
        and ours.goal is not None
        and peer.seconds_median >= ours.goal * ours.seconds_median
    )
    return is_faster and (limit_goal is None or _of_limit(ours) <= limit_goal)


def times(ratio: float) -> str:
    """Return a ratio in words; one below 1 with the digit that its goal has."""
    return f"{ratio:.{1 if ratio >= 1 else 2}f}x"


def _of_limit(result: Result) -> float:
    return result.seconds_median / result.limit_s


def _peak(result: Result) -> str:
    return "-" if result.peak_mb is None else f"{result.peak_mb:,.0f}"


def _details(results: list[Result]) -> str:
    lines = [
        f"### {results[0].item}",
        "",
        f"{results[0].work[0].upper()}{results[0].work[1:]}.",
        "",
        "| rows | contestant | seconds | M rows/s | ours is faster by | runs | peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    ours = {result.rows: result.seconds_median for result in results if result.peer == OURS}
    lines += [
        f"| {result.rows:,} | {result.peer} | {result.seconds_median:.4g} | {_speed(result)} "
        f"| {result.seconds_median / ours[result.rows]:.1f}x | {result.runs} | {_peak(result)} |"
        for result in sorted(results, key=lambda r: (r.rows, r.seconds_median))
    ]
    return "\n".join(lines)


def _absent(left_out: list[LeftOut]) -> list[str]:
    told = [f"- {one.peer}, {one.rows:,} rows: {one.why}." for one in left_out]
    return ["Left out:\n\n" + "\n".join(told)] if told else []


def _speed(result: Result) -> str:
    return f"{result.rows / result.seconds_median / 1e6:.3g}{' *' if result.is_disturbed else ''}"
