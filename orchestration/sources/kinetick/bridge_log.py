"""Logs of the live bridge: one line a message, ``<receive time> <message>``, as received.

The whole log and each segment of it are read alike. ``trade_id`` and ``quote_id`` are the
bridge's own numbers, which trades and quotes share, so a repeated message is found by its id.
What is missing is told by the numbers and by the bridge's answer to each new connection: it
becomes a gap of the trades and of the quotes. How many of which are missing is not known (0);
``counts["missing_messages"]`` has their sum.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

from orchestration.sources.files import SourceFile, split_lines
from orchestration.sources.gate import Gate, QuoteRecords, TradeRecords, epoch_text_ns
from orchestration.sources.kinetick.exports import inside_sign
from orchestration.sources.kinetick.names import is_contract_of
from orchestration.sources.kinetick.wire import (
    HEARTBEAT,
    HELLO,
    REFUSAL,
    TRADE,
    Message,
    WireError,
    parse_message,
)
from orchestration.sources.records import Gap, SourceBatch, make_batch
from orderflow_core.instrument import Instrument

SOURCE = "kinetick"
_PREFIX = re.compile(rb"([0-9]{1,20}) (?=\{)")
_TYPE_HINT = re.compile(rb'"type":"([LBAHPE])"')
_OTHER = {HELLO: "hello", HEARTBEAT: "heartbeat", REFUSAL: "refusal"}


@dataclass(slots=True, kw_only=True)
class _Log:
    # What was read so far; ``damaged`` is (line, kind, detail, receive time).
    messages: list[tuple[int, int, Message]] = field(default_factory=list)
    damaged: list[tuple[int, str, str, int]] = field(default_factory=list)
    other: Counter[str] = field(default_factory=Counter)


def parse_bridge_log(file: SourceFile, instrument: Instrument) -> SourceBatch:
    """Read the messages of one instrument from a log that is in memory.

    Notes
    -----
    An instrument of every contract month (``ES``) takes the contract that most messages name;
    those of another one are counted under ``other``.
    """
    lines, is_cut = split_lines(file.data)
    log = _read_lines(lines)
    gate = Gate(instrument=instrument, lines=lines, cut_line=len(lines) if is_cut else 0)
    for number, kind, detail, recv in log.damaged:
        gate.refuse_damaged(kind, number, detail, ts_recv_ns=recv)
    mine = _of_one_contract(log, instrument)
    trades, quotes = TradeRecords(), QuoteRecords()
    for number, recv, message in mine:
        if message.type in _OTHER:
            log.other[_OTHER[message.type]] += 1
        elif message.type == TRADE:
            _add_trade(gate, trades, number, recv, message)
        else:
            _add_quote(quotes, number, recv, message)
    gaps, n_missing = message_gaps([message for _, _, message in mine])
    kept, _ = gate.pass_trades(trades, source=SOURCE, unit=file.unit, id_step=0)
    kept_quotes = gate.pass_quotes(quotes, source=SOURCE, unit=file.unit)
    return make_batch(
        path=file.path, instrument=instrument, source=SOURCE, unit=file.unit, n_lines=len(lines),
        trades=kept, quotes=kept_quotes, gaps=gaps, rejects=gate.rejects, other=dict(log.other),
        counts={"missing_messages": n_missing} if n_missing else {},
    )  # fmt: skip


def _read_lines(lines: list[bytes]) -> _Log:
    log = _Log()
    for number, line in enumerate(lines, 1):
        if not line:
            log.other["blank"] += 1
            continue
        prefix = _PREFIX.match(line)
        recv = epoch_text_ns(prefix[1].decode()) if prefix else None
        if prefix is None or recv is None:
            _take_damaged(log, number, line, "no receive time before the message", 0)
            continue
        try:
            message = parse_message(line[prefix.end() :])
        except WireError as error:
            _take_damaged(log, number, line, str(error), recv)
        else:
            log.messages.append((number, recv, message))
    return log


def _take_damaged(log: _Log, number: int, line: bytes, detail: str, recv: int) -> None:
    # What is left of the line may still say that it was no record.
    hints = {hint.decode() for hint in _TYPE_HINT.findall(line)}
    if len(hints) == 1 and hints <= _OTHER.keys():
        log.other[_OTHER[hints.pop()]] += 1
        return
    kind = "unknown"
    if len(hints) == 1:
        kind = "trade" if hints == {TRADE} else "quote"
    log.damaged.append((number, kind, detail, recv))


def _of_one_contract(log: _Log, instrument: Instrument) -> list[tuple[int, int, Message]]:
    names = Counter(
        message.inst
        for _, _, message in log.messages
        if message.inst and is_contract_of(message.inst, instrument)
    )
    contract = names.most_common(1)[0][0] if names else ""
    mine = []
    for item in log.messages:
        if item[2].inst in (contract, "") and (contract or item[2].type == REFUSAL):
            mine.append(item)
        else:
            log.other["other_symbol"] += 1
    return mine


def _add_trade(gate: Gate, into: TradeRecords, number: int, recv: int, message: Message) -> None:
    price, size, bid, ask = message.texts
    steps, bad = gate.convert("price", [price, bid or "0", ask or "0"])
    findings = [bad[i] for i in (1, 2) if i in bad]
    if findings and 0 not in bad:
        reason, detail = findings[0]
        gate.refuse(
            "trade", number, reason, f"inside quote: {detail}",
            ts_ns=message.ts_ns, ts_recv_ns=recv,
        )  # fmt: skip
        return
    into.line.append(number)
    into.trade_id.append(message.seq)
    into.ts_event_ns.append(message.ts_ns)
    into.ts_recv_ns.append(recv)
    into.price.append(price)
    into.qty.append(size)
    into.native_sign.append(int(inside_sign(steps[:1], steps[1:2], steps[2:])[0]))
    into.is_market.append(1)
    into.first_id.append(-1)
    into.last_id.append(-1)


def _add_quote(into: QuoteRecords, number: int, recv: int, message: Message) -> None:
    bid, bid_size, ask, ask_size = message.texts
    into.line.append(number)
    into.quote_id.append(message.seq)
    into.ts_event_ns.append(message.ts_ns)
    into.ts_recv_ns.append(recv)
    into.ts_source.append(0)
    into.bid.append(bid)
    into.bid_qty.append(bid_size)
    into.ask.append(ask)
    into.ask_qty.append(ask_size)


def message_gaps(messages: list[Message]) -> tuple[list[Gap], int]:
    """Return what the numbers and hellos of one instrument say is missing, and how many messages.

    Parameters
    ----------
    messages : list of Message
        In the order of their arrival.
    """
    holes: list[tuple[int, int, int, int, str]] = []
    last, last_ts = 0, 0
    for i, message in enumerate(messages):
        if message.type == REFUSAL:
            continue
        if message.type == HELLO:
            if message.after and (message.is_restart or message.seq > message.after + 1):
                n = 0 if message.is_restart else message.seq - message.after - 1
                start = message.ts_ns or last_ts or _next_ts(messages, i, 0)
                reason = "restart" if message.is_restart else "missing_ids"
                holes.append((start, _next_ts(messages, i, start), message.after + 1, n, reason))
            # What comes next is judged from what the hello promised.
            last, last_ts = message.seq - 1, message.ts_ns or _next_ts(messages, i, last_ts)
            continue
        step = message.seq - last
        is_beyond = step > (0 if message.type == HEARTBEAT else 1)
        if last and is_beyond:
            n = step if message.type == HEARTBEAT else step - 1
            holes.append((last_ts, max(message.ts_ns, last_ts), last + 1, n, "missing_ids"))
        if step > 0:
            last, last_ts = message.seq, max(message.ts_ns, last_ts)
    gaps = [
        Gap(kind=kind, start_ns=start, end_ns=end, first_missing_id=first, n_missing=0,
            reason=reason)
        for start, end, first, _, reason in holes
        for kind in ("trade", "quote")
    ]  # fmt: skip
    return gaps, sum(n for _, _, _, n, _ in holes)


def _next_ts(messages: list[Message], i: int, least: int) -> int:
    for message in messages[i + 1 :]:
        if message.type not in (HELLO, REFUSAL):
            return max(message.ts_ns, least)
    return least
