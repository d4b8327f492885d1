"""The columns beyond the core ones: of trades and sweeps, and of closed base bars.

Figures by trade are those at the last known trade. Figures of base bars are those of the last one
closed at the decision, since the session start or gap; NaN before the first. A level is given as
the price of the last known trade less the level.
"""

from orderflow_core.feature_registry import FEATURES, Feature

_OWN = "own definition (docs/glossary.md)"
_CVD = "cumulative volume delta (docs/glossary.md)"
_TAPE = "ATAS, Speed of Tape"
_VWAP = "VWAP deviation signal (docs/glossary.md)"
_OFI = "Cont, Kukanov and Stoikov (2014)"
_SPREAD = "Huang and Stoll (1996)"
_DIAGONAL = "diagonal imbalance (docs/glossary.md); the rule is a setting"
_AUCTION = "unfinished auction: ATAS"
_AREA = "Steidlmayer, Market Profile; two-row value area of 70 %, developing"
_BALANCE = "Steidlmayer, Market Profile: the first hour"
_LEVEL = "significant levels (docs/glossary.md)"
_ABSORBED = "absorption of bars (docs/glossary.md)"
_VPIN = "Easley, Lopez de Prado and O'Hara (2012)"

_ROWS = (
    ("cvd_trades", "buys less sells, counted in trades", "trades", "session", _CVD),
    (
        "tape_pace_15s",
        "lots of the last 15 s, scaled to 15 s while fewer have passed; NaN while all trades share "
        "one time",
        "lots", "15s", _TAPE,
    ),
    ("tape_is_fast", "1 where the pace is above 1.5 times its average, else 0", "flag", "session",
     _TAPE),
    ("effective_half_spread_60s_ticks", "mean sign (price - mid); NaN without a quote", "ticks",
     "60s", _SPREAD),
    (
        "realised_half_spread_60s_ticks",
        "mean sign (price - mid one horizon later) of trades whose outcome became known; NaN "
        "without one",
        "ticks", "60s", _SPREAD,
    ),
    ("kyle_lambda_60s", "slope of the mid's changes on signed lots; NaN without a quote",
     "ticks per lot", "60s", "Kyle (1985), estimated as by Hasbrouck (2009)"),
    ("roll_spread_60s_ticks", "2 sqrt(max(0, -covariance of neighbouring price changes))", "ticks",
     "60s", "Roll (1984)"),
    ("amihud_60s", "magnitude of the return over the notional in ticks times lots",
     "1 / (tick lot)", "60s", "Amihud (2002)"),
    ("cvd_large_lots", "buy less sell lots of large sweeps that are over", "lots", "session", _CVD),
    ("cvd_small_lots", "buy less sell lots of the other sweeps that are over", "lots", "session",
     _CVD),
    ("cluster_sign", "side of the run of large sweeps; 0 for none", "sign", "session", _OWN),
    ("big_buy_lots_60s", "lots of large buy sweeps", "lots", "60s", _OWN),
    ("big_sell_lots_60s", "lots of large sell sweeps", "lots", "60s", _OWN),
    ("ofi_10s_lots", "order-flow imbalance; NaN without a quote at both ends", "lots", "10s", _OFI),
    ("ofi_60s_lots", "order-flow imbalance; NaN without a quote at both ends", "lots", "60s", _OFI),
    ("vwap_trend", "side of the VWAP that the 60 s imbalance confirms, else 0", "sign", "60s",
     _VWAP),
    ("vwap_reversal", "sign of a 60 s imbalance against the price's side of the VWAP, else 0",
     "sign", "60s", _VWAP),
    ("cvd_price_divergence_60s", "sign of the delta where the price went the other way, else 0",
     "sign", "60s", _OWN),
    ("bar_delta_lots", "buy less sell lots", "lots", "bar", _CVD),
    ("bar_delta_share", "buy less sell over all lots", "ratio", "bar", _CVD),
    ("n_buy_imbalances", "rows where buyers outweigh", "rows", "bar", _DIAGONAL),
    ("n_sell_imbalances", "rows where sellers outweigh", "rows", "bar", _DIAGONAL),
    ("stacked_buy", "longest run of buy imbalances", "rows", "bar", _DIAGONAL),
    ("stacked_sell", "longest run of sell imbalances", "rows", "bar", _DIAGONAL),
    ("buy_zone_dev_ticks", "from the nearest open buy zone; NaN without one", "ticks", "session",
     _DIAGONAL),
    ("sell_zone_dev_ticks", "from the nearest open sell zone; NaN without one", "ticks", "session",
     _DIAGONAL),
    ("unfinished_high", "1 where the high is an unfinished auction, else 0", "flag", "bar",
     _AUCTION),
    ("unfinished_low", "1 where the low is an unfinished auction, else 0", "flag", "bar", _AUCTION),
    ("exhaustion", "1 where volume dries up towards the low, -1 towards the high, else 0", "sign",
     "bar", "exhaustion: ATAS"),
    ("delta_turnaround", "sign of a delta that turns against a run of two bars, else 0", "sign",
     "3 bars", "delta turnaround: ATAS"),
    ("poc_dev_ticks", "from the point of control", "ticks", "session", _AREA),
    ("vah_dev_ticks", "from the value area's high", "ticks", "session", _AREA),
    ("val_dev_ticks", "from the value area's low", "ticks", "session", _AREA),
    ("ib_high_dev_ticks", "from the high of the first hour so far", "ticks", "session", _BALANCE),
    ("ib_low_dev_ticks", "from the low of the first hour so far", "ticks", "session", _BALANCE),
    ("level_dev_ticks", "from the significant row nearest to the bar's close; NaN without one",
     "ticks", "session", _LEVEL),
    ("level_sign", "side of that row; 0 without one", "sign", "session", _LEVEL),
    ("absorption_z", "volume given the bar's displacement, standardised; NaN before enough bars",
     "standard deviations", "session", _ABSORBED),
    ("absorption_sign", "side that absorbed; 0 for none", "sign", "session", _ABSORBED),
    ("divergence_sign", "1 bullish, -1 bearish divergence of pivots confirmed at this bar, else 0",
     "sign", "session", _OWN),
    ("vpin", "mean imbalance of volume buckets by true sides; NaN before enough buckets", "ratio",
     "session", _VPIN),
    ("vpin_bulk", "mean imbalance of volume buckets by bulk volume; NaN before enough buckets",
     "ratio", "session", _VPIN),
)  # fmt: skip

FURTHER_FEATURES: tuple[Feature, ...] = tuple(
    Feature(name=name, definition=definition, unit=unit, window=window, source=source)
    for name, definition, unit, window, source in _ROWS
)
ALL_FEATURES = FEATURES + FURTHER_FEATURES
