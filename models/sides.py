"""Features turned to a side: which change their sign in a mirrored market, and which change places.

A buyer and a seller in mirrored markets, or a level below price and one above, must look the same to
a model, or it learns each side from half of the rows. Rows of orders are turned to the order's side,
rows of touches to the side that price came from.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from orderflow_core.types import Float64

# Columns of research.features that change their sign in a mirrored market.
SIGNED = frozenset(
    {
        "imbalance_60s", "cvd_lots", "vwap_dev_sd", "return_1s_ticks", "return_10s_ticks",
        "return_60s_ticks", "last_tick_sign", "sweep_sign", "sweep_sign_lag1",
        "sweep_sign_lag2", "queue_imbalance", "microprice_dev_ticks", "mid_dev_ticks",
        "cvd_trades", "cvd_large_lots", "cvd_small_lots", "cluster_sign", "ofi_10s_lots",
        "ofi_60s_lots", "vwap_trend", "vwap_reversal", "cvd_price_divergence_60s",
        "bar_delta_lots", "bar_delta_share", "exhaustion", "delta_turnaround", "poc_dev_ticks",
        "level_dev_ticks", "level_sign", "absorption_sign", "divergence_sign",
    }
)  # fmt: skip
# Pairs of which each is the other one's mirror image: the buyers' and the sellers'.
PAIRS = (
    ("buy_lots_60s", "sell_lots_60s"),
    ("n_buy_60s", "n_sell_60s"),
    ("avg_buy_lots_60s", "avg_sell_lots_60s"),
    ("large_buy_ratio_60s", "large_sell_ratio_60s"),
    ("big_buy_lots_60s", "big_sell_lots_60s"),
    ("n_buy_imbalances", "n_sell_imbalances"),
    ("stacked_buy", "stacked_sell"),
    ("unfinished_low", "unfinished_high"),
)
# The same of distances, which change their sign as well.
SIGNED_PAIRS = (
    ("buy_zone_dev_ticks", "sell_zone_dev_ticks"),
    ("val_dev_ticks", "vah_dev_ticks"),
    ("ib_low_dev_ticks", "ib_high_dev_ticks"),
)


def turned(columns: Mapping[str, Float64], sign: Float64, named: str) -> dict[str, Float64]:
    """Return the columns as a row's own side sees them.

    Parameters
    ----------
    columns : mapping of feature name to ndarray of float64, shape (n,)
    sign : ndarray of float64, shape (n,), in {-1, +1}
        Side of each row.
    named : str
        Format of the names of turned columns, with ``{}`` for the feature's.

    Returns
    -------
    dict of str to ndarray of float64, shape (n,)
        `SIGNED` ones times the sign; of `PAIRS` and `SIGNED_PAIRS` that are there whole, behind all
        others, the row's own side ("same" in place of "buy", "low", "val") and the other one
        ("other"). All others are as they were.
    """
    found = {
        named.format(name) if name in SIGNED else name: values * sign if name in SIGNED else values
        for name, values in columns.items()
    }
    for pairs, factor in ((PAIRS, np.ones(len(sign))), (SIGNED_PAIRS, sign)):
        for low, high in pairs:
            if low in found and high in found:
                buyers, sellers = found.pop(low), found.pop(high)
                same, other = _paired(low, "same"), _paired(high, "other")
                found[named.format(same)] = factor * np.where(sign > 0, buyers, sellers)
                found[named.format(other)] = factor * np.where(sign > 0, sellers, buyers)
    return found


def turned_names(names: Sequence[str], named: str) -> tuple[str, ...]:
    """Return the names of the columns that `turned` makes of columns of these names."""
    nothing = np.empty(0)
    return tuple(turned(dict.fromkeys(names, nothing), nothing, named))


def _paired(name: str, side: str) -> str:
    for part in ("buy", "sell", "low", "high", "val", "vah"):
        if part in name.split("_"):
            return name.replace(part, side)
    raise ValueError(f"name must hold a side, got {name!r}")
