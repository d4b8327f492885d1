"""Frames of recorded Binance streams, sorted line by line: what belongs to one symbol, what does not.

:class:`Frames` knows the formats and nothing of instruments; decimal texts stay texts.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from orchestration.sources.depth_gate import ASK, BID, DepthRecords
from orchestration.sources.frame_fields import (
    DECODER,
    FrameRefusedError,
    id_of,
    levels_of,
    text_of,
    time_of,
)
from orchestration.sources.gate import QuoteRecords, TradeRecords, epoch_text_ns
from orchestration.sources.markets import market_of

_BOOK_KINDS = frozenset({"depth", "depthSnapshot"})
RECORD_KINDS = frozenset({"trade", "aggTrade", "bookTicker"})
# Streams and events that are neither a trade nor a best quote, by the name they are counted under.
OTHER_KINDS = {
    **{name: name for name in (
        "depth", "rpiDepth", "kline", "continuousKline", "ticker", "miniTicker", "avgPrice",
        "markPrice", "indexPrice", "forceOrder", "compositeIndex", "contractInfo", "assetIndex",
        "serverShutdown",
    )},
    "depthUpdate": "depth", "continuous_kline": "continuousKline", "24hrTicker": "ticker",
    "24hrMiniTicker": "miniTicker", "markPriceUpdate": "markPrice",
    "indexPriceUpdate": "indexPrice", "assetIndexUpdate": "assetIndex",
    "depthSnapshot": "snapshot",
}  # fmt: skip

_CONTROL = (b"wss://", b"ws://", b"https://", b"http://", b"configuration:")
# The same with a receive time in front: a log of our own live client.
_OWN_CONTROL = re.compile(rb"[0-9]{1,20} (wss?://|configuration:)")
_AFTER_QUOTE = re.compile(rb" after-quote-ns=([0-9]{1,19})$")
_PREFIX = re.compile(rb"([0-9]{1,20}(?:\.[0-9]{1,9})?):? (?=\{)")
_HEAD = re.compile(rb'[0-9.]+:? \{"stream":"([a-z0-9_]+)@([A-Za-z]+)')
# "btcusdt@depth20@100ms", "btcusdt@kline_1m"; "!bookTicker" and "!ticker@arr" cover all symbols.
_STREAM = re.compile(r"([a-z0-9_]+@|!)([A-Za-z]+)(?:[^A-Za-z].*)?")
_KIND_HINT = re.compile(
    rb'"stream":"[a-z0-9_]*@([A-Za-z]+)|"e":"([A-Za-z]+)"|@(bookTicker|aggTrade|trade)"'
)
_SYMBOL_HINT = re.compile(rb'"stream":"([a-z0-9_]+)@|"s":"([A-Z0-9_]+)"')
_SPOT_TICKER = {"u", "s", "b", "B", "a", "A"}
_TIMED = {"e", "E", "T"}


@dataclass(slots=True, kw_only=True)
class Damaged:
    """A line that should have been a record; ``kinds`` is what is left of its own claim."""

    line: int
    kinds: set[str]
    reason: str
    detail: str
    ts_recv_ns: int


@dataclass(slots=True, kw_only=True)
class Frames:
    """Sorts the lines of one file: records of a symbol, damaged ones, everything else by kind.

    Attributes
    ----------
    symbol : str
        Name of the symbol in the frames, upper case.
    cut_line : int
        Number of a last line without line end; 0 when there is none.
    trades, aggregates, quotes, depth
        Readable records of the symbol.
    unnamed : list of tuple
        Snapshots of a book that do not say whose, with line and time; :meth:`settle` decides.
    depth_symbols : set of str
        Whose updates of a book there are.
    damaged : list of Damaged
        Lines that count as refused records of the symbol.
    reconnects : list of int
        Lines on which the recorder connected again.
    breaks : dict of int to int
        Of our own client: line on which its quotes were interrupted -> time of the last one before, 0: none.
    other : Counter
        All other lines, by what they are.
    markets : dict of str to int
        Market that the symbol's readable frames come from -> first line that says so.
    """

    symbol: str
    cut_line: int
    trades: TradeRecords = field(default_factory=TradeRecords)
    aggregates: TradeRecords = field(default_factory=TradeRecords)
    quotes: QuoteRecords = field(default_factory=QuoteRecords)
    depth: DepthRecords = field(default_factory=DepthRecords)
    unnamed: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)
    depth_symbols: set[str] = field(default_factory=set)
    damaged: list[Damaged] = field(default_factory=list)
    reconnects: list[int] = field(default_factory=list)
    breaks: dict[int, int] = field(default_factory=dict)
    other: Counter[str] = field(default_factory=Counter)
    markets: dict[str, int] = field(default_factory=dict)
    has_frame: bool = False
    stream_name: bytes = b""
    marker: bytes = b""

    def __post_init__(self) -> None:
        self.stream_name = self.symbol.lower().encode()
        self.marker = b'"s":"' + self.symbol.encode() + b'"'

    def take(self, number: int, line: bytes) -> None:
        """Sort one line; ``number`` counts from 1."""
        head = _HEAD.match(line)
        # Two frames in one line are damage: a line end is lost, and with it the first frame's end.
        if head is None or line.count(b'"stream"') > 1:
            self._take_odd(number, line)
            return
        self.has_frame = True
        name, kind = head[1], head[2].decode()
        if kind in _BOOK_KINDS and name == self.stream_name:
            self._take_frame(number, line)
        elif kind in OTHER_KINDS:
            self.other[OTHER_KINDS[kind]] += 1
            if kind == "depth":
                self.depth_symbols.add(name.decode().upper())
        elif kind in RECORD_KINDS and name != self.stream_name and self.marker not in line:
            self.other["other_symbol"] += 1
        else:
            self._take_frame(number, line)

    def _take_odd(self, number: int, line: bytes) -> None:
        if not line.strip():
            self.other["blank"] += 1
        elif line.startswith(_CONTROL):
            self.other["control"] += 1
            if self.has_frame and line.startswith((b"wss://", b"ws://")):
                self.reconnects.append(number)
        elif own := _OWN_CONTROL.match(line):
            self.other["control"] += 1
            if own[1] != b"configuration:" and b"@bookTicker" in line:
                after = _AFTER_QUOTE.search(line)
                self.breaks[number] = int(after[1]) if after else 0
        elif line.count(b'"stream"') > 1:
            self._take_damaged(number, line, "holds more than one frame", "malformed")
        else:
            self._take_frame(number, line)

    def _take_frame(self, number: int, line: bytes) -> None:
        prefix = _PREFIX.match(line)
        recv = epoch_text_ns(prefix[1].decode()) if prefix else None
        unreadable = "truncated" if number == self.cut_line else "malformed"
        if prefix is None or recv is None:
            self._take_damaged(number, line, "no receive time before the frame", unreadable)
            return
        try:
            frame = DECODER.decode(line[prefix.end() :].decode("utf-8"))
        except (ValueError, RecursionError) as error:
            self._take_damaged(number, line, f"no valid JSON: {error}", unreadable, recv)
            return
        self.has_frame = True
        try:
            self._take_object(number, recv, frame)
        except FrameRefusedError as refused:
            self._take_damaged(number, line, refused.detail, refused.reason, recv)

    def _take_object(self, number: int, recv: int, frame: dict[str, Any]) -> None:
        kind, data = _kind_of(frame)
        if kind in ("depth", "snapshot"):
            self._take_depth(kind, number, recv, frame.get("stream", ""), data)
            return
        if kind not in RECORD_KINDS:
            self.other[kind] += 1
            return
        named = {text_of(data, "s")}
        if "@" in frame.get("stream", ""):
            named.add(frame["stream"].split("@")[0].upper())
        if self.symbol not in named:
            self.other["other_symbol"] += 1
        elif len(named) > 1:
            raise FrameRefusedError(
                f"the stream says one symbol, the frame another: {sorted(named)}"
            )
        else:
            self._add_record(kind, number, recv, data)
            self.markets.setdefault(market_of(kind, data), number)

    def _take_depth(
        self, kind: str, number: int, recv: int, stream: str, data: dict[str, Any]
    ) -> None:
        named = {stream.split("@")[0].upper()} if "@" in stream else set()
        name = data.get("s", data.get("symbol"))
        named |= {name} if type(name) is str else set()
        if kind == "depth":
            self.depth_symbols |= named
        if (named and self.symbol not in named) or (kind == "depth" and "U" not in data):
            self.other[kind] += 1  # of another symbol, or a stream of the best levels only
        elif not named:
            self.unnamed.append((number, recv, data))
        elif len(named) > 1:
            raise FrameRefusedError(
                f"the stream says one symbol, the frame another: {sorted(named)}"
            )
        else:
            self._add_depth(kind, number, recv, data)

    def settle(self) -> None:
        """Take the snapshots that do not name their symbol, where the file has one symbol's book only."""
        for number, recv, data in self.unnamed:
            if self.depth_symbols != {self.symbol}:
                self.other["snapshot"] += 1
                continue
            try:
                self._add_depth("snapshot", number, recv, data)
            except FrameRefusedError as refused:
                self.damaged.append(
                    Damaged(
                        line=number, kinds={"depth"}, reason=refused.reason, detail=refused.detail,
                        ts_recv_ns=recv,
                    )
                )  # fmt: skip
        self.unnamed.clear()

    def _add_depth(self, kind: str, number: int, recv: int, data: dict[str, Any]) -> None:
        is_snapshot = kind == "snapshot"
        last = id_of(data, "lastUpdateId" if is_snapshot else "u")
        first = last if is_snapshot else id_of(data, "U")
        previous = id_of(data, "pu") if "pu" in data and not is_snapshot else -1
        if first > last:
            raise FrameRefusedError(f"it runs from update {first} back to {last}")
        # Spot stamps its updates with E alone, and its snapshots not at all.
        clock = next((name for name in ("T", "E") if name in data), "")
        if not clock and not is_snapshot:
            raise FrameRefusedError("it has no time")
        ts = time_of(data, clock) if clock else 0
        bids = levels_of(data, "bids" if is_snapshot else "b")
        asks = levels_of(data, "asks" if is_snapshot else "a")
        into = self.depth
        into.line.append(number)
        into.ts_event_ns.append(ts)
        into.ts_recv_ns.append(recv)
        into.ts_source.append(int(not clock))
        into.first_id.append(first)
        into.last_id.append(last)
        into.previous_id.append(previous)
        into.is_snapshot.append(int(is_snapshot))
        into.n_changes.append(len(bids) + len(asks))
        into.side += [BID] * len(bids) + [ASK] * len(asks)
        for levels in (bids, asks):
            into.price += [level[0] for level in levels]
            into.qty += [level[1] for level in levels]
        if not is_snapshot:
            self.markets.setdefault(market_of("depth", data | {"s": self.symbol}), number)

    def _add_record(self, kind: str, number: int, recv: int, data: dict[str, Any]) -> None:
        if kind == "bookTicker":
            self._add_quote(number, recv, data)
        elif kind == "trade":
            self._add_trade(self.trades, number, recv, data, id_of(data, "t"), -1, -1)
        else:
            first, last = id_of(data, "f"), id_of(data, "l")
            if first > last:
                raise FrameRefusedError(f"its fills run back, from {first} to {last}")
            self._add_trade(self.aggregates, number, recv, data, id_of(data, "a"), first, last)

    def _add_trade(
        self, into: TradeRecords, number: int, recv: int, data: dict[str, Any],
        trade_id: int, first: int, last: int,
    ) -> None:  # fmt: skip
        ts, price, qty = time_of(data, "T"), text_of(data, "p"), text_of(data, "q")
        is_buyer_maker = data.get("m")
        if is_buyer_maker is not True and is_buyer_maker is not False:
            raise FrameRefusedError(f"m must be true or false, got {is_buyer_maker!r}")
        order_kind = data.get("X", "MARKET")  # futures only: what made the trade
        if type(order_kind) is not str:
            raise FrameRefusedError(f"X must be text, got {order_kind!r}")
        into.line.append(number)
        into.trade_id.append(trade_id)
        into.ts_event_ns.append(ts)
        into.ts_recv_ns.append(recv)
        into.price.append(price)
        into.qty.append(qty)
        # The buyer was resting, so the seller's order made the trade.
        into.native_sign.append(-1 if is_buyer_maker else 1)
        into.is_market.append(int(order_kind == "MARKET"))
        into.first_id.append(first)
        into.last_id.append(last)

    def _add_quote(self, number: int, recv: int, data: dict[str, Any]) -> None:
        # Spot quotes carry no event name and no exchange time; others must have both.
        has_time = not _TIMED.isdisjoint(data)
        ts = time_of(data, "T") if has_time else recv
        texts = [text_of(data, name) for name in ("b", "B", "a", "A")]
        update = id_of(data, "u")
        into = self.quotes
        into.line.append(number)
        into.quote_id.append(update)
        into.ts_event_ns.append(ts)
        into.ts_recv_ns.append(recv)
        into.ts_source.append(0 if has_time else 1)
        into.bid.append(texts[0])
        into.bid_qty.append(texts[1])
        into.ask.append(texts[2])
        into.ask_qty.append(texts[3])

    def _take_damaged(
        self, number: int, line: bytes, detail: str, reason: str, ts_recv_ns: int = 0
    ) -> None:
        # What is left of the line may still say that it was no record of this symbol.
        hints = {name.decode() for match in _KIND_HINT.findall(line) for name in match if name}
        records = hints & RECORD_KINDS
        others = [OTHER_KINDS[name] for name in sorted(hints) if name in OTHER_KINDS]
        names = {name.decode().upper() for m in _SYMBOL_HINT.findall(line) for name in m if name}
        if others == ["depth"] * len(others) and others and self.symbol in names:
            records |= {"depth"}
        elif others and not records:
            self.other[others[0]] += 1
            return
        if names and self.symbol not in names:
            self.other["other_symbol"] += 1
            return
        self.damaged.append(
            Damaged(line=number, kinds=records, reason=reason, detail=detail, ts_recv_ns=ts_recv_ns)
        )


