"""Training batches from stored days, one day in memory at a time, in an order that a seed decides.

A source is a list of days, each a callable that reads its decisions anew: what was read is dropped
when the next one is read, so that memory does not grow with the number of days.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.footprint_batch import FootprintBatch, joined

ReadDay = Callable[[], Iterator[FootprintBatch]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintDays:
    """The decisions of some days that may be seen, in time order.

    Attributes
    ----------
    days : sequence of callable
        Each reads a day's decisions, in pieces of bounded size; the days are in time order.
    first_ns, before_ns : int
        Decisions ``first_ns <= t0`` whose outcomes are known by ``before_ns`` (``t1 <= before_ns``).
    """

    days: Sequence[ReadDay]
    first_ns: int = -(2**62)
    before_ns: int = 2**62

    def pieces(self, order: Sequence[int] | None = None) -> Iterator[FootprintBatch]:
        """Yield what the days hold, piece by piece, days in the given order."""
        for day in range(len(self.days)) if order is None else order:
            for piece in self.days[day]():
                is_seen = (piece.t0_ns >= self.first_ns) & (piece.t1_ns <= self.before_ns)
                if is_seen.any():
                    yield piece if is_seen.all() else piece.take(is_seen)

    def batches(self, size: int) -> Iterator[FootprintBatch]:
        """Yield batches in time order; the last one may be smaller."""
        yield from _of_size(self.pieces(), size)

    def shuffled(self, size: int, *, room: int, seed: int) -> Iterator[FootprintBatch]:
        """Yield batches in an order that the seed decides.

        The days come in a drawn order; ``room`` decisions are held, and batches are drawn from them.
        All that is held is drawn before the days end: each decision comes once.
        """
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self.days)).tolist()
        for held in _of_size(self.pieces(order), max(room, size)):
            drawn = held.take(rng.permutation(len(held)))
            for start in range(0, len(drawn), size):
                yield drawn.take(slice(start, start + size))


def held_out(
    source: FootprintDays, held_from_ns: int, *, embargo_ns: int
) -> tuple[FootprintDays, FootprintDays]:
    """Return the decisions to fit and those to stop by, purged.

    Parameters
    ----------
    source : FootprintDays
    held_from_ns : int
        Decisions from then on are held out.
    embargo_ns : int, >= 0

    Returns
    -------
    fit, held : FootprintDays
        Every outcome in ``fit`` is known by ``held_from_ns - embargo_ns``.

    Raises
    ------
    ValueError
        The embargo is negative.
    """
    if embargo_ns < 0:
        raise ValueError(f"embargo_ns must not be negative, got {embargo_ns}")
    before = min(source.before_ns, held_from_ns - embargo_ns)
    fit = FootprintDays(days=source.days, first_ns=source.first_ns, before_ns=before)
    first = max(source.first_ns, held_from_ns)
    return fit, FootprintDays(days=source.days, first_ns=first, before_ns=source.before_ns)


def in_memory(batch: FootprintBatch) -> FootprintDays:
    """Return decisions that are in memory already as a source of one day."""
    return FootprintDays(days=[lambda: iter([batch])])


def _of_size(pieces: Iterator[FootprintBatch], size: int) -> Iterator[FootprintBatch]:
    if size < 1:
        raise ValueError(f"size must be positive, got {size}")
    waiting: list[FootprintBatch] = []
    n = 0
    for piece in pieces:
        waiting.append(piece)
        n += len(piece)
        while n >= size:
            whole = joined(waiting)
            yield whole.take(slice(0, size))
            waiting, n = [whole.take(slice(size, len(whole)))], n - size
    if n:
        yield joined(waiting)
