"""The transient impact model: every order moves the price at once and the move decays.

Signs of orders are predictable for long; prices are not. The model says how: what an order does,
given the orders before it, fades as fast as the orders that it foretold arrive.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.types import Float64, Int64
from orderflow_core.validate import (
    require_count,
    require_float64,
    require_same_length,
    require_session_starts,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Propagator:
    """What orders do to the price, by lag in orders; float64 arrays.

    Attributes
    ----------
    correlation : shape (n_lags + 1,)
        ``C(l) = E[e_t e_{t+l}]``, l from 0.
    response : shape (n_lags + 1,), unit of the moves
        ``R(l) = E[(m_{t+l} - m_t) e_t]``, l from 1: the price just before the order to l orders later.
    step : shape (n_lags + 1,)
        ``K(l)``: what an order adds to the move l orders later; K(0) is its own move.
    kernel : shape (n_lags + 1,)
        ``G(l) = K(0) + ... + K(l - 1)``, l from 1: what is left of an order's move, no other order
        following from it.
    forecast : shape (n_lags,)
        Coefficients of the next order's flow on those before it, the newest first.
    n_orders : int
    """

    correlation: Float64
    response: Float64
    step: Float64
    kernel: Float64
    forecast: Float64
    n_orders: int


def lagged_mean(
    flow: ArrayLike, later: ArrayLike, session_start_idx: ArrayLike, *, n_lags: int
) -> Float64:
    """Return the mean product of a series with another one, some orders later.

    Parameters
    ----------
    flow, later : ndarray of float64, shape (n_orders,)
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Sessions and ends of gaps: no pair reaches over them.
    n_lags : int, >= 0

    Returns
    -------
    ndarray of float64, shape (n_lags + 1,)
        Element l: sum of ``flow[t] * later[t + l]`` over the pairs within a session, over
        ``n_orders`` at every lag, so that autocorrelations are those of some series. Zeros without
        orders.

    Raises
    ------
    TypeError, ValueError
        Not floats, lengths differ, a value that is not finite, or broken session starts.

    Notes
    -----
    Source: sample autocovariance (Bouchaud et al. 2004, equations 3 and 5).

    Examples
    --------
    >>> lagged_mean(np.array([1.0, 1.0, -1.0]), np.array([1.0, 1.0, -1.0]), [0], n_lags=1)
    array([1., 0.])
    """
    x, y, starts = _checked(flow, later, session_start_idx)
    require_count("n_lags", n_lags)
    n = len(x)
    means = np.zeros(n_lags + 1)
    if n == 0:
        return means
    session = _session(n, starts)
    for lag in range(min(n_lags + 1, n)):
        is_pair = session[lag:] == session[: n - lag]
        means[lag] = (x[: n - lag] * y[lag:])[is_pair].sum() / n
    return means


def solve_propagator(correlation: ArrayLike, response: ArrayLike) -> Float64:
    """Return what each past order adds to a move, all the others held.

    Parameters
    ----------
    correlation : ndarray of float64, shape (n_lags + 1,)
        ``C(l)`` of the orders' flow.
    response : ndarray of float64, shape (n_lags + 1,)
        ``S(l)``: mean product of an order's flow with the move l orders later.

    Returns
    -------
    ndarray of float64, shape (n_lags + 1,)
        ``K`` with ``S(l) = sum over n of K(n) C(|l - n|)``: a symmetric Toeplitz system, of whose
        solutions the smallest where it is singular (a flow that never changes).

    Raises
    ------
    TypeError, ValueError
        Not floats, or lengths differ.

    Notes
    -----
    Source: Bouchaud, Gefen, Potters and Wyart (2004), equation 12, in differences: Taranto et al.
    (2018), section 3, which is better conditioned than the same for R.

    Examples
    --------
    >>> solve_propagator(np.array([1.0, 0.5]), np.array([1.0, 0.5]))
    array([1., 0.])
    """
    c = require_float64("correlation", correlation)
    s = require_float64("response", response)
    n = require_same_length(correlation=c, response=s)
    lag = np.abs(np.arange(n)[:, None] - np.arange(n))
    return np.asarray(np.linalg.lstsq(c[lag], s, rcond=1e-10)[0]) + 0.0


def fit_propagator(
    flow: ArrayLike, move: ArrayLike, session_start_idx: ArrayLike, *, n_lags: int
) -> Propagator:
    """Fit the model on a series of orders.

    Parameters
    ----------
    flow : ndarray of float64, shape (n_orders,)
        Sign of each order, or sign times a power of its size.
    move : ndarray of float64, shape (n_orders,)
        Mid just before the next order less the mid just before this one, in any unit.
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Sessions and ends of gaps. A session's last move is the caller's to set (0 where unknown).
    n_lags : int, > 0

    Returns
    -------
    Propagator

    Raises
    ------
    TypeError, ValueError
        As `lagged_mean`, or not more orders than lags.

    Notes
    -----
    Lags beyond ``n_lags`` count as nothing. Source: Bouchaud, Gefen, Potters and Wyart (2004),
    *Quantitative Finance* 4; ``forecast``: Yule-Walker equations.

    Examples
    --------
    >>> flow = np.where(np.random.default_rng(0).random(10_000) < 0.5, 1.0, -1.0)
    >>> move = 2 * flow - np.append(0, flow[:-1])  # half of a move is gone with the next order
    >>> fit_propagator(flow, move, [0], n_lags=2).kernel.round(1)
    array([2., 1., 1.])
    """
    x, y, starts = _checked(flow, move, session_start_idx)
    require_count("n_lags", n_lags, least=1)
    if len(x) <= n_lags:
        raise ValueError(f"flow must have more orders than n_lags={n_lags}, got {len(x)}")
    correlation = lagged_mean(x, x, starts, n_lags=n_lags)
    differences = lagged_mean(x, y, starts, n_lags=n_lags)
    step = solve_propagator(correlation, differences)
    return Propagator(
        correlation=correlation,
        response=np.cumsum(differences),
        step=step,
        kernel=np.cumsum(step),
        forecast=solve_propagator(correlation[:-1], correlation[1:]),
        n_orders=len(x),
    )


def expected_move(
    propagator: Propagator, flow: ArrayLike, session_start_idx: ArrayLike, *, n_ahead: int
) -> Float64:
    """Return the move that the orders up to each one let expect of the next ones.

    Parameters
    ----------
    propagator : Propagator
    flow : ndarray of float64, shape (n_orders,)
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Orders before a session's first one are unknown and count as 0.
    n_ahead : int, > 0

    Returns
    -------
    ndarray of float64, shape (n_orders,), unit of the moves
        Element t: expected mid before order ``t + 1 + n_ahead`` less the mid before order
        ``t + 1``, orders up to t known; the order that comes at ``t + 1`` is part of it.

    Raises
    ------
    TypeError, ValueError
        As `lagged_mean`, or ``n_ahead`` below one.

    Notes
    -----
    Causal: element t uses ``flow[0..t]``. Past orders' moves decay by ``step``; the coming orders'
    flow is the linear forecast of what came before, their own moves included.
    Source: Bouchaud et al. (2004), equation 8, with the expected flow in place of the coming one.

    Examples
    --------
    >>> flow = np.array([1.0, -1.0])
    >>> alone = Propagator(correlation=np.array([1.0, 0.0]), response=np.array([2.0, 1.0]),
    ...     step=np.array([2.0, -1.0]), kernel=np.array([2.0, 1.0]), forecast=np.array([0.0]), n_orders=9)
    >>> expected_move(alone, flow, [0], n_ahead=1)
    array([-1.,  1.])
    """
    x, _, starts = _checked(flow, flow, session_start_idx)
    require_count("n_ahead", n_ahead, least=1)
    if len(x) == 0:
        return np.empty(0)
    weight = _filter(propagator, n_ahead)
    ends = np.append(starts[1:], len(x))
    parts = [
        np.convolve(x[first:end], weight)[: end - first]
        for first, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    return np.concatenate(parts)


# Weights of the past flow, newest first, in the sum of the next n_ahead expected moves.
def _filter(propagator: Propagator, n_ahead: int) -> Float64:
    step, forecast = propagator.step, propagator.forecast
    n_lags = len(forecast)
    total = np.zeros(n_lags)
    coming: list[Float64] = []  # flow of the k-th order to come, as weights of the past
    for k in range(1, n_ahead + 1):
        weight = _tail(forecast, k - 1, n_lags)
        for i in range(1, min(k, n_lags + 1)):
            weight = weight + forecast[i - 1] * coming[k - 1 - i]
        coming.append(weight)
        total += _tail(step, k, n_lags)
        for n in range(min(k, len(step))):
            total += step[n] * coming[k - 1 - n]
    return total


def _tail(values: Float64, first: int, n: int) -> Float64:
    found = np.zeros(n)
    part = values[first : first + n]
    found[: len(part)] = part
    return found


def _checked(
    flow: ArrayLike, later: ArrayLike, session_start_idx: ArrayLike
) -> tuple[Float64, Float64, Int64]:
    x, y = require_float64("flow", flow), require_float64("move", later)
    n = require_same_length(flow=x, move=y)
    for name, values in (("flow", x), ("move", y)):
        if not np.isfinite(values).all():
            i = int(np.argmin(np.isfinite(values)))
            raise ValueError(f"{name} must be finite, got {values[i]} at position {i}")
    return x, y, require_session_starts("session_start_idx", session_start_idx, n)


def _session(n: int, starts: Int64) -> Int64:
    opens = np.zeros(n, np.int64)
    opens[starts[1:]] = 1
    return np.cumsum(opens)
