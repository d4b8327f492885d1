"""What a simulated venue publishes: lines of text with planted faults, and the truth beside them.

A line is a receive time and a message, in the order of receipt::

    1767225600012345678 T,SIM,1767225600007,205000001,5000.25,3,B       trade: id, price, size, side
    1767225600012400000 Q,SIM,1767225600007,17,5000.00,12,5000.25,9     quote: id, bid, ask
    1767225600012400000 Q,SIM,,17,5000.00,12,5000.25,9                  ... of a venue without times

The event time is in whole milliseconds, as venues print it, so that the quote after a trade carries
the trade's own time. The side is the aggressor's.
"""

from dataclasses import dataclass

import numpy as np

from orderflow_core.instrument import Instrument
from orderflow_core.simulator import SimulatedMarket
from orderflow_core.validate import require_amount, require_count

MS = 1_000_000
# What is planted on a trade, and the reason for which the gate must refuse its line.
TRADE_FAULTS = {
    "duplicate": "duplicate",
    "conflict": "conflict",
    "zero_size": "out_of_range",
    "off_grid": "off_grid",
    "cut_short": "malformed",
    "earlier_time": "time_inversion",
    "missing": "",  # the line is not there at all: a hole in the ids
}
CROSSED = "crossed"  # on a quote: stored as it is, and counted


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSettings:
    """How the ticks are published.

    Attributes
    ----------
    latency_ms, jitter_ms : float, >= 0
        From the event to its receipt: a constant and an exponential part; order is kept.
    has_quote_time : bool
        Whether quotes carry the venue's time. Without, only their receipt tells when they were.
    clock_behind_ms : int, >= 0
        How slow the recorder's clock is against the venue's. Quotes without a time are stamped so
        much too early, and this is the lag at which to look for the one before a trade.
    n_faults : int, >= 0
        Records of each kind of fault, spread over the day.
    """

    latency_ms: float = 5.0
    jitter_ms: float = 1.0
    has_quote_time: bool = True
    clock_behind_ms: int = 0
    n_faults: int = 5

    def __post_init__(self) -> None:
        for name in ("latency_ms", "jitter_ms"):
            require_amount(name, getattr(self, name), is_zero_allowed=True)
        for name in ("clock_behind_ms", "n_faults"):
            require_count(name, getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One planted fault; ``line`` counts from 1 and is 0 for what is missing."""

    kind: str
    line: int
    reason: str
    record_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Lines in the order of receipt, and what is wrong with which."""

    lines: list[bytes]
    faults: list[Fault]


def publish(
    market: SimulatedMarket,
    instrument: Instrument,
    settings: FeedSettings,
    *,
    first_id: int,
    rng: np.random.Generator,
) -> Feed:
    """Return a market's ticks as a venue publishes them; trade i has the id ``first_id + i``."""
    chosen = _choose(market, settings, rng)
    trades, trade_recv = _trade_lines(market, instrument, settings, first_id, rng)
    quotes, quote_recv = _quote_lines(market, instrument, settings, chosen, rng)
    # Of what is received at one time the trade comes first, as at the venues recorded.
    order = np.argsort(np.concatenate([trade_recv, quote_recv]), kind="stable").tolist()
    n_trades = len(trades)
    by_trade = {i: kind for kind in TRADE_FAULTS for i in chosen[kind]}
    crossed = set(chosen[CROSSED])
    lines: list[bytes] = []
    faults: list[Fault] = []
    for at in order:
        if at >= n_trades:
            lines.append(quotes[at - n_trades])
            if at - n_trades in crossed:
                quote_id = at - n_trades + 1
                faults.append(Fault(kind=CROSSED, line=len(lines), reason="", record_id=quote_id))
        elif at in by_trade:
            faults += _add_faulty(lines, trades[at], by_trade[at], first_id + at, instrument)
        else:
            lines.append(trades[at])
    return Feed(lines=lines, faults=faults)


def _choose(
    market: SimulatedMarket, settings: FeedSettings, rng: np.random.Generator
) -> dict[str, list[int]]:
    # Faults lie apart, so that each has the consequence that is written down for it. The first
    # trades are left alone: a time can only run back where there is one before it.
    kinds = [kind for kind in TRADE_FAULTS for _ in range(settings.n_faults)]
    places = np.arange(20, len(market.trades) - 20, 3)
    if len(places) < len(kinds):
        raise ValueError(
            f"n_faults must leave sound trades between the faults, got {settings.n_faults} of each "
            f"kind for {len(market.trades)} trades"
        )
    at = rng.choice(places, len(kinds), replace=False).tolist()
    chosen: dict[str, list[int]] = {kind: [] for kind in TRADE_FAULTS}
    for kind, place in zip(kinds, at, strict=True):
        chosen[kind].append(place)
    chosen[CROSSED] = rng.choice(len(market.quotes), settings.n_faults, replace=False).tolist()
    return chosen


def _receipts(ts_ns: np.ndarray, settings: FeedSettings, rng: np.random.Generator) -> np.ndarray:
    delay_ms = settings.latency_ms + settings.jitter_ms * rng.standard_exponential(len(ts_ns))
    delay_ms -= settings.clock_behind_ms
    received: np.ndarray = np.maximum.accumulate(ts_ns + (delay_ms * MS).astype(np.int64))
    return received


def _trade_lines(
    market: SimulatedMarket,
    instrument: Instrument,
    settings: FeedSettings,
    first_id: int,
    rng: np.random.Generator,
) -> tuple[list[bytes], np.ndarray]:
    trades = market.trades
    received = _receipts(trades.ts_event_ns, settings, rng)
    price = _texts(trades.price_ticks, instrument.tick_size)
    qty = _texts(trades.qty_lots, instrument.lot_step)
    name = instrument.venue_symbol
    rows = zip(
        received.tolist(), (trades.ts_event_ns // MS).tolist(), price, qty, trades.sign.tolist(),
        strict=True,
    )  # fmt: skip
    lines = [
        f"{recv} T,{name},{event},{first_id + i},{p},{q},{'B' if sign > 0 else 'S'}".encode()
        for i, (recv, event, p, q, sign) in enumerate(rows)
    ]
    return lines, received


def _quote_lines(
    market: SimulatedMarket,
    instrument: Instrument,
    settings: FeedSettings,
    chosen: dict[str, list[int]],
    rng: np.random.Generator,
) -> tuple[list[bytes], np.ndarray]:
    quotes = market.quotes
    if settings.has_quote_time:
        received = _receipts(quotes.ts_event_ns, settings, rng)
        events = [str(ms) for ms in (quotes.ts_event_ns // MS).tolist()]
    else:
        # Such streams are the fastest a venue has: nothing but the clock stands between.
        received = quotes.ts_event_ns - settings.clock_behind_ms * MS
        events = [""] * len(quotes)
    bid = quotes.bid_ticks.copy()
    bid[chosen[CROSSED]] = quotes.ask_ticks[chosen[CROSSED]] + 1
    columns = (
        _texts(bid, instrument.tick_size),
        _texts(quotes.bid_lots, instrument.lot_step),
        _texts(quotes.ask_ticks, instrument.tick_size),
        _texts(quotes.ask_lots, instrument.lot_step),
    )
    name = instrument.venue_symbol
    lines = [
        f"{recv} Q,{name},{event},{i},{b},{bq},{a},{aq}".encode()
        for i, (recv, event, b, bq, a, aq) in enumerate(
            zip(received.tolist(), events, *columns, strict=True), 1
        )
    ]
    return lines, received


def _texts(steps: np.ndarray, step: object) -> list[str]:
    # Few different numbers occur; each is written once.
    values, which = np.unique(steps, return_inverse=True)
    texts = [f"{value * step:f}" for value in values.tolist()]  # type: ignore[operator]
    return [texts[i] for i in which.tolist()]


def _add_faulty(
    lines: list[bytes], line: bytes, kind: str, trade_id: int, instrument: Instrument
) -> list[Fault]:
    if kind == "missing":
        return [Fault(kind=kind, line=0, reason="", record_id=trade_id)]
    reason = TRADE_FAULTS[kind]
    fields = line.split(b",")
    price = instrument.price_to_ticks(fields[4].decode()) * instrument.price_step
    if kind in ("duplicate", "conflict"):
        lines.append(line)
        first = len(lines)
        if kind == "conflict":
            fields[4] = f"{price + instrument.tick_size:f}".encode()
        lines.append(b",".join(fields))
        at = [first, first + 1] if kind == "conflict" else [first + 1]
        return [Fault(kind=kind, line=n, reason=reason, record_id=trade_id) for n in at]
    if kind == "zero_size":
        fields[5] = b"0"
    elif kind == "off_grid":
        fields[4] = f"{price + instrument.price_step / 3:.8f}".encode()
    elif kind == "earlier_time":
        fields[2] = str(int(fields[2]) - 86_400_000 // 2).encode()
    else:
        fields = fields[:5]
    lines.append(b",".join(fields))
    return [Fault(kind=kind, line=len(lines), reason=reason, record_id=trade_id)]
