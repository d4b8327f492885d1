"""Pictures of trades in time: delta and CVD, VWAP, large trades, the tape, absorption, divergence."""

from typing import TYPE_CHECKING

import numpy as np

from orchestration.charts import theme
from orchestration.charts.glossary.axes import (
    candles,
    clock,
    panels,
    plain,
    seconds,
    side_colours,
)
from orchestration.charts.glossary.market import Picture
from orchestration.charts.png import new_figure
from orderflow_core.absorption import BarAbsorptionRule, bar_absorption
from orderflow_core.bar_clocks import BarClock, bar_index
from orderflow_core.cvd_variants import cvd_by_bucket, size_bucket
from orderflow_core.divergence import pivot_divergence
from orderflow_core.lag_sweep import lag_sweep
from orderflow_core.large_trades import large_trades
from orderflow_core.sweeps import sweep_table
from orderflow_core.tape import tape_speed
from orderflow_core.vwap import vwap_bands, vwap_deviation_signal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MS_NS = 1_000_000
_BAR_S = {"ES": 60, "BTCUSD.BITSTAMP": 10}


def cvd_candles(picture: Picture) -> "Figure":
    """Delta bars and CVD candles of an hour."""
    bars, flow = _stretch(picture)
    x, width = seconds(picture.bars.t0_ns[bars], int(picture.bars.t0_ns[bars][0])), _width(picture)
    figure, (delta, cvd) = panels(1.3, 2.4, title="Delta of each bar, and the candle of the CVD")
    delta.bar(x, flow.bars.delta_lots[bars], width, color=side_colours(flow.bars.delta_lots[bars]))
    ohlc = tuple(getattr(flow, f"cvd_{k}_lots")[bars] for k in ("open", "high", "low", "close"))
    candles(cvd, x, ohlc, width)
    _clock(cvd, picture, bars)
    return figure


def bar_clocks(picture: Picture) -> "Figure":
    """The bars of one stretch by each clock, about equally many of each."""
    first, last = _busy(picture)
    ts = picture.trades.ts_event_ns
    part = picture.trades.slice(*(int(i) for i in np.searchsorted(ts, (first, last))))
    n = 12
    lots = int(part.qty_lots.sum())
    sizes = {
        "time": (last - first) // n,
        "count": len(part) // n,
        "volume": lots // n,
        "notional": int((np.abs(part.price_ticks) * part.qty_lots).sum()) // n,
        "delta": 1_500,
        "range": 6,
    }
    figure, (price, axes) = panels(
        1.6, 1.9, title="One hour cut by each clock: shades change with the bar"
    )
    shown = slice(None, None, 20)
    price.plot(
        seconds(part.ts_event_ns[shown], first), picture.price(part.price_ticks[shown]),
        color=theme.INK, lw=0.8,
    )  # fmt: skip
    for y, (kind, size) in enumerate(sizes.items()):
        index = bar_index(BarClock(kind=kind, size=size), part)
        x, ends = seconds(index.t0_ns, first), seconds(index.t1_ns, first)
        colours = [theme.blend(theme.STRATEGY, (0.75, 0.3)[k % 2]) for k in range(len(index))]
        axes.barh(np.full(len(index), y), ends - x, 0.7, x, color=colours)
    axes.set_yticks(range(len(sizes)), [f"{kind}" for kind in sizes], fontsize=8)
    axes.invert_yaxis()
    clock(axes, picture, first, last)
    return figure


def cvd_by_size(picture: Picture) -> "Figure":
    """CVD of small, middle and large sweeps through the day."""
    sweeps = sweep_table(picture.sweep, picture.trades)
    edges = np.quantile(sweeps.qty_lots, [0.8, 0.99]).astype(np.int64)
    bucket = size_bucket(sweeps.qty_lots, edges)
    running = cvd_by_bucket(sweeps.sign, sweeps.qty_lots, bucket, 3, [0])
    figure, (axes,) = panels(2.8, title="CVD by the size of the sweep")
    first = int(sweeps.ts_ns[0])
    labels = (f"below {edges[0]} lots", f"to {edges[1]} lots", "larger")
    shown = np.linspace(0, len(sweeps) - 1, 1500).astype(int)
    for part, label, colour in zip(
        running, labels,
        (theme.UNSIGNED, theme.VWAP, theme.INK), strict=True,
    ):  # fmt: skip
        axes.plot(seconds(sweeps.ts_ns[shown], first), part[shown], color=colour, label=label, lw=1)
    axes.legend(fontsize=8, frameon=False)
    clock(axes, picture, first, int(sweeps.ts_ns[-1]))
    return figure


