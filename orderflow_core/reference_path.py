"""The value around which a simulated market's makers quote: a path with floors and ceilings."""

from dataclasses import dataclass

import numpy as np

from orderflow_core.types import Float64, Int64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Barriers:
    """Planted levels that hold; arrays of shape (n,), in time order, none overlapping another.

    Attributes
    ----------
    first, end : ndarray of int64
        Elements of the path ``first <= i < end`` do not pass the level.
    side : ndarray of int64
        +1 a floor, -1 a ceiling.
    distance : ndarray of int64, unit ticks, >= 0
        From the whole tick at or below (a ceiling: at or above) the path's element ``first``.
    """

    first: Int64
    end: Int64
    side: Int64
    distance: Int64

    def __len__(self) -> int:
        return len(self.first)


def hold_at(path: Float64, barriers: Barriers) -> tuple[Float64, Float64]:
    """Return a path that turns at its barriers, and how far each has moved it for good.

    Parameters
    ----------
    path : ndarray of float64, shape (n,), unit ticks
    barriers : Barriers

    Returns
    -------
    path : ndarray of float64, shape (n,)
        A copy. From ``first`` on the smallest push that keeps it on its side is added, and what was
        added by the end stays: nothing jumps when a level goes.
    pushed_ticks : ndarray of float64, shape (n_barriers,)
        Signed.

    Raises
    ------
    ValueError
        A barrier overlaps the one before it, or lies outside of the path.

    Notes
    -----
    Skorokhod's reflection: causal, element i depends on elements 0..i. An element exactly at the
    level stays.

    Examples
    --------
    A floor two below 10.5's whole tick, 8: the path turns there and goes on from there.

    >>> one = np.ones(1, np.int64)
    >>> floor = Barriers(first=0 * one, end=4 * one, side=one, distance=2 * one)
    >>> hold_at(np.array([10.5, 7.0, 6.0, 7.0, 5.0]), floor)
    (array([10.5,  8. ,  8. ,  9. ,  7. ]), array([2.]))
    """
    held, pushed, last = path.copy(), np.zeros(len(barriers)), 0
    columns = (barriers.first, barriers.end, barriers.side, barriers.distance)
    for i, (first, end, side, distance) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        if not last <= first < end <= len(path):
            raise ValueError(
                f"barriers must follow each other within the path, got {first} to {end} after "
                f"{last} of {len(path)}"
            )
        # Seen from above: a ceiling is the floor of the mirrored path.
        above = side * held[first:end]
        floor = np.floor(above[0]) - distance
        push = np.maximum.accumulate(np.maximum(floor - above, 0.0))
        held[first:end] += side * push
        held[end:] += side * push[-1]
        pushed[i], last = side * push[-1] + 0.0, end  # no -0.0
    return held, pushed
