"""Markouts of fills. THIS MODULE LOOKS AHEAD, as `orderflow_core.labels` does."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.labels import LabelArrays, _is_known, _reference, horizon_ends
from orderflow_core.validate import (
    require_int64,
    require_positive,
    require_same_length,
    require_sign,
)


def markout_labels(
    t0_ns: ArrayLike,
    price2: ArrayLike,
    sign: ArrayLike,
    ref_ts_ns: ArrayLike,
    ref_mid2: ArrayLike,
    *,
    horizons_ns: Sequence[int],
    session_end_ns: ArrayLike,
    gap_start_ns: ArrayLike,
    known_until_ns: int,
    gap_end_ns: ArrayLike | None = None,
) -> list[LabelArrays]:
    """Return what each fill is worth at the reference price some time later, in basis points.

    Parameters
    ----------
    t0_ns : ndarray of int64, shape (n_fills,), unit ns, non-decreasing
        Times of the fills: of trades, or of quotes that are taken as filled.
    price2 : ndarray of int64, shape (n_fills,), unit half ticks, > 0
        Twice the price of each fill.
    sign : ndarray of int8, shape (n_fills,), in {-1, 0, +1}
        +1 bought, -1 sold: of the one whose profit is asked for. A trade's aggressor sign gives the
        aggressor's markout; its negative that of who was resting.
    ref_ts_ns, ref_mid2, session_end_ns, gap_start_ns, known_until_ns, gap_end_ns
        As in `orderflow_core.labels.direction_labels`.
    horizons_ns : sequence of int, unit ns, > 0

    Returns
    -------
    list of LabelArrays, one a horizon
        ``1e4 * sign * (m1 - p) / p`` with m1 the last reference price at or before
        ``t1 = t0 + horizon``. NaN as in `orderflow_core.labels.direction_labels`, and without a sign.

    Raises
    ------
    TypeError, ValueError
        As in `orderflow_core.labels.return_labels`, or a sign is outside the domain.

    Notes
    -----
    LOOKS AHEAD by definition. Positive: the price went the fill's way by more than it had paid. A
    trade's markout is minus its realised half spread (`orderflow_core.spreads.spread_outcomes`)
    for who was the aggressor. Source: Huang, Stoll (1996).

    Examples
    --------
    A buy at 10,000 and a sell at the same; the mid is 10,001 later.

    >>> (labels,) = markout_labels([1, 1], [20000, 20000], np.array([1, -1], np.int8), [0, 3],
    ...     [19999, 20002], horizons_ns=[2], session_end_ns=9, gap_start_ns=[], known_until_ns=3)
    >>> labels.label
    array([ 1., -1.])
    """
    fill2, signs = require_int64("price2", price2), require_sign("sign", sign)
    require_same_length(t0_ns=require_int64("t0_ns", t0_ns), price2=fill2, sign=signs)
    require_positive("price2", fill2)
    found = []
    for horizon_ns in horizons_ns:
        t0, t1 = horizon_ends(t0_ns, horizon_ns)
        is_known = _is_known(t0, t1, session_end_ns, gap_start_ns, gap_end_ns, known_until_ns)
        _, m1, has_base = _reference(t0, t1, ref_ts_ns, ref_mid2)
        is_known &= has_base & (signs != 0)
        label = np.full(len(t0), np.nan)
        gained = signs.astype(np.int64) * (m1 - fill2)
        label[is_known] = 1e4 * gained[is_known] / fill2[is_known]
        found.append(LabelArrays(t0_ns=t0, t1_ns=t1, label=label))
    return found
