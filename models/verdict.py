"""One word for a paired difference: yes, no, or not shown."""

import math
from typing import Literal

from models.bootstrap import MIN_BLOCKS
from models.evaluate import Comparison

Verdict = Literal["yes", "no", "not shown"]


def verdict(low: float | None, high: float | None, n_blocks: int) -> Verdict:
    """Return whether a loss difference with this interval shows the upper one to be better.

    Parameters
    ----------
    low, high : float or None
        95 % interval of ``loss(upper) - loss(below)``; None or NaN: not estimable.
    n_blocks : int
        Independent pieces that the interval rests on.

    Returns
    -------
    str
        ``yes``: the interval lies below zero. ``no``: it lies above zero, the upper one is worse.
        ``not shown``: it holds zero, or rests on fewer than `MIN_BLOCKS` blocks, or is not
        estimable. It is not evidence that both are equally good.

    Examples
    --------
    >>> verdict(-0.2, -0.1, 40), verdict(0.1, 0.2, 40), verdict(-0.1, 0.1, 40), verdict(-2, -1, 3)
    ('yes', 'no', 'not shown', 'not shown')
    """
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return "not shown"
    if n_blocks < MIN_BLOCKS or low <= 0 <= high:
        return "not shown"
    return "yes" if high < 0 else "no"


def comparison_verdict(found: Comparison) -> Verdict:
    """Return the verdict on a comparison of two rungs."""
    return verdict(found.low, found.high, found.n_blocks)
