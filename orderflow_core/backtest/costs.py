"""What a fill costs beyond its price."""

import math
from dataclasses import dataclass

import numpy as np

from orderflow_core.types import Float64, Int64


def require_amount(name: str, value: float, *, is_zero_allowed: bool) -> float:
    """Return ``value`` as a finite float that is not negative, nor zero unless allowed."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value) or value < 0 or (value == 0 and not is_zero_allowed):
        rule = "zero or positive" if is_zero_allowed else "positive"
        raise ValueError(f"{name} must be finite and {rule}, got {value}")
    return float(value)


def require_count(name: str, value: int, *, least: int = 0) -> int:
    """Return ``value`` as an int of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Fees and slippage of a marketable order.

    Attributes
    ----------
    taker_fee : float
        Fraction of the notional, 0.0004 = 4 bp.
    fee_per_contract : float
        Quote currency for each contract traded.
    slippage_ticks : int
        Added to each buy's price and taken from each sell's, in the unit of ``price_ticks`` (the
        storage grid): for slippage in quote ticks multiply by ``Instrument.tick_steps``.
    """

    taker_fee: float
    fee_per_contract: float
    slippage_ticks: int

    def __post_init__(self) -> None:
        require_amount("taker_fee", self.taker_fee, is_zero_allowed=True)
        require_amount("fee_per_contract", self.fee_per_contract, is_zero_allowed=True)
        require_count("slippage_ticks", self.slippage_ticks)


def fill_fees(
    price_ticks: Int64,
    lots: Int64,
    costs: Costs,
    *,
    tick_value: float,
    contracts_per_lot: float,
) -> Float64:
    """Return the fee of each fill.

    Parameters
    ----------
    price_ticks, lots : ndarray of int64, shape (n_fills,)
        Lots without sign. A negative price (a spread, a future below zero) pays on its size.
    costs : Costs
    tick_value : float, quote currency for one tick on one lot
        ``price_step * lot_step * contract_value``.
    contracts_per_lot : float
        ``lot_step``.

    Returns
    -------
    ndarray of float64, shape (n_fills,), quote currency, >= 0
    """
    notional = np.abs(price_ticks).astype(np.float64) * lots * tick_value
    return costs.taker_fee * notional + costs.fee_per_contract * contracts_per_lot * lots
