"""What takes part in a benchmark, and the check that all arrive at the same answer."""

from collections.abc import Callable, Iterator, Sequence
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
class Contestant:
    """One way to do the work of an item.

    Attributes
    ----------
    name : str
        `OURS` or the peer's.
    run : callable
        The work that is timed, on inputs that already have the contestant's own form.
    columns : callable
        Turns what ``run`` returned into named arrays; not timed.
    leaves_out : tuple of str
        Columns that this contestant does not compute, which is in its favour.
    max_rows : int or None
        Left out where there are more rows, because it would take minutes.
    """

    name: str
    run: Callable[[], Any]
    columns: Callable[[Any], Columns] = dict
    leaves_out: tuple[str, ...] = ()
    max_rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One piece of work.

    Attributes
    ----------
    name : str
    work : str
        What is computed, in words.
    goal : float
        Wanted ratio of our rows per second to the best peer's.
    inputs : callable
        The arrays that must be read: with the output they make the copy limit.
    contestants : callable
        Ours first, then the peers.
    """

    name: str
    work: str
    goal: float
    inputs: Callable[[Market], Sequence[np.ndarray]]
    contestants: Callable[[Market], list[Contestant]]

    def entered(self, market: Market) -> list[Contestant]:
        """Return the contestants that take this many rows."""
        return [
            contestant
            for contestant in self.contestants(market)
            if contestant.max_rows is None or len(market) <= contestant.max_rows
        ]


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
            _require_equal(f"{item}, {contestant.name}", ours, found, contestant.leaves_out)
        yield contestant, found
        del found  # not to be held while the next one runs


def _require_equal(where: str, ours: Columns, theirs: Columns, leaves_out: tuple[str, ...]) -> None:
    wanted = set(ours) - set(leaves_out)
    if not wanted or set(theirs) != wanted:
        raise DisagreementError(f"{where}: columns {sorted(theirs)} in place of {sorted(wanted)}")
    for name in sorted(wanted):
        _require_equal_column(f"{where}, {name}", ours[name], np.asarray(theirs[name]))


def _require_equal_column(where: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    if ours.shape != theirs.shape:
        raise DisagreementError(f"{where}: shape {theirs.shape} in place of {ours.shape}")
    if ours.dtype.kind == "f":
        is_equal = np.isclose(
            ours, theirs.astype(np.float64), rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True
        )
    else:
        is_equal = ours == theirs
    if not is_equal.all():
        i = int(np.argmin(is_equal))
        raise DisagreementError(
            f"{where}: {theirs[i]} in place of {ours[i]} at position {i} "
            f"({np.count_nonzero(~is_equal)} of {len(ours)} differ)"
        )
