"""What each column of the feature matrix is: the registry that code, tables and docs share."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

FeatureClass: TypeAlias = Literal["session", "trailing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One column of the feature matrix.

    Attributes
    ----------
    name : str
        Column name in tables and models.
    definition : str
        What it is, with every case that makes it NaN beyond the warm-up of its window.
    unit : str
    window : str
        What of the past it looks at: ``"60s"``, ``"session"`` or ``"sweep"``.
    source : str
    klass : {"session", "trailing"}
        Session-local features start empty at a session start and after a gap; trailing ones read
        named earlier days.
    """

    name: str
    definition: str
    unit: str
    window: str
    source: str
    klass: FeatureClass = "session"


_FLOW = "rolling 60 s order-flow features (docs/glossary.md)"
_TICK = "Lee and Ready (1991), tick test"
_SWEEP = "sweep = fills of one marketable order (docs/glossary.md)"
_TOUCH = "best quotes strictly before the deciding trade"
_BOUCHAUD = "Bouchaud et al. (2004), persistence of trade signs"
_MICRO = "microprice (aB + bA) / (A + B): Gatheral and Oomen (2010)"


def _flow(name: str, definition: str, unit: str) -> Feature:
    return Feature(name=name, definition=definition, unit=unit, window="60s", source=_FLOW)


def _return(seconds: int) -> Feature:
    return Feature(
        name=f"return_{seconds}s_ticks",
        definition=f"last price less the price of the last trade with ts <= t - {seconds} s; "
        "NaN without such a trade since the session start or gap",
        unit="ticks",
        window=f"{seconds}s",
        source="past return over a fixed horizon",
    )


def _sweep(name: str, definition: str, unit: str, source: str = _SWEEP) -> Feature:
    return Feature(name=name, definition=definition, unit=unit, window="sweep", source=source)


FEATURES: tuple[Feature, ...] = (
    _flow("buy_lots_60s", "lots bought by aggressors", "lots"),
    _flow("sell_lots_60s", "lots sold by aggressors", "lots"),
    _flow("n_buy_60s", "trades of buying aggressors", "trades"),
    _flow("n_sell_60s", "trades of selling aggressors", "trades"),
    _flow("imbalance_60s", "(buy - sell) / (buy + sell) lots; NaN if both are 0", "ratio"),
    _flow("avg_buy_lots_60s", "lots per buy trade; NaN without one", "lots"),
    _flow("avg_sell_lots_60s", "lots per sell trade; NaN without one", "lots"),
    _flow(
        "large_buy_ratio_60s",
        "lots of buy trades above the window's 95th percentile of size (nearest rank over all its "
        "trades), over the lots of all its trades, unsigned ones included",
        "ratio",
    ),
    _flow(
        "large_sell_ratio_60s",
        "lots of sell trades above the window's 95th percentile of size (nearest rank over all its "
        "trades), over the lots of all its trades, unsigned ones included",
        "ratio",
    ),
    Feature(
        name="cvd_lots",
        definition="buy less sell lots since the session start or gap",
        unit="lots",
        window="session",
        source="cumulative volume delta (docs/glossary.md)",
    ),
    Feature(
        name="vwap_dev_sd",
        definition="(price - vwap) / sd since the session start or gap; NaN if sd is 0",
        unit="standard deviations",
        window="session",
        source="volume-weighted average price (docs/glossary.md)",
    ),
    _return(1),
    _return(10),
    _return(60),
    Feature(
        name="volatility_60s_ticks",
        definition="square root of the summed squared changes of last price from sweep to sweep",
        unit="ticks",
        window="60s",
        source="realised volatility: Andersen et al. (2001)",
    ),
    Feature(
        name="last_tick_sign",
        definition="sign of the last price change that is not 0, trade to trade; NaN before one",
        unit="sign",
        window="session",
        source=_TICK,
    ),
    _sweep("sweep_sign", "sign of the deciding sweep's first fill; 0 if not known", "sign"),
    _sweep("sweep_lots", "lots of the deciding sweep", "lots"),
    _sweep("sweep_n_fills", "fills of the deciding sweep", "trades"),
    _sweep("sweep_sign_lag1", "sweep_sign one sweep earlier; NaN without one", "sign", _BOUCHAUD),
    _sweep("sweep_sign_lag2", "sweep_sign two sweeps earlier; NaN without one", "sign", _BOUCHAUD),
    Feature(
        name="sweeps_10s",
        definition="sweeps in the last 10 s, the deciding one included",
        unit="sweeps",
        window="10s",
        source="arrival rate of marketable orders",
    ),
    _sweep("spread_ticks", "ask - bid; NaN without a quote or crossed", "ticks", _TOUCH),
    _sweep(
        "queue_imbalance",
        "(bid size - ask size) / (bid size + ask size); NaN without a quote, crossed or both 0",
        "ratio",
        _TOUCH,
    ),
    _sweep(
        "microprice_dev_ticks",
        "microprice - mid; NaN without a quote, crossed or both sizes 0",
        "ticks",
        _MICRO,
    ),
    _sweep("mid_dev_ticks", "price - mid; NaN without a quote or crossed", "ticks", _TOUCH),
)
