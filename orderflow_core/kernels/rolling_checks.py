"""Whether trades and rows keep the contract of the moving windows, in passes at memory speed."""

from numba import njit

from orderflow_core.types import Int8, Int64


@njit(cache=True, nogil=True)
def _faults_nb(ts: Int64, qty: Int64, sign: Int8) -> tuple[bool, int]:
    # Whether a trade breaks a rule, and bits of the sizes: at least the largest of them. In blocks
    # that stay in the cache, one quantity a loop: each compiles to vector code.
    is_bad, bits = False, 0
    for start in range(0, len(qty), 2_048):
        stop = min(start + 2_048, len(qty))
        lots, sides = qty[start:stop], sign[start:stop]
        n_zero = 0
        for i in range(len(lots)):
            bits |= lots[i]  # negative once a size is
            n_zero += lots[i] == 0
        low = high = sides[0]
        for i in range(len(sides)):
            low, high = min(low, sides[i]), max(high, sides[i])
        is_back = _runs_back_nb(ts[max(start - 1, 0) : stop])
        is_bad |= n_zero > 0 or is_back or low < -1 or high > 1
    return is_bad or bits < 0, bits


@njit(cache=True, nogil=True)
def _runs_back_nb(values: Int64) -> bool:
    n_back = 0
    earlier, later = values[:-1], values[1:]
    for i in range(len(later)):
        n_back += later[i] < earlier[i]
    return n_back > 0
