"""Layers of rules put together; results go into the caller's arrays."""

from numba import njit

from orderflow_core.types import Float64, Int8


@njit(cache=True, nogil=True)
def _layer_nb(sign: Int8, rule: Int8, candidate: Int8, code: int) -> int:
    # Let a rule sign what no earlier rule has signed; return how many trades stay without.
    n_left = 0
    for i in range(len(sign)):
        if sign[i] == 0:
            if candidate[i] != 0:
                sign[i] = candidate[i]
                rule[i] = code
            else:
                n_left += 1
    return n_left


@njit(cache=True, nogil=True)
def _agreement_nb(
    sign: Int8, is_native: Int8, by_quote: Int8, by_tick: Int8, confidence: Float64
) -> None:
    # Share of the two tests that back the sign; the venue's flag is not put to the vote.
    for i in range(len(sign)):
        votes = int(by_quote[i] == sign[i]) + int(by_tick[i] == sign[i])
        confidence[i] = 1.0 if is_native[i] != 0 else 0.5 * votes
        if sign[i] == 0:
            confidence[i] = float("nan")
