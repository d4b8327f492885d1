"""What a fill costs beyond its price."""

from dataclasses import dataclass

import numpy as np

from orderflow_core.types import Float64, Int64
from orderflow_core.validate import require_amount, require_count


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
