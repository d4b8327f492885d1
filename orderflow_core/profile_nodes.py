"""High and low volume nodes: where a smoothed profile stands out, by prominence."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.profile_nodes import _peaks_nb, _prominence_nb, _smooth_nb
from orderflow_core.types import Float64, Int8, Int64
from orderflow_core.validate import require_int64, require_not_negative, require_same_length
from orderflow_core.value_area import rows_from_lowest

MAX_ROWS = 2**22
MAX_BANDWIDTH_ROWS = 10_000
_REACH = 4  # standard deviations at which the kernel ends


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileNodes:
    """Nodes in rising order of price; arrays of shape (n_nodes,).

    Attributes
    ----------
    price_tick : ndarray of int64
        Lowest tick of the node's row, which need not have traded.
    kind : ndarray of int8
        +1 high volume node, -1 low volume node.
    smoothed_lots, prominence_lots : ndarray of float64
        The smoothed profile there, and how far it stands out.
    """

    price_tick: Int64
    kind: Int8
    smoothed_lots: Float64
    prominence_lots: Float64

    def __len__(self) -> int:
        return len(self.price_tick)


def profile_nodes(
    price_tick: ArrayLike,
    volume_lots: ArrayLike,
    *,
    ticks_per_row: int,
    bandwidth_rows: float,
    min_prominence: float,
) -> ProfileNodes:
    """Return the high and low volume nodes of a profile.

    Parameters
    ----------
    price_tick : ndarray of int64, shape (n_rows,), unit ticks
        Lowest ticks of the rows, strictly increasing by multiples of `ticks_per_row`. Rows left out
        hold 0 lots; the ladder may have at most 2**22 rows.
    volume_lots : ndarray of int64, shape (n_rows,), unit lots, >= 0
    ticks_per_row : int, > 0
    bandwidth_rows : float, in (0, 10000]
        Standard deviation of the Gaussian kernel in rows; it ends at 4 of them. Without a default:
        it decides how many nodes there are.
    min_prominence : float, in (0, 1]
        Least prominence as a share of the smoothed profile's maximum.

    Returns
    -------
    ProfileNodes
        None without volume.

    Raises
    ------
    TypeError, ValueError
        The rows or the settings break the rules above.

    Notes
    -----
    Untraded rows count as 0 and the profile goes on with 0 past its ends, so that a raw
    comparison of neighbouring rows, which calls every gap a node, is never made. Prominence of a
    high node: its height less the higher of the two lowest points on the ways, up and down, to
    anything higher; of a low node the same upside down. Flat tops count once, in their middle,
    rounded down. Causal as the profile is. Source: Steidlmayer (nodes); topographic prominence as
    in scipy.signal.peak_prominences.

    Examples
    --------
    >>> nodes = profile_nodes([10, 20], [5, 4], ticks_per_row=1, bandwidth_rows=1.0,
    ...     min_prominence=0.1)
    >>> nodes.price_tick, nodes.kind
    (array([10, 15, 20]), array([ 1, -1,  1], dtype=int8))
    """
    price, row = rows_from_lowest("price_tick", price_tick, ticks_per_row)
    volume = require_int64("volume_lots", volume_lots)
    require_same_length(price_tick=price, volume_lots=volume)
    require_not_negative("volume_lots", volume)
    _require_between("bandwidth_rows", bandwidth_rows, MAX_BANDWIDTH_ROWS)
    _require_between("min_prominence", min_prominence, 1)
    if len(row) and row[-1] >= MAX_ROWS:
        raise ValueError(f"price_tick must span fewer than {MAX_ROWS} rows, got {row[-1]}")
    reach, smoothed = _smoothed(row, volume, bandwidth_rows)
    least = min_prominence * float(smoothed.max())
    highs, high_prominence = _standing_out(smoothed, least)
    lows, low_prominence = _standing_out(-smoothed, least)
    at = np.concatenate([highs, lows])
    order = np.argsort(at)
    kind = np.repeat(np.array([1, -1], np.int8), [len(highs), len(lows)])
    return ProfileNodes(
        price_tick=(at[order] - reach) * ticks_per_row + (price[0] if len(price) else 0),
        kind=kind[order],
        smoothed_lots=smoothed[at[order]],
        prominence_lots=np.concatenate([high_prominence, low_prominence])[order],
    )


def _smoothed(row: Int64, volume: Int64, bandwidth: float) -> tuple[int, Float64]:
    # How far the smoothed ladder reaches past both ends, one row of rest among it, and the ladder.
    reach = math.ceil(_REACH * bandwidth) + 1
    offset = np.arange(-reach, reach + 1) / bandwidth
    weights = np.where(np.abs(offset) <= _REACH, np.exp(-0.5 * offset**2), 0.0)
    dense = np.zeros(int(row[-1]) + 1 if len(row) else 1)
    dense[row] = volume
    smoothed = np.empty(len(dense) + 2 * reach)
    _smooth_nb(dense, weights / weights.sum(), smoothed)
    return reach, smoothed


def _standing_out(values: Float64, least: float) -> tuple[Int64, Float64]:
    # Without any volume all is flat, and nothing stands out.
    peaks = _peaks_nb(values)
    prominence = _prominence_nb(values, peaks)
    is_kept = prominence >= least
    return peaks[is_kept], prominence[is_kept]


def _require_between(name: str, value: float, most: float) -> None:
    if not 0 < value <= most:  # NaN too
        raise ValueError(f"{name} must be in (0, {most}], got {value}")
