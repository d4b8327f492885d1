"""What takes part in a benchmark, and the check that all arrive at the same answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from benchmarks.data import Market

Columns: TypeAlias = dict[str, np.ndarray]

OURS = "orderflow"
# Floats come from sums in different orders; all else is compared exactly.
RELATIVE, ABSOLUTE = 1e-7, 1e-9


class DisagreementError(ValueError):
    """Two contestants arrive at different results, so that their times say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What a contestant in a process of its own tells of one run, which it times itself."""

    seconds: float
    cpu_s: float
    peak_mb: float


class Reused:
    """Work that is handed its result of the run before, whose memory it may write over.

    The first run gets None and makes its own, so that the peak of memory holds it.
    """

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work, self._room = work, None

    def __call__(self) -> Any:
        self._room = self._work(self._room)
        return self._room


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One way to do the work of an item.

    Attributes
    ----------
    name : str
        `OURS` or the peer's.
    run : callable
        The work that is timed, on inputs that already have the contestant's own form. One that
        works in a process of its own returns an `Elsewhere`.
    columns : callable
        Turns what ``run`` returned into named arrays; not timed.
    leaves_out : tuple of str
        Columns that this contestant does not compute, which is in its favour.
    max_rows : int or None
        Left out where there are more rows, because it would take minutes.
    why_not : str
        Why it cannot take part at all; empty where it can.
    tolerance : float
        How far a float may lie from ours.
    """

    name: str
    run: Callable[[], Any]
    columns: Callable[[Any], Columns] = dict
    leaves_out: tuple[str, ...] = ()
    max_rows: int | None = None
    why_not: str = ""
    tolerance: float = ABSOLUTE

    def reason_to_leave_out(self, n_rows: int) -> str:
        """Return why it does not take part with so many rows; empty where it does."""
        if self.why_not or self.max_rows is None or n_rows <= self.max_rows:
            return self.why_not
        return f"above {self.max_rows:,} rows it would take minutes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One piece of work.

    Attributes
    ----------
    name : str
    work : str
        What is computed, in words.
    goal : float or None
        Wanted ratio of our rows per second to the best peer's, or to that of ``goal_peer``.
    goal_peer : str or None
        The one peer that the goal counts against, where the others do less of the work.
    limit_goal : float or None
        Wanted ratio of our time to the copy limit, at the most rows.
    inputs : callable
        The arrays that must be read: with the output they make the copy limit.
    contestants : callable
        Ours first, then the peers.
    row_goal_us : float or None
        Wanted most microseconds a row, in place of the ratio, where peers do not count.
    max_rows : int or None
        So many rows tell enough, as the cost of a row does not depend on how many there are.
    """

    name: str
    work: str
    goal: float | None
    inputs: Callable[[Market], Sequence[np.ndarray]]
    contestants: Callable[[Market], list[Contestant]]
    goal_peer: str | None = None
    limit_goal: float | None = None
    row_goal_us: float | None = None
    max_rows: int | None = None

    def n_rows(self, n_asked: int) -> int:
        """Return how many rows to work on."""
        return n_asked if self.max_rows is None else min(n_asked, self.max_rows)

    def entered(
        self, market: Market, too_slow: Mapping[str, str] | None = None
    ) -> tuple[list[Contestant], dict[str, str]]:
        """Return the contestants that take part, and why the others do not.

        Parameters
        ----------
        market : Market
        too_slow : mapping of str to str, optional
            Contestants to leave out, and why.
        """
        contestants = self.contestants(market)
        why = {c.name: c.reason_to_leave_out(len(market)) for c in contestants}
        why |= {name: reason for name, reason in (too_slow or {}).items() if name in why}
        left_out = {name: reason for name, reason in why.items() if reason}
        return [c for c in contestants if c.name not in left_out], left_out


def agreed_runs(
    item: str, contestants: list[Contestant], run: Callable[[Contestant], Any]
) -> Iterator[tuple[Contestant, Columns]]:
    """Run all once and yield each with its columns, once they are found equal to those of ours.

    Parameters
    ----------
    item : str
    contestants : list of Contestant
        Ours first.
    run : callable
        Calls the contestant's work, with whatever is to be observed about it.

    Raises
    ------
    DisagreementError
        Naming item, peer, column, position and both values.
    """
    ours: Columns = {}
    for contestant in contestants:
        found = contestant.columns(run(contestant))
        if contestant.name == OURS:
            ours = found
        else:
            _require_equal(f"{item}, {contestant.name}", ours, found, contestant)
        yield contestant, found
        del found  # not to be held while the next one runs


def _require_equal(where: str, ours: Columns, theirs: Columns, peer: Contestant) -> None:
    wanted = set(ours) - set(peer.leaves_out)
    if not wanted or set(theirs) != wanted:
        raise DisagreementError(f"{where}: columns {sorted(theirs)} in place of {sorted(wanted)}")
    for name in sorted(wanted):
        _require_equal_column(
            f"{where}, {name}", ours[name], np.asarray(theirs[name]), peer.tolerance
        )


def _require_equal_column(
    where: str, ours: np.ndarray, theirs: np.ndarray, tolerance: float
) -> None:
    if ours.shape != theirs.shape:
        raise DisagreementError(f"{where}: shape {theirs.shape} in place of {ours.shape}")
    if ours.dtype.kind == "f":
        is_equal = np.isclose(
            ours, theirs.astype(np.float64), rtol=RELATIVE, atol=tolerance, equal_nan=True
        )
    else:
        is_equal = ours == theirs
    if not is_equal.all():
        i = int(np.argmin(is_equal))
        raise DisagreementError(
            f"{where}: {theirs[i]} in place of {ours[i]} at position {i} "
            f"({np.count_nonzero(~is_equal)} of {len(ours)} differ)"
        )
