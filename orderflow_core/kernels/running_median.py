"""The median of the last values, one value after another."""

from numba import njit

from orderflow_core.types import Int64


@njit(cache=True, nogil=True)
def _running_median_nb(
    value: Int64, begins: Int64, last: Int64, ordered: Int64, out: Int64
) -> None:
    # out[i] is the lower median of the last len(last) values up to i, of those since the last begin
    # at or before i. `last` is a ring in the order of arrival, `ordered` holds the same by size.
    n_window, n, n_seen, next_begin = len(last), 0, 0, 0
    for i in range(len(value)):
        if next_begin < len(begins) and begins[next_begin] <= i:
            n, n_seen = 0, 0
            while next_begin < len(begins) and begins[next_begin] <= i:
                next_begin += 1
        if n == n_window:
            gone, k = last[n_seen % n_window], 0
            while ordered[k] != gone:
                k += 1
            while k < n - 1:
                ordered[k] = ordered[k + 1]
                k += 1
            n -= 1
        k = n
        while k > 0 and ordered[k - 1] > value[i]:
            ordered[k] = ordered[k - 1]
            k -= 1
        ordered[k] = value[i]
        last[n_seen % n_window] = value[i]
        n_seen += 1
        n += 1
        out[i] = ordered[(n - 1) // 2]
