"""Prices that leap: a record far from the one before it, which may be a wrong print or a true move.

Nothing is refused for it, because what comes later would have to tell which it was.
"""

import numpy as np

# Recorded markets stay below 4 % from one trade to the next, but for one file of a small share
# with out-of-order prints; ten ticks keep shares of a few cents out.
JUMP_PARTS = 20
JUMP_TICKS = 10


def jumps(price: np.ndarray, tick: int) -> np.ndarray:
    """Return the positions of prices that leap by more than 5 % and by ten ticks or more.

    Parameters
    ----------
    price : ndarray of int64, shape (n,), > 0, any unit
        Prices in the order of their records.
    tick : int, > 0
        Grid of the venue's prices in that unit.

    Returns
    -------
    ndarray of int64, shape (n_jumps,)
        Each compared with the price before it: a lone wrong print leaps twice.

    Examples
    --------
    >>> jumps(np.array([1000, 1050, 1051, 900, 1051]), 1)
    array([3, 4])
    """
    step = np.abs(np.diff(price))
    return np.flatnonzero((step > price[:-1] // JUMP_PARTS) & (step >= JUMP_TICKS * tick)) + 1
