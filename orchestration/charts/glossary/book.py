"""Pictures of quotes and trades together: order-flow imbalance, microprice, spreads, VPIN."""

from typing import TYPE_CHECKING

import numpy as np

from orchestration.charts import theme
from orchestration.charts.glossary.axes import clock, panels, plain, seconds
from orchestration.charts.glossary.market import Picture
from orchestration.charts.png import new_figure
from orderflow_core.alignment import quote_at_trade
from orderflow_core.bar_vpin import bar_vpin
from orderflow_core.book import microprice as microprice_of
from orderflow_core.bulk_volume import bulk_volume
from orderflow_core.ofi import ofi_events
from orderflow_core.rolling_spreads import rolling_spreads

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NS_PER_S = 1_000_000_000
_BIN_NS = 10 * _NS_PER_S


def ofi(picture: Picture) -> "Figure":
    """The mid's change in ten seconds against the order-flow imbalance of the same, and of the last."""
    quotes = picture.quotes
    e = ofi_events(quotes, [0]).astype(np.float64)
    mid = (quotes.bid_ticks + quotes.ask_ticks) / 2 * float(picture.instrument.price_step)
    edges = np.arange(quotes.ts_event_ns[0], quotes.ts_event_ns[-1], _BIN_NS)
    at = np.searchsorted(quotes.ts_event_ns, edges)
    flow = np.diff(np.concatenate([[0.0], np.cumsum(e)])[at]) * float(picture.instrument.lot_step)
    change = np.diff(mid[np.maximum(at - 1, 0)])
    figure = new_figure(7.0, 2.8)
    for axes, x, y, name in zip(
        figure.subplots(1, 2, sharey=True), (flow, flow[:-1]), (change, change[1:]),
        ("of the same 10 s", "of the 10 s before"), strict=True,
    ):  # fmt: skip
        plain(axes)
        r2 = np.corrcoef(x, y)[0, 1] ** 2
        axes.scatter(x, y, s=8, color=theme.INK)
        axes.set_title(f"Mid change on OFI {name}: R² = {r2:.2f}", fontsize=8, loc="left")
        axes.set_xlabel("OFI, BTC", fontsize=8)
    return figure


def microprice(picture: Picture) -> "Figure":
    """Bid, ask and microprice over half a minute."""
    quotes = picture.quotes
    middle = int(quotes.ts_event_ns[len(quotes.ts_event_ns) // 2])
    inside = (quotes.ts_event_ns >= middle) & (quotes.ts_event_ns < middle + 30 * _NS_PER_S)
    x, step = seconds(quotes.ts_event_ns[inside], middle), float(picture.instrument.price_step)
    micro = microprice_of(
        quotes.bid_ticks[inside], quotes.bid_lots[inside], quotes.ask_ticks[inside],
        quotes.ask_lots[inside],
    )  # fmt: skip
    figure, (axes,) = panels(2.6, title="Bid, ask and microprice")
    axes.step(x, quotes.bid_ticks[inside] * step, color=theme.BUY, where="post", lw=1)
    axes.step(x, quotes.ask_ticks[inside] * step, color=theme.SELL, where="post", lw=1)
    axes.step(x, micro * step, color=theme.INK, where="post", lw=0.9)
    clock(axes, picture, middle, middle + 30 * _NS_PER_S)
    return figure


def spreads(picture: Picture) -> "Figure":
    """Rolling effective and realised half-spread and price impact."""
    trades = picture.trades
    found = rolling_spreads(
        trades.ts_event_ns, trades.price_ticks, trades.sign,
        quote_at_trade(trades.ts_event_ns, picture.quotes), [0],
        window_ns=300 * _NS_PER_S, horizon_ns=5 * _NS_PER_S,
    )  # fmt: skip
    first, step = int(trades.ts_event_ns[0]), float(picture.instrument.price_step)
    figure, (axes,) = panels(2.8, title="Means of 5 minutes; outcome after 5 s")
    x = seconds(trades.ts_event_ns, first)
    for name, colour in (
        ("effective_half_spread", theme.INK), ("realised_half_spread", theme.BUY),
        ("price_impact", theme.SELL),
    ):  # fmt: skip
        axes.plot(
            x,
            getattr(found, f"{name}_ticks") * step,
            color=colour,
            lw=1,
            label=name.replace("_", " "),
        )
    axes.axhline(0, color=theme.LINE, lw=0.8)
    axes.legend(fontsize=8, frameon=False)
    clock(axes, picture, first, int(trades.ts_event_ns[-1]))
    return figure


def vpin(picture: Picture) -> "Figure":
    """VPIN by true sides and by bulk volume, of one market."""
    bars, trades = picture.flow.bars, picture.trades
    bulk = bulk_volume(bars.close_ticks, bars.volume_lots, window=60)
    bucket = max(1, int(trades.qty_lots.sum()) // 100)
    found = bar_vpin(
        trades.qty_lots, trades.sign, picture.bars, bulk.buy_lots, [0],
        bucket_lots=bucket, n_buckets=20,
    )  # fmt: skip
    first = int(picture.bars.t0_ns[0])
    figure, (axes,) = panels(
        2.4, title="VPIN of 20 buckets by the venue's sides and by bulk volume"
    )
    x = seconds(picture.bars.t1_ns, first)
    axes.plot(x, found.vpin, color=theme.INK, lw=1.2, label="true sides")
    axes.plot(x, found.vpin_bulk, color=theme.NOTE, lw=1.2, label="bulk volume")
    axes.legend(fontsize=8, frameon=False)
    clock(axes, picture, first, int(picture.bars.t1_ns[-1]))
    return figure


PICTURES = {
    "ofi": ("BTCUSD.BITSTAMP", ofi),
    "microprice": ("BTCUSD.BITSTAMP", microprice),
    "spreads": ("BTCUSD.BITSTAMP", spreads),
    "vpin": ("BTCUSD.BITSTAMP", vpin),
}
