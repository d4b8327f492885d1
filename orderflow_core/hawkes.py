"""Self-exciting arrivals: each event makes the next ones of some kinds likelier for a while."""

from dataclasses import dataclass

import numpy as np

from orderflow_core.kernels.hawkes import _thin_nb
from orderflow_core.types import Float64, Int64
from orderflow_core.validate import require_amount

_BLOCK = 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrivals:
    """Events of a process in time order.

    Attributes
    ----------
    time_s : ndarray of float64, shape (n,), unit s from the start, increasing
    component : ndarray of int64, shape (n,)
        Which kind of event.
    intensity : ndarray of float64, shape (n, n_kinds), unit 1/s
        Rate of each kind just before the event: what its past let expect.
    """

    time_s: Float64
    component: Int64
    intensity: Float64

    def __len__(self) -> int:
        return len(self.time_s)


def hawkes_arrivals(
    base_rate: Float64,
    branching: Float64,
    decay: Float64,
    weight: Float64,
    horizon_s: float,
    rng: np.random.Generator,
) -> Arrivals:
    """Draw the events of a linear Hawkes process with sums of exponential kernels.

    Parameters
    ----------
    base_rate : ndarray of float64, shape (n_kinds,), unit 1/s, >= 0, one of them > 0
    branching : ndarray of float64, shape (n_kinds, n_kinds), >= 0
        Element (i, k): events of kind k that one of kind i brings about directly, on average.
        Its spectral radius must be below 1, else the process explodes.
    decay : ndarray of float64, shape (n_decays,), unit 1/s, > 0
    weight : ndarray of float64, shape (n_decays,), >= 0, sum 1
        Share of each decay in the kernel. Several decays together look like a power law.
    horizon_s : float, > 0
        Events lie in ``[0, horizon_s)``; the process starts without a past.
    rng : numpy.random.Generator
        Its draws alone decide: the same generator state gives the same events.

    Returns
    -------
    Arrivals

    Raises
    ------
    ValueError
        A shape or a value is outside its domain, or the process explodes.

    Notes
    -----
    Source: Ogata (1981), thinning; Bacry, Mastromatteo, Muzy (2015) for order flow. The mean rates
    are ``base_rate @ inv(I - branching)``. Causal: event i depends on events before it only.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> one = np.ones(1)
    >>> len(hawkes_arrivals(one, 0.5 * np.ones((1, 1)), one, one, 1000.0, rng)) > 1500
    True
    """
    base_rate, branching, decay, weight = (
        np.ascontiguousarray(values, np.float64) for values in (base_rate, branching, decay, weight)
    )
    _require_process(base_rate, branching, decay, weight)
    horizon_s = require_amount("horizon_s", horizon_s, is_zero_allowed=False)
    scales = np.vstack([decay, weight])
    state = np.zeros(1 + len(base_rate) * len(decay))
    parts: list[tuple[Float64, Int64, Float64]] = []
    while state[0] < horizon_s:
        draws = np.column_stack([rng.standard_exponential(_BLOCK), rng.random(_BLOCK)])
        out = (np.empty(_BLOCK), np.empty(_BLOCK, np.int64), np.empty((_BLOCK, len(base_rate))))
        n = _thin_nb(base_rate, branching, scales, draws, horizon_s, state, out)
        parts.append((out[0][:n].copy(), out[1][:n].copy(), out[2][:n].copy()))
    times, component, intensity = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Arrivals(time_s=times, component=component, intensity=intensity)


def _require_process(
    base_rate: Float64, branching: Float64, decay: Float64, weight: Float64
) -> None:
    n = len(base_rate) if base_rate.ndim == 1 else 0
    if not n or branching.shape != (n, n):
        raise ValueError(
            f"branching must be a square over base_rate, got {branching.shape}, {base_rate.shape}"
        )
    if decay.ndim != 1 or not len(decay) or decay.shape != weight.shape:
        raise ValueError(f"decay and weight must be one length, got {decay.shape}, {weight.shape}")
    named = {"base_rate": base_rate, "branching": branching, "weight": weight}
    for name, values in named.items():
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise ValueError(f"{name} must be finite and not negative, got {values}")
    if not (np.isfinite(decay).all() and (decay > 0).all()):
        raise ValueError(f"decay must be finite and positive, got {decay}")
    if not base_rate.any():
        raise ValueError("base_rate must hold a rate above zero, got none")
    if abs(weight.sum() - 1.0) > 1e-9:
        raise ValueError(f"weight must sum to 1, got {weight.sum()}")
    radius = float(np.abs(np.linalg.eigvals(branching)).max())
    if radius >= 1.0:
        raise ValueError(f"branching must have a spectral radius below 1, got {radius:.3f}")
