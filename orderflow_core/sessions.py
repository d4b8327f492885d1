"""Where the session of each element begins: how far back a memory may look."""

import numpy as np

from orderflow_core.types import Bool, Int64


def first_of_session(start: Int64, n: int) -> Int64:
    """Return for each of ``n`` elements the position at which its session begins.

    Parameters
    ----------
    start : ndarray of int64, strictly increasing, in 0..n - 1
        Positions that open a session. Elements before the first one belong to a session that
        begins at 0.
    n : int, >= 0

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> first_of_session(np.array([2, 3]), 5)
    array([0, 0, 2, 3, 3])
    """
    first = np.zeros(n, np.int64)
    first[start] = start
    return np.maximum.accumulate(first)


def starts_within(start: Int64, first: int, end: int) -> Int64:
    """Return those of some positions that lie in ``first <= i < end``, counted from ``first``.

    Parameters
    ----------
    start : ndarray of int64, sorted

    Returns
    -------
    ndarray of int64

    Examples
    --------
    >>> starts_within(np.array([0, 2, 5]), 2, 5)
    array([0])
    """
    return start[(start >= first) & (start < end)] - first


def opens_session(start: Int64, n: int) -> Bool:
    """Return for each of ``n`` elements whether a session begins at it.

    Parameters
    ----------
    start : ndarray of int64, strictly increasing, in 0..n - 1
        Positions that open a session.
    n : int, >= 0

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> opens_session(np.array([2]), 4)
    array([False, False,  True, False])
    """
    flags = np.zeros(n, np.bool_)
    flags[start] = True
    return flags
