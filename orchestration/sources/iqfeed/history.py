"""Tick history as the feed sends it: replies kept in files, plain, gzip or zip.

A file yields two batches. One holds the trades. The other holds the quote that each tick carries:
the best bid and ask *at the time of the trade*, stored 1 ns before it (the feed counts
microseconds), so that a join to the last quote strictly before a trade finds its own. These quotes
have no sizes (0: not told).

Ticks carry no number that orders a day: a tick id is unique for a market center and day only. So
``trade_id`` is the position in the order of trading, after the Eastern date, and ``venue_id`` is
``center:tick``. The file may run either way in time. A tick that repeats another in every field is
a duplicate; two that share day, center and tick id and differ are a conflict.

The total volume checks that nothing is missing: where it grows by more than a tick's size, trades
are missing between two ticks, and the stretch is a gap.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.sources.coded import CodedTexts
from orchestration.sources.files import SourceFile, read_file, split_lines
from orchestration.sources.gate import Gate, QuoteRecords, TradeRecords, fewest_inversions
from orchestration.sources.iqfeed.eastern import dates_of, eastern_ns, in_order
from orchestration.sources.iqfeed.ticks import Ticks
from orchestration.sources.members import members_of
from orchestration.sources.records import Gap, SourceBatch, SourceError, make_batch
from orchestration.sources.text_columns import plain_digits
from orderflow_core.instrument import Instrument

SOURCE = "iqfeed"
# More ticks than any market's day has; the date before it keeps ids growing over the days.
DAY_IDS = 1_000_000_000


def read_history(path: Path, instrument: Instrument) -> list[SourceBatch]:
    """Read one file of ticks of one symbol.

    Raises
    ------
    SourceError
        The file cannot be read or unpacked, it holds no readable tick, or the feed refused the
        request that it answers.
    """
    return parse_history(unzipped(read_file(path)), instrument)


def parse_history(file: SourceFile, instrument: Instrument) -> list[SourceBatch]:
    """Read the ticks of a file that is in memory; see :func:`read_history`."""
    lines, is_cut = split_lines(file.data)
    gate = Gate(instrument=instrument, lines=lines)
    ticks = Ticks()
    whole = lines
    if is_cut and lines[-1] and not lines[-1].endswith((b"!ENDMSG!,", b"!ENDMSG!")):
        # A price that was cut is still a number.
        gate.refuse("trade", len(lines), "truncated", "the last line has no end")
        whole = lines[:-1]
    for i in np.flatnonzero(~ticks.take_plain(whole)).tolist():
        ticks.take(i + 1, whole[i], file.path)
    for number, detail in ticks.damaged:
        gate.refuse("trade", number, "malformed", detail)
    rows, counts = ordered(ticks, gate)
    if "end" not in ticks.other:
        counts["without_end"] = 1
    return two_batches(file, instrument, gate, rows, dict(ticks.other), counts)


def ordered(ticks: Ticks, gate: Gate) -> tuple[dict[str, Any], Counter[str]]:
    """Return the ticks as columns in the order of trading; refuse foreign and timeless ones."""
    counts: Counter[str] = Counter()
    columns = ticks.columns()
    first, second = eastern_ns(columns["time"])
    requests, line = columns.pop("request"), columns["line"]
    is_good = first >= 0
    for i in np.flatnonzero(~is_good).tolist():
        detail = f"{columns['time'][i]} is no US Eastern time"
        gate.refuse("trade", int(line[i]), "malformed", detail)
    # Of requests equally often there, the first one is the file's own.
    own = int(np.bincount(requests.code).argmax()) if len(requests) else 0
    for i in np.flatnonzero(is_good & (requests.code != own)).tolist():
        is_good[i] = False
        detail = f"answers request {requests[i][:40]!r}, the file request {requests.distinct[own][:40]!r}"
        gate.refuse("trade", int(line[i]), "malformed", detail)
    kept = np.flatnonzero(is_good)
    if _runs_back(first[kept], columns["total"].take(kept)):
        kept = kept[::-1]
    rows: dict[str, Any] = {name: _chosen(v, kept) for name, v in columns.items()}
    rows["ts"], n_guessed = in_order(first[kept], second[kept])
    rows["date"] = dates_of(rows["time"])
    if n_guessed:
        counts["times_in_repeated_hour"] = n_guessed
    rows["recv"] = rows["ts"]
    return rows, counts


def _runs_back(ts: np.ndarray, totals: CodedTexts) -> bool:
    # Newest first is the feed's default; among equal times the total volume tells.
    votes = int(np.sign(np.diff(ts)).sum())
    if votes == 0:
        votes = int(np.sign(np.diff(np.array(totals[:], np.int64))).sum())
    return votes < 0


def two_batches(
    file: SourceFile,
    instrument: Instrument,
    gate: Gate,
    rows: dict[str, Any],
    other: dict[str, int],
    counts: Counter[str],
) -> list[SourceBatch]:
    """Pass ordered ticks through the gate: the batch of the trades and that of their quotes."""
    rows = select(rows, refuse_repeats(gate, rows))
    rows = select(rows, refuse_inversions(gate, rows))
    rows["id"] = day_ids(rows["date"])
    n_refused = len(gate.rejects)
    gaps = check_totals(instrument, rows, counts)
    trades, _ = gate.pass_trades(trade_records(rows), source=SOURCE, unit=file.unit, id_step=0)
    batch = make_batch(
        path=file.path, instrument=instrument, source=SOURCE, unit=file.unit,
        n_lines=len(gate.lines), trades=with_venue_ids(trades, rows), gaps=gaps,
        rejects=gate.rejects, other=other, counts=dict(counts),
    )  # fmt: skip
    told = ~(_are_zero(rows["bid"]) & _are_zero(rows["ask"]))
    aside = {"no_quote": int((~told).sum()), "refused_tick": n_refused}
    other = {**other, **{name: n for name, n in aside.items() if n}}
    quotes = _quote_batch(file, instrument, gate.lines, select(rows, told), other)
    return [batch, quotes] if quotes.offered else [batch]


def _quote_batch(
    file: SourceFile,
    instrument: Instrument,
    lines: Sequence[bytes],
    rows: dict[str, Any],
    other: dict[str, int],
) -> SourceBatch:
    gate = Gate(instrument=instrument, lines=lines)
    unit = quote_unit(file.unit)
    quotes = gate.pass_quotes(quote_records(rows, instrument), source=SOURCE, unit=unit)
    return make_batch(
        path=file.path, instrument=instrument, source=SOURCE, unit=unit, n_lines=len(lines),
        quotes=without_sizes(quotes), rejects=gate.rejects, other=other,
    )  # fmt: skip


def quote_unit(unit: str) -> str:
    """Return the name of the unit that holds a file's quotes; its trades have the file's own."""
    return f"{unit}-quotes"


def select(rows: dict[str, Any], mask: np.ndarray) -> dict[str, Any]:
    """Return the rows where ``mask`` is true."""
    if mask.all():
        return dict(rows)
    return {name: _chosen(values, np.flatnonzero(mask)) for name, values in rows.items()}


def _chosen(values: Any, at: np.ndarray) -> Any:
    if isinstance(values, CodedTexts):
        return values.take(at)
    return [values[i] for i in at.tolist()] if isinstance(values, list) else values[at]


def refuse_inversions(gate: Gate, rows: dict[str, Any]) -> np.ndarray:
    """Refuse ticks whose time runs back; before ids are given, which no damage may move."""
    is_kept = fewest_inversions(rows["ts"])
    for i in np.flatnonzero(~is_kept).tolist():
        detail = f"time {rows['time'][i]} is out of order among its neighbours"
        line, ts = int(rows["line"][i]), int(rows["ts"][i])
        gate.refuse("trade", line, "time_inversion", detail, ts_ns=ts)
    return is_kept


def _are_zero(texts: Sequence[str]) -> np.ndarray:
    if isinstance(texts, CodedTexts):
        return np.array([_is_zero(text) for text in texts.distinct], np.bool_)[texts.code]
    return np.array([_is_zero(text) for text in texts], np.bool_)


def _is_zero(text: str) -> bool:
    return not text.strip("0.")


def refuse_repeats(gate: Gate, rows: dict[str, Any]) -> np.ndarray:
    """Refuse ticks that repeat or contradict another of their day, center and tick id.

    Returns
    -------
    ndarray of bool, shape (n,)
        False for the refused ones. Without day code or tick id nothing can contradict.
    """
    is_kept = np.ones(len(rows["ts"]), np.bool_)
    shared = _shared_keys(rows)
    contents = {i: _content(rows, i) for i in shared}
    different: dict[Content, set[Content]] = {}
    for content in contents.values():
        different.setdefault(content[:4], set()).add(content)
    seen: set[Content] = set()
    for i, content in contents.items():
        date, day_code, center, tick_id = content[:4]
        is_conflict = day_code > 0 and tick_id > 0 and len(different[content[:4]]) > 1
        # Neither a tick id nor a total volume: nothing tells a repeat from a second trade.
        is_repeat = content in seen and (tick_id > 0 or not _is_zero(rows["total"][i]))
        seen.add(content)
        if not is_conflict and not is_repeat:
            continue
        is_kept[i] = False
        reason = "conflict" if is_conflict else "duplicate"
        what = "has two contents" if is_conflict else "is there already"
        detail = f"tick {tick_id} of market center {center} on {date} {what}"
        gate.refuse("trade", int(rows["line"][i]), reason, detail, ts_ns=int(rows["ts"][i]))
    return is_kept


Content: TypeAlias = tuple[Any, ...]
_KEY = ("date", "day_code", "center", "tick_id")


def _content(rows: dict[str, Any], i: int) -> Content:
    numbers = (*_KEY, "ts", "sign", "is_market")
    texts = ("price", "qty", "total", "bid", "ask")
    return (*(int(rows[name][i]) for name in numbers), *(rows[name][i] for name in texts))


def _shared_keys(rows: dict[str, Any]) -> list[int]:
    # Positions, in order, of the ticks that are not the only ones under their key.
    order = np.lexsort([rows[name] for name in _KEY])
    same = np.ones(max(len(order) - 1, 0), np.bool_)
    for name in _KEY:
        same &= rows[name][order][1:] == rows[name][order][:-1]
    is_shared = np.zeros(len(order), np.bool_)
    is_shared[order[1:][same]] = is_shared[order[:-1][same]] = True
    return np.flatnonzero(is_shared).tolist()


def day_ids(date: np.ndarray) -> np.ndarray:
    """Return ids that number the rows of each date from 1, after the date; dates never run back."""
    starts = np.searchsorted(date, date)
    return date * DAY_IDS + np.arange(len(date)) - starts + 1


def check_totals(instrument: Instrument, rows: dict[str, Any], counts: Counter[str]) -> list[Gap]:
    """Return the stretches in which the total volume grows by more than the ticks' sizes.

    Counts in ``counts`` steps that are smaller, and holes in the tick ids of a center's day.
    """
    (total, has_total), (size, has_size) = (_lots(instrument, rows[n]) for n in ("total", "qty"))
    told = (total > 0) & (size >= 0) & has_total & has_size
    day = np.where(rows["day_code"] > 0, rows["day_code"], rows["date"])
    known = np.flatnonzero(told)
    if len(known) < 2:
        return []
    a, b = known[:-1], known[1:]
    same = day[a] == day[b]
    extra = total[b] - total[a] - size[b]
    holes = _tick_holes(rows, day, known)
    ts = rows["ts"]
    if holes.any():
        counts["missing_tick_ids"] = int(holes.sum())
    n_less = int((same & (extra < 0)).sum())
    if n_less:
        counts["total_volume_disagrees"] = n_less
    return [
        Gap(
            kind="trade", start_ns=int(min(ts[a[i]], ts[b[i]])), end_ns=int(max(ts[a[i]], ts[b[i]])),
            first_missing_id=0, n_missing=int(holes[a[i] + 1 : b[i] + 1].sum()),
            reason="missing_volume",
        )
        for i in np.flatnonzero(same & (extra > 0)).tolist()
    ]  # fmt: skip


def _lots(instrument: Instrument, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    # Sizes in lots, and which are ones. Totals are whole numbers, and nearly each is another one.
    if isinstance(texts, CodedTexts):
        lots, is_size = _lots(instrument, texts.distinct)
        return lots[texts.code], is_size[texts.code]
    if instrument.lot_step == 1:
        numbers, is_plain = plain_digits(pa.array(texts, pa.string()))
        if is_plain.all():
            return numbers, is_plain
    lots, rejects = instrument.qtys_to_lots(texts)
    is_size = np.ones(len(lots), np.bool_)
    is_size[[i for i, _ in rejects]] = False
    return lots, is_size


def _tick_holes(rows: dict[str, Any], day: np.ndarray, known: np.ndarray) -> np.ndarray:
    # How many ids a tick skips of its center's day; protocols without center skip at will.
    holes = np.zeros(len(day), np.int64)
    order = known[np.lexsort((known, rows["center"][known], day[known]))]
    tick, center = rows["tick_id"][order], rows["center"][order]
    follows = (center[1:] == center[:-1]) & (day[order][1:] == day[order][:-1])
    follows &= (center[1:] >= 0) & (tick[:-1] > 0)
    holes[order[1:]] = np.where(follows, np.maximum(tick[1:] - tick[:-1] - 1, 0), 0)
    return holes


def trade_records(rows: dict[str, Any]) -> TradeRecords:
    """Return ordered ticks as trades for the gate."""
    none = np.full(len(rows["ts"]), -1, np.int64)
    return TradeRecords(
        line=rows["line"], trade_id=rows["id"], ts_event_ns=rows["ts"], ts_recv_ns=rows["recv"],
        price=rows["price"], qty=rows["qty"], native_sign=rows["sign"],
        is_market=rows["is_market"], first_id=none, last_id=none,
    )  # fmt: skip


def quote_records(rows: dict[str, Any], instrument: Instrument) -> QuoteRecords:
    """Return the quotes of ordered ticks for the gate, each 1 ns before its trade.

    The gate demands sizes, the feed tells none: one lot stands in until :func:`without_sizes`.
    """
    n = len(rows["ts"])
    one_lot = CodedTexts([f"{instrument.lot_step:f}"], np.zeros(n, np.int64))
    return QuoteRecords(
        line=rows["line"], quote_id=rows["id"], ts_event_ns=rows["ts"] - 1,
        ts_recv_ns=rows["recv"] - 1, ts_source=np.zeros(n, np.int64),
        bid=rows["bid"], bid_qty=one_lot, ask=rows["ask"], ask_qty=one_lot,
    )  # fmt: skip


def without_sizes(quotes: pa.Table) -> pa.Table:
    """Return quotes with sizes of 0: the feed did not tell them."""
    zeros = pa.array(np.zeros(len(quotes), np.int64))
    for name in ("bid_lots", "ask_lots"):
        at = quotes.schema.get_field_index(name)
        quotes = quotes.set_column(at, quotes.schema.field(name), zeros)
    return quotes


def with_venue_ids(trades: pa.Table, rows: dict[str, Any]) -> pa.Table:
    """Return trades with ``center:tick`` as ``venue_id``, the tick id alone without a center."""
    order = np.argsort(rows["line"], kind="stable")
    at = order[np.searchsorted(rows["line"][order], trades["line"].to_numpy())]
    center, tick = (pa.array(rows[name][at]) for name in ("center", "tick_id"))
    before = pc.binary_join_element_wise(center.cast(pa.string()), "", ":")
    before = pc.if_else(pc.greater_equal(center, 0), before, "")
    texts = pc.binary_join_element_wise(before, tick.cast(pa.string()), "")
    index = trades.schema.get_field_index("venue_id")
    return trades.set_column(index, trades.schema.field("venue_id"), texts)


def unzipped(file: SourceFile) -> SourceFile:
    """Return the only member of a zip file; every other file as it is.

    Raises
    ------
    SourceError
        The archive is damaged, or it has more members than one.
    """
    members = members_of(file)
    if len(members) != 1:
        raise SourceError(file.path, f"must hold one file of ticks, holds {len(members)}")
    return replace(file, data=members[0].file.data)
