"""Turning points of price, confirmed by the bars after them, and the running delta at them."""

from numba import njit

from orderflow_core.types import Bool, Int64


@njit(cache=True, nogil=True)
def _is_pivot_nb(price: Int64, pivot: int, width: int) -> bool:
    # Above all before, not below any after: of equal extremes the first one turns.
    is_first_top = True
    for k in range(1, width + 1):
        is_first_top &= price[pivot - k] < price[pivot]
        is_first_top &= price[pivot + k] <= price[pivot]
    return is_first_top


@njit(cache=True, nogil=True)
def _pivot_divergence_nb(
    price: Int64,
    cvd: Int64,
    since: Int64,
    n_tail: int,
    width: int,
    last: Int64,
    is_pivot: Bool,
    is_divergence: Bool,
) -> None:
    # ``last`` is the pivot before: [whether there is one, price, cvd].
    for i in range(n_tail, len(price)):
        if since[i] == i:
            last[0] = 0
        pivot, k = i - width, i - n_tail
        is_pivot[k] = pivot - width >= since[i] and _is_pivot_nb(price, pivot, width)
        is_divergence[k] = False
        if is_pivot[k]:
            higher, weaker = price[pivot] > last[1], cvd[pivot] < last[2]
            is_divergence[k] = last[0] == 1 and higher and weaker
            last[0], last[1], last[2] = 1, price[pivot], cvd[pivot]
