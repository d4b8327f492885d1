"""Kernels over the records of an hour: sizes to lots exactly, and the gate's rules in one pass.

A size is a single-precision number of millions whose shortest decimal text is what the vendor
meant. That text is found here without writing it: the fewest decimals with which a whole number
lies nearer to the size than any other single-precision number does. All of it is exact in double
precision, because a size has 24 bits and a power of ten up to a million adds 14.
"""

import numpy as np
from numba import njit

UNDECIDED = -1
# Up to it whole numbers are their own shortest text; in millions, so larger ones are damage.
MAX_SIZE = float(2**23)
MAX_DECIMALS = 6
# Half the distance to the next single-precision number, by the exponent's bits.
HALF_STEP = np.ldexp(1.0, np.maximum(np.arange(256), 1) - 151)
_TENS = 10.0 ** np.arange(MAX_DECIMALS + 1)


@njit(cache=True, nogil=True)
def _lots_nb(sizes, bits, half_step, tens, units_per, lot_units, lots):
    n_moved = 0
    for i in range(len(sizes)):
        size = np.float64(sizes[i])
        lots[i] = UNDECIDED
        if not 0.0 < size < MAX_SIZE:
            continue
        half = half_step[(bits[i] >> 23) & 255]
        for n_decimals in range(len(tens)):
            scaled = size * tens[n_decimals]
            nearest = np.rint(scaled)
            off = abs(nearest - scaled)
            # Below a power of two the numbers lie closer: only the number itself is sure there.
            if off == 0.0 or (off < half * tens[n_decimals] and bits[i] & 0x7FFFFF):
                units = np.int64(nearest) * units_per[n_decimals]
                whole = units // lot_units
                rest = units - whole * lot_units
                if 2 * rest > lot_units or (2 * rest == lot_units and whole % 2):
                    whole += 1
                lots[i] = max(whole, 1)
                n_moved += lots[i] * lot_units != units
                break
    return n_moved


def lots_of(millions: np.ndarray, unit_factor: int, lot_units: int) -> tuple[np.ndarray, int]:
    """Return sizes as whole lots, half to even, at least one, and how many lay off the grid.

    Parameters
    ----------
    millions : ndarray of float32, shape (n,)
    unit_factor, lot_units : int
        A lot is ``lot_units / unit_factor`` units; ``unit_factor`` up to 100,000.

    Returns
    -------
    lots : ndarray of int64, shape (n,)
        `UNDECIDED` where the shortest text is not known here, or the size is not positive.
    n_moved : int
        Of those that are decided.

    Examples
    --------
    >>> lots_of(np.array([2.06, 0.0], np.float32), 1, 1)[0].tolist()
    [2060000, -1]
    """
    lots = np.empty(len(millions), np.int64)
    units_per = unit_factor * 10 ** np.arange(MAX_DECIMALS, -1, -1)
    bits = millions.view(np.uint32)
    n_moved = _lots_nb(millions, bits, HALF_STEP, _TENS, units_per, lot_units, lots)
    return lots, int(n_moved)


@njit(cache=True, nogil=True)
def is_plain_nb(ms, ask, bid, ask_lots, bid_lots, hour_ms, ids_per_ms, position):
    """Return whether the gate would store every quote; write positions among equal times."""
    run = 0
    for i in range(len(ms)):
        if ms[i] >= hour_ms or ask[i] == 0 or bid[i] == 0:
            return False
        if ask_lots[i] <= 0 or bid_lots[i] <= 0:
            return False
        run = run + 1 if i and ms[i] == ms[i - 1] else 0
        if (i and ms[i] < ms[i - 1]) or run >= ids_per_ms:
            return False
        position[i] = run
        for k in range(i - run, i):
            is_one_price = ask[k] == ask[i] and bid[k] == bid[i]
            if is_one_price and ask_lots[k] == ask_lots[i] and bid_lots[k] == bid_lots[i]:
                return False
    return True
