"""Streams of trades for the tests of the feature matrix: drawn, seeded and recorded."""

import csv
import gzip
import json
from dataclasses import dataclass, fields, replace
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import strategies as st

from orderflow_core.absorption import BarAbsorptionRule
from orderflow_core.alignment import quote_at_trade
from orderflow_core.decision_clocks import Decisions
from orderflow_core.feature_settings import FeatureSettings
from orderflow_core.imbalance_presets import ImbalanceRule
from orderflow_core.ofi import OfiAtTrade, ofi_at_trade
from orderflow_core.sweeps import assign_sweeps
from orderflow_core.tick_rules import tick_rule
from orderflow_core.types import QuoteArrays, QuoteAtTrade, TradeArrays

SECOND = 1_000_000_000


@dataclass(frozen=True)
class Stream:
    """What `decision_features` takes."""

    trades: TradeArrays
    sweep: np.ndarray
    at_trade: QuoteAtTrade | None
    session_start_idx: np.ndarray
    gap_idx: np.ndarray
    session_ended: bool
    n_before: int = 0
    ofi: OfiAtTrade | None = None

    def part(self, start, stop, *, ended=False):
        """Return the trades start..stop - 1 with positions that count from ``start``."""
        inside = [
            idx[(idx >= start) & (idx < stop)] - start
            for idx in (self.session_start_idx, self.gap_idx)
        ]
        return Stream(
            trades=self.trades.slice(start, stop),
            sweep=self.sweep[start:stop],
            at_trade=sliced(self.at_trade, start, stop),
            ofi=sliced(self.ofi, start, stop),
            session_start_idx=inside[0],
            gap_idx=inside[1],
            session_ended=ended,
            n_before=self.n_before + start,
        )

    def first_fills(self):
        """Positions of the first fills of the sweeps, by a loop of its own."""
        starts = {0, *self.session_start_idx.tolist(), *self.gap_idx.tolist()}
        sweep = self.sweep.tolist()
        return [i for i in range(len(sweep)) if i in starts or sweep[i] != sweep[i - 1]]

    def cuts(self, seed, n):
        """Return n random positions, and n first fills that share their predecessor's time."""
        rng, ts = np.random.default_rng(seed), self.trades.ts_event_ns
        tied = [i for i in self.first_fills() if i > 0 and ts[i] == ts[i - 1]]
        anywhere = rng.integers(1, len(ts), n)
        return [*anywhere.tolist(), *rng.choice(tied, min(n, len(tied)), replace=False).tolist()]

    def with_other_future(self, cut):
        """Return the stream with every trade and quote from ``cut`` on changed, times apart."""
        is_future = np.arange(len(self.trades)) >= cut

        def changed(values, factor, shift):
            return np.where(is_future, values * factor + shift, values).astype(values.dtype)

        trades = replace(
            self.trades,
            price_ticks=changed(self.trades.price_ticks, 1, 7),
            qty_lots=changed(self.trades.qty_lots, 3, 1),
            sign=changed(self.trades.sign, -1, 0),
        )
        at_trade = self.at_trade
        if at_trade is not None:
            at_trade = replace(
                at_trade,
                bid_lots=changed(at_trade.bid_lots, 2, 5),
                ask_ticks=changed(at_trade.ask_ticks, 1, 3),
            )
        ofi = self.ofi and replace(self.ofi, ofi_lots=changed(self.ofi.ofi_lots, -2, 11))
        return replace(self, trades=trades, at_trade=at_trade, ofi=ofi)


def sliced(columns, start, stop):
    if columns is None:
        return None
    return type(columns)(**{f.name: getattr(columns, f.name)[start:stop] for f in fields(columns)})


def random_ofi(rng, n):
    """A running imbalance of the book, for streams without one: some trades know none."""
    return OfiAtTrade(ofi_lots=rng.integers(-50, 50, n).cumsum(), is_known=rng.random(n) < 0.9)


# Short windows and low bars, so that short streams have values in every column.
SETTINGS = FeatureSettings(
    ticks_per_row=1,
    imbalance=ImbalanceRule(
        ratio_num=2,
        ratio_den=1,
        compare="ge",
        min_lots=2,
        zero_opposite="counts",
        gap_policy="zero",
    ),
    vpin_bucket_lots=20,
    bar_ns=10 * SECOND,
    stacked_levels=2,
    zone_age_bars=20,
    exhaustion_levels=2,
    absorption=BarAbsorptionRule(n_windows=20, least_windows=2, least_z=0.5),
    pivot_bars=1,
    bulk_bars=21,
    vpin_buckets=2,
    tape_trades=3,
    spread_horizon_ns=SECOND,
    large_trailing=20,
    large_least=2,
    cluster_gap_ns=20 * SECOND,
    cluster_least=2,
)


