"""Time and memory of contestants, in turn with each other, on a machine that others may be using.

All take part in every round, so that what slows the machine down slows all of them; the median of
the rounds counts. A round in which other processes used the cores is thrown away.
"""

import gc
import math
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contest import Contestant, Elsewhere

MAX_SHARE_OF_OTHERS = 0.1  # of the cores' time
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
SLOW_S, SLOW_RUNS = 5.0, 3
VERY_SLOW_S, VERY_SLOW_RUNS = 20.0, 1
MAX_RUNS, WANTED_TOTAL_S = 15, 3.0


@dataclass(slots=True)
class Timing:
    """Seconds of one contestant's runs.

    Attributes
    ----------
    wanted : int
        Runs to take.
    seconds : list of float
        Of the runs in which nobody else used the cores.
    disturbed_s : list of float
        Of the others. They count only where too few are left without them.
    """

    wanted: int
    seconds: list[float] = field(default_factory=list)
    disturbed_s: list[float] = field(default_factory=list)

    @property
    def is_disturbed(self) -> bool:
        """Whether the median rests on disturbed runs."""
        return len(self.seconds) < self.wanted

    @property
    def counted(self) -> list[float]:
        """The runs that the median is of."""
        return self.seconds + self.disturbed_s if self.is_disturbed else self.seconds

    @property
    def median(self) -> float:
        """Median seconds."""
        return statistics.median(self.counted)


def measure(
    contestants: list[Contestant], first_s: dict[str, float], min_runs: int
) -> dict[str, Timing]:
    """Return each contestant's timing.

    Parameters
    ----------
    contestants : list of Contestant
        All have run before: nothing is left to compile.
    first_s : dict of str to float
        How long the last run took, which decides the number of runs.
    min_runs : int
        Runs of each, fewer where one takes longer than `SLOW_S`, more where all take little.
    """
    enough = math.ceil(WANTED_TOTAL_S / max(sum(first_s.values()), 1e-9))
    runs = min(max(min_runs, enough), max(min_runs, MAX_RUNS))
    timings = {name: Timing(wanted=_runs(seconds, runs)) for name, seconds in first_s.items()}
    for _ in range(2 * runs):
        due = [
            c for c in contestants
            if timings[c.name].is_disturbed
            and len(timings[c.name].disturbed_s) < timings[c.name].wanted
        ]  # fmt: skip
        if not due:
            break
        seconds, is_disturbed = _round(due)
        for name, value in seconds.items():
            (timings[name].disturbed_s if is_disturbed else timings[name].seconds).append(value)
    return timings


def _runs(first_s: float, runs: int) -> int:
    if first_s > VERY_SLOW_S:
        return min(VERY_SLOW_RUNS, runs)
    return min(SLOW_RUNS, runs) if first_s > SLOW_S else runs


def _round(contestants: list[Contestant]) -> tuple[dict[str, float], bool]:
    gc.collect()
    others, start = _cpu_of_others(), time.perf_counter()
    seconds, cpu_elsewhere = {}, 0.0
    for contestant in contestants:
        result, seconds[contestant.name] = timed(contestant.run)
        if isinstance(result, Elsewhere):
            seconds[contestant.name] = result.seconds
            cpu_elsewhere += result.cpu_s
        del result  # not to be held while the next one runs
    available = (time.perf_counter() - start) * (os.cpu_count() or 1)
    used = _cpu_of_others() - others - cpu_elsewhere
    return seconds, used > MAX_SHARE_OF_OTHERS * available + 4 * TICK_S


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what the work returned, and its seconds."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def _cpu_of_others() -> float:
    # CPU seconds that all other processes have used since the machine started.
    stat = Path("/proc/stat")
    if not stat.exists():  # no Linux: nobody can tell
        return 0.0
    user, nice, system, _, _, irq, soft_irq, steal = map(
        int, stat.read_text().split("\n", 1)[0].split()[1:9]
    )
    own = os.times()
    return (user + nice + system + irq + soft_irq + steal) * TICK_S - own.user - own.system


def with_peak_mb(work: Callable[[], Any]) -> tuple[Any, float | None]:
    """Return what the work returned, and the memory that it needed above what was held before.

    Notes
    -----
    The result itself counts. None where the kernel does not tell (only Linux does).
    """
    reset = Path("/proc/self/clear_refs")
    if not reset.exists():
        return work(), None
    gc.collect()
    reset.write_text("5")
    before = _status_kb("VmRSS")
    result = work()
    return result, round((_status_kb("VmHWM") - before) / 1024, 1)


def _status_kb(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def copy_bandwidth(n_bytes: int = 2**28) -> float:
    """Return bytes a second that a copy between warm buffers moves, each read and written.

    The best of some copies with one thread and with one thread a core: the limit of this machine.
    """
    source, target = np.ones(n_bytes // 8), np.zeros(n_bytes // 8)
    best = 0.0
    for n_threads in {1, os.cpu_count() or 1}:
        parts = list(
            zip(np.array_split(target, n_threads), np.array_split(source, n_threads), strict=True)
        )
        with ThreadPoolExecutor(n_threads) as pool:
            for _ in range(7):
                _, seconds = timed(lambda: list(pool.map(lambda part: np.copyto(*part), parts)))  # noqa: B023
                best = max(best, 2 * n_bytes / seconds)
    return best