def vwap(picture: Picture) -> "Figure":
    """VWAP with bands; the bars in which flow confirms or contradicts the deviation."""
    bars, flow = _stretch(picture, n_bars=120)
    first = int(picture.bars.t0_ns[bars][0])
    x, close = seconds(picture.bars.t0_ns[bars], first), flow.bars.close_ticks
    figure, (axes,) = panels(3.4, title="VWAP, one and two deviations, and the deviation signal")
    for multiple, strength in ((2.0, 0.1), (1.0, 0.22)):
        low, high = vwap_bands(flow.vwap_ticks, flow.vwap_sd_ticks, multiple)
        band = (_price(picture, low[bars]), _price(picture, high[bars]))
        axes.fill_between(x, *band, color=theme.blend(theme.VWAP, strength), zorder=0)
    axes.plot(x, picture.price(close[bars]), color=theme.INK, lw=0.8)
    axes.plot(x, _price(picture, flow.vwap_ticks[bars]), color=theme.VWAP, lw=1.4)
    share = flow.bars.delta_lots / np.maximum(flow.bars.volume_lots, 1)
    signals = vwap_deviation_signal(close - flow.vwap_ticks, share, min_imbalance=0.5)
    for signal, marker, name in zip(
        signals, ("^", "X"), ("trend confirmed", "possible reversal"), strict=True
    ):
        at = np.flatnonzero(signal[bars])
        axes.scatter(
            x[at], picture.price(close[bars][at]), s=26, marker=marker,
            c=side_colours(signal[bars][at]), label=name, zorder=3,
        )  # fmt: skip
    axes.legend(fontsize=8, frameon=False)
    _clock(axes, picture, bars)
    return figure


def big_trades(picture: Picture) -> "Figure":
    """Sweeps at or above the 99th percentile of the thousand before them."""
    sweeps = sweep_table(picture.sweep, picture.trades)
    found = large_trades(sweeps.qty_lots, share_num=99)
    first, last = _busy(picture)
    inside = (sweeps.ts_ns >= first) & (sweeps.ts_ns < last)
    big = inside & found.is_large
    figure, (axes,) = panels(3.0, title="Big trades: area by lots, colour by aggressor")
    axes.plot(
        seconds(sweeps.ts_ns[inside], first), picture.price(sweeps.last_ticks[inside]),
        color=theme.LINE, lw=0.7,
    )  # fmt: skip
    lots = sweeps.qty_lots[big]
    axes.scatter(
        seconds(sweeps.ts_ns[big], first), picture.price(sweeps.last_ticks[big]),
        s=160 * lots / max(lots.max(initial=1), 1), c=side_colours(sweeps.sign[big]), zorder=3,
    )  # fmt: skip
    clock(axes, picture, first, last)
    return figure


def tape(picture: Picture) -> "Figure":
    """Lots of the last fifteen seconds, and one and a half times their average."""
    trades = picture.trades
    found = tape_speed(trades.ts_event_ns, trades.qty_lots, n_average=2_000)
    first, last = _busy(picture)
    inside = np.flatnonzero((trades.ts_event_ns >= first) & (trades.ts_event_ns < last))[::5]
    figure, (axes,) = panels(2.4, title="Speed of the tape: lots in 15 s, and the threshold")
    x = seconds(trades.ts_event_ns[inside], first)
    axes.plot(x, found.pace[inside], color=theme.INK, lw=0.8)
    axes.plot(x, found.threshold[inside], color=theme.NOTE, lw=1.2)
    axes.fill_between(
        x, 0, found.pace[inside], where=found.is_fast[inside], color=theme.blend(theme.NOTE, 0.3)
    )
    clock(axes, picture, first, last)
    return figure


def absorption(picture: Picture) -> "Figure":
    """Bars of much volume that stood still, on the price."""
    bars = picture.flow.bars
    rule = BarAbsorptionRule(n_windows=120, ticks_per_step=picture.row_ticks)
    found = bar_absorption(
        bars.open_ticks, bars.close_ticks, bars.volume_lots, bars.delta_lots, [0], rule=rule
    )
    return _marked(
        picture, found.is_absorbed, found.sign, "Absorption: bars of much volume that stood still"
    )