def call(function, stream, *state, clock="sweep", settings=SETTINGS, **more):
    return function(
        *state,
        stream.trades,
        stream.sweep,
        stream.at_trade,
        session_start_idx=stream.session_start_idx,
        gap_idx=stream.gap_idx,
        session_ended=stream.session_ended,
        clock=clock(stream) if callable(clock) else clock,
        settings=settings,
        ofi=stream.ofi,
        **more,
    )


def every_seventh_trade(stream):
    """Decisions at each seventh trade, known with that trade: a clock of bars by trade count."""
    before = stream.n_before
    ends = np.arange(before // 7 * 7 + 7, before + len(stream.trades) + 1, 7) - before
    return Decisions(
        t0_ns=stream.trades.ts_event_ns[ends - 1],
        end_idx=ends,
        decision_id=stream.trades.trade_id[ends - 1],
        is_end_included=True,
    )


CLOCKS = ("sweep", "time:5s", every_seventh_trade)


def named(clock):
    return clock if isinstance(clock, str) else clock.__name__


def quote_rows(at_trade):
    if at_trade is None:
        return None
    columns = (at_trade.bid_ticks, at_trade.bid_lots, at_trade.ask_ticks, at_trade.ask_lots)
    rows = list(zip(*(c.tolist() for c in columns), strict=True))
    return [q if k else None for q, k in zip(rows, at_trade.is_known, strict=True)]


def stream_of(ts, price, qty, sign, sweep, quotes=None, sessions=(0,), gaps=(), ended=False):
    """Return a stream of plain lists; ``quotes`` is a list of (bid, lots, ask, lots) or None."""
    n = len(ts)
    trades = TradeArrays(
        ts_event_ns=np.array(ts, np.int64),
        trade_id=100 + np.arange(n),
        price_ticks=np.array(price, np.int64),
        qty_lots=np.array(qty, np.int64),
        sign=np.array(sign, np.int8),
    )
    at_trade = None
    if quotes is not None:
        rows = np.array([q or (0, 0, 0, 0) for q in quotes], np.int64).reshape(-1, 4)
        # Each column by itself, as a live stream brings them: other arrays take the slower way.
        columns = np.ascontiguousarray(rows.T)
        at_trade = QuoteAtTrade(
            bid_ticks=columns[0],
            bid_lots=columns[1],
            ask_ticks=columns[2],
            ask_lots=columns[3],
            is_known=np.array([q is not None for q in quotes], np.bool_),
        )
    return Stream(
        trades=trades,
        sweep=np.array(sweep, np.int64),
        at_trade=at_trade,
        session_start_idx=np.array(sessions if n else (), np.int64),
        gap_idx=np.array(gaps, np.int64),
        session_ended=ended,
    )


_STEPS = (0, 0, 0, 0, 1, SECOND // 2, SECOND, 5 * SECOND, 10 * SECOND, 25 * SECOND, 61 * SECOND)
_QUOTE = st.none() | st.tuples(
    st.integers(98, 102), st.integers(0, 3), st.integers(100, 103), st.integers(0, 3)
)


@st.composite
def drawn_streams(draw, max_size=30):
    n = draw(st.integers(0, max_size))

    def column(elements):
        return draw(st.lists(elements, min_size=n, max_size=n))

    steps = column(st.sampled_from(_STEPS))
    goes_on = column(st.booleans())
    is_new = [step > 0 or not same for step, same in zip(steps, goes_on, strict=True)]
    with_book = draw(st.booleans())
    positions = st.sets(st.integers(0, max(n - 1, 0)), max_size=2) if n else st.just(set())
    stream = stream_of(
        np.cumsum(np.array(steps, np.int64)) + 10**18,
        100 + np.cumsum(column(st.integers(-2, 2))) if n else [],
        column(st.integers(1, 9)),
        column(st.sampled_from([-1, 0, 1])),
        np.cumsum(is_new),
        quotes=draw(st.none() | st.just(column(_QUOTE))),
        sessions=sorted({0} | draw(positions)),
        gaps=sorted(draw(positions)),
        ended=draw(st.booleans()),
    )
    return replace(stream, ofi=random_ofi(np.random.default_rng(n), n)) if with_book else stream


def seeded_stream(seed, n=3_000, mean_gap_s=0.4):
    """A busier stream than hypothesis draws: bursts, ties, two sessions, two gaps, quotes."""
    rng = np.random.default_rng(seed)
    step = np.where(rng.random(n) < 0.4, 0, rng.exponential(mean_gap_s * SECOND, n)).astype(
        np.int64
    )
    price = 1_000 + np.cumsum(rng.choice([-1, 0, 0, 1], n))
    spread = rng.integers(-1, 3, n)  # a few crossed and locked quotes
    bid = price - rng.integers(0, 2, n)
    lots = rng.integers(0, 50, (2, n))
    known = rng.random(n) < 0.9
    quotes = [
        (int(bid[i]), int(lots[0, i]), int(bid[i] + spread[i]), int(lots[1, i]))
        if known[i]
        else None
        for i in range(n)
    ]
    cuts = np.sort(rng.choice(np.arange(1, n), 3, replace=False))
    stream = stream_of(
        np.cumsum(step),
        price,
        np.ceil(rng.lognormal(1, 1.5, n)),
        rng.choice([-1, 0, 1], n, p=[0.45, 0.1, 0.45]),
        np.cumsum((step > 0) | (rng.random(n) < 0.5)),
        quotes=quotes,
        sessions=[0, int(cuts[1])],
        gaps=[int(cuts[0]), int(cuts[2])],
        ended=True,
    )
    return replace(stream, ofi=random_ofi(rng, n))


def emini_stream(folder, n=100_000):
    """Recorded E-mini trades: no side, no ids, 83 % share their predecessor's millisecond."""
    chicago = ZoneInfo("America/Chicago")
    with gzip.open(folder / "emini_mlfinpy/tick_data.csv.gz", "rt") as lines:
        rows = list(islice(csv.reader(lines), 1, n + 1))
    stamps = {}
    for stamp, _, _ in rows:
        if stamp not in stamps:
            local = datetime.fromisoformat(stamp).replace(tzinfo=chicago)
            micros = local.microsecond
            stamps[stamp] = int(local.replace(microsecond=0).timestamp()) * 10**6 + micros
    ts = np.array([stamps[row[0]] for row in rows], np.int64) * 1_000
    price = np.array([round(float(row[1]) * 4) for row in rows], np.int64)
    qty = np.array([int(row[2]) for row in rows], np.int64)
    sign, _ = tick_rule(price)
    opens = int(datetime(2013, 9, 2, 17, tzinfo=chicago).timestamp()) * SECOND
    sweep = assign_sweeps(ts, np.arange(n), price, sign, max_id_step=0)
    session = int(np.searchsorted(ts, opens))
    assert 0 < session < n
    stream = stream_of(ts, price, qty, sign, sweep, sessions=(0, session), ended=True)
    return replace(stream, gap_idx=np.array([n // 3, n - 40], np.int64))


def capture_stream(folder, name="usdm/btcusdt_20240719.gz"):
    """Recorded perpetual trades with the venue's side and quotes."""
    trades, quotes = [], []
    with gzip.open(folder / "binance_ws/hftbacktest" / name, "rt") as frames:
        for line in frames:
            data = json.loads(line.split(" ", 1)[1]).get("data", {})
            if data.get("e") == "trade" and data["X"] == "MARKET":
                sign = -1 if data["m"] else 1
                price, lots = round(float(data["p"]) * 10), round(float(data["q"]) * 1000)
                trades.append((data["t"], data["T"], price, lots, sign))
            elif data.get("e") == "bookTicker":
                price = [round(float(data[key]) * 10) for key in ("b", "a")]
                lots = [round(float(data[key]) * 1000) for key in ("B", "A")]
                quotes.append((data["T"], price[0], lots[0], price[1], lots[1]))
    trade_id, ts, price, qty, sign = np.array(sorted(trades), np.int64).T
    columns = np.array(sorted(quotes, key=lambda row: row[0]), np.int64).T
    ts = ts * 1_000_000
    book = QuoteArrays(
        ts_event_ns=columns[0] * 1_000_000,
        bid_ticks=columns[1],
        bid_lots=columns[2],
        ask_ticks=columns[3],
        ask_lots=columns[4],
    )
    sweep = assign_sweeps(ts, trade_id, price, sign.astype(np.int8), max_id_step=2)
    stream = stream_of(ts, price, qty, sign, sweep, ended=True)
    ofi = ofi_at_trade(ts, book, ts[:1])
    return replace(stream, at_trade=quote_at_trade(ts, book), ofi=ofi)