def _kind_of(frame: Any) -> tuple[str, dict[str, Any]]:
    # Returns what a frame is and its payload; raises when it contradicts itself.
    if type(frame) is not dict:
        raise FrameRefusedError("the frame is no JSON object")
    stream: str | None = None
    data: Any = frame
    if "stream" in frame:
        match = _STREAM.fullmatch(frame["stream"]) if type(frame["stream"]) is str else None
        if match is None:
            raise FrameRefusedError(f"{frame['stream']!r} is no stream name")
        stream, data = match[2], frame.get("data")
        if stream in OTHER_KINDS and type(data) is list:  # one stream of all symbols
            return OTHER_KINDS[stream], {}
        if type(data) is not dict:
            raise FrameRefusedError("the frame has no data object")
    event = data.get("e")
    if event is not None and type(event) is not str:
        raise FrameRefusedError(f"e must be text, got {event!r}")
    if stream in OTHER_KINDS and event not in RECORD_KINDS:
        return OTHER_KINDS[stream], data
    if event is None and data.keys() >= _SPOT_TICKER:
        event = "bookTicker"
    if stream is not None and event in RECORD_KINDS and stream != event:
        raise FrameRefusedError(f"the stream says {stream!r}, the frame {event!r}")
    if event in OTHER_KINDS and stream not in RECORD_KINDS:
        return OTHER_KINDS[event], data
    if event in RECORD_KINDS:
        return event, data
    return _reply_kind(frame), data


def _reply_kind(frame: dict[str, Any]) -> str:
    # Answers to the recorder's own requests, which some recorders write between the frames.
    if "lastUpdateId" in frame:
        return "snapshot"
    if "id" in frame and ("result" in frame or "error" in frame):
        return "reply"
    raise FrameRefusedError("is neither a known frame nor an answer")


def record_kind(kinds: set[str]) -> str:
    """Return what the quarantine calls a damaged line: trade, quote, depth or unknown."""
    if kinds == {"depth"}:
        return "depth"
    if kinds == {"bookTicker"}:
        return "quote"
    return "trade" if kinds and kinds.isdisjoint({"bookTicker", "depth"}) else "unknown"