def divergence(picture: Picture) -> "Figure":
    """Confirmed divergences of price and CVD, where they became known."""
    flow = picture.flow
    found = pivot_divergence(
        flow.bars.high_ticks, flow.bars.low_ticks, flow.cvd_close_lots, [0], width=5
    )
    is_known = found.is_bearish | found.is_bullish
    return _marked(
        picture, is_known, found.sign, "Divergence, where it was known: five bars after the pivot"
    )


def quote_lag(picture: Picture) -> "Figure":
    """Accuracy of Lee-Ready by the age that a quote must have."""
    lags = np.array([0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]) * _MS_NS
    trades = picture.trades
    found = lag_sweep(
        trades.ts_event_ns, trades.price_ticks, picture.quotes, trades.sign, lags.tolist(),
        cluster=picture.sweep,
    )  # fmt: skip
    figure = new_figure(6.0, 2.6)
    axes = figure.add_subplot()
    plain(axes)
    x = np.arange(len(lags))
    axes.fill_between(x, found.low, found.high, color=theme.blend(theme.BUY, 0.15))
    axes.plot(x, found.accuracy, color=theme.BUY, marker="o", ms=3)
    axes.set_xticks(x, [f"{lag // _MS_NS} ms" for lag in lags], fontsize=7)
    axes.set_title("Lee-Ready against the true side, by the quotes' lag", fontsize=9, loc="left")
    return figure


def _marked(picture: Picture, is_marked: np.ndarray, sign: np.ndarray, title: str) -> "Figure":
    bars, flow = _stretch(picture, n_bars=240)
    first, width = int(picture.bars.t0_ns[bars][0]), _width(picture)
    x = seconds(picture.bars.t0_ns[bars], first)
    figure, (price, volume, cvd) = panels(2.4, 0.8, 1.0, title=title)
    ohlc = [getattr(flow.bars, f"{k}_ticks")[bars] for k in ("open", "high", "low", "close")]
    candles(price, x, tuple(picture.price(values) for values in ohlc), width)
    at = np.flatnonzero(is_marked[bars])
    for axes, values in ((price, picture.price(ohlc[3])), (cvd, flow.cvd_close_lots[bars])):
        axes.scatter(
            x[at], np.asarray(values)[at], s=40, marker="D", c=side_colours(sign[bars][at]),
            edgecolors=theme.INK, zorder=4,
        )  # fmt: skip
    volume.bar(x, flow.bars.volume_lots[bars], width, color=theme.UNSIGNED)
    cvd.plot(x, flow.cvd_close_lots[bars], color=theme.STRATEGY, lw=1)
    for axes, name in ((price, "price"), (volume, "lots"), (cvd, "CVD")):
        axes.set_ylabel(name, fontsize=8)
    _clock(cvd, picture, bars)
    return figure


def _stretch(picture: Picture, n_bars: int = 60):
    # The bars about the busiest one.
    busiest = int(np.argmax(picture.flow.bars.volume_lots))
    first = max(0, min(busiest - n_bars // 2, len(picture.bars) - n_bars))
    return slice(first, first + n_bars), picture.flow


def _busy(picture: Picture) -> tuple[int, int]:
    bars, _ = _stretch(picture)
    return int(picture.bars.t0_ns[bars][0]), int(picture.bars.t1_ns[bars][-1])


def _clock(axes, picture: Picture, bars: slice) -> None:
    clock(axes, picture, int(picture.bars.t0_ns[bars][0]), int(picture.bars.t1_ns[bars][-1]))


def _width(picture: Picture) -> float:
    return 0.7 * _BAR_S[picture.instrument.symbol]


def _price(picture: Picture, ticks: np.ndarray) -> np.ndarray:
    return np.asarray(ticks) * float(picture.instrument.price_step)


PICTURES = {
    "bar_clocks": ("ES", bar_clocks),
    "cvd": ("ES", cvd_candles),
    "cvd_by_size": ("ES", cvd_by_size),
    "vwap": ("ES", vwap),
    "big_trades": ("ES", big_trades),
    "tape": ("ES", tape),
    "absorption": ("ES", absorption),
    "divergence": ("ES", divergence),
    "quote_lag": ("BTCUSD.BITSTAMP", quote_lag),
}
