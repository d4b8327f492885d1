"""Tardis CSV files of trades and of best quotes (``quotes``, ``book_ticker``), plain or gzip.

The header tells what a file is; other data types are refused by name. ``timestamp`` is the
exchange's and ``local_timestamp`` the recorder's, both in microseconds. Where an exchange gives no
time Tardis repeats the recorder's: a quote whose two times are equal has no exchange time.
``side`` is the aggressor's; ``unknown`` becomes 0.

Ids that are whole numbers order the trades. Where most are not (BitMEX's), ``trade_id`` is
the line and the vendor's id becomes ``venue_id``. Which it is follows from the whole file, so a
damaged id cannot change the meaning of the others.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from orchestration.sources.gate import epoch_text_ns
from orchestration.sources.members import Member, must_be_named, read_members
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orchestration.sources.rows import (
    Rows,
    columns_of,
    quote_records,
    text_rows,
    trade_records,
    whole_number,
    with_venue_ids,
)
from orderflow_core.instrument import Instrument

NAME = "tardis"

_BOTH = ("exchange", "symbol", "timestamp", "local_timestamp")
_TRADES = frozenset((*_BOTH, "id", "side", "price", "amount"))
_QUOTES = frozenset((*_BOTH, "ask_amount", "ask_price", "bid_price", "bid_amount"))
_SYMBOL = re.compile(r"[A-Za-z0-9_.:/@ -]+")
_SIGNS = {"buy": 1, "sell": -1, "unknown": 0}
# Exchanges whose symbols repeat those of another market of the same venue.
_VENUES = {
    "binance": "binance_spot",
    "binance-futures": "binance_um",
    "binance-delivery": "binance_cm",
    "binance-us": "binance_us",
}


def fetch(instrument: Instrument, cache_dir: Path) -> list[Path]:  # noqa: ARG001  one way in
    """Refuse: the files are the user's own."""
    must_be_named(NAME, instrument)


def read(paths: Sequence[Path], instrument: Instrument) -> list[SourceBatch]:
    """Read files, one batch a file."""
    return [parse_tardis(member, instrument) for path in paths for member in read_members(path)]


def parse_tardis(member: Member, instrument: Instrument) -> SourceBatch:
    """Read one text.

    Raises
    ------
    SourceError
        The header is not that of trades or quotes, or the rows are of another market.
    """
    header = member.file.data.split(b"\n", 1)[0].removesuffix(b"\r").decode("latin-1").split(",")
    if len(set(header)) == len(header) and set(header) >= _TRADES:
        is_trades = True
    elif len(set(header)) == len(header) and set(header) >= _QUOTES:
        is_trades = False
    else:
        raise SourceError(
            member.file.path,
            "line 1 must name the columns of Tardis trades or quotes, "
            f"got {','.join(header)[:120]!r}",
        )
    kind = "trade" if is_trades else "quote"
    rows = text_rows(member, instrument, kind=kind, n_fields=(len(header),), n_header=1)
    columns = {name: i for i, name in enumerate(header)}
    _keep_symbol(rows, kind, instrument, columns)
    return (_trades if is_trades else _quotes)(rows, instrument, columns)


def _keep_symbol(rows: Rows, kind: str, instrument: Instrument, columns: dict[str, int]) -> None:
    # A row of another symbol of the same file is none of ours; one of another market is a mistake.
    wanted, at, of = instrument.venue_symbol.upper(), columns["symbol"], columns["exchange"]
    is_own: list[bool | None] = []
    for number, texts in zip(rows.number, rows.texts, strict=True):
        if _SYMBOL.fullmatch(texts[at]) is None:
            rows.gate.refuse_damaged(kind, number, f"{texts[at][:40]!r} is no symbol")
            is_own.append(None)
            continue
        own = texts[at].upper() == wanted
        is_own.append(own)
        venue = _VENUES.get(texts[of], "")
        if own and venue and instrument.venue in _VENUES.values() and venue != instrument.venue:
            raise SourceError(
                rows.member.file.path,
                f"line {number}: {texts[at]} is of {texts[of]}, but {instrument.symbol} is of "
                f"{instrument.venue}: nothing of the file is taken",
            )
    if False in is_own:
        rows.other["other_symbol"] += is_own.count(False)
    rows.number = [n for n, own in zip(rows.number, is_own, strict=True) if own]
    rows.texts = [t for t, own in zip(rows.texts, is_own, strict=True) if own]


def _trades(rows: Rows, instrument: Instrument, columns: dict[str, int]) -> SourceBatch:
    at = [columns[name] for name in ("timestamp", "local_timestamp", "id", "side")]
    ids = [whole_number(texts[columns["id"]]) for texts in rows.texts]
    has_ids = 2 * ids.count(None) < len(ids)
    kept: list[tuple[int, int, int, int, int, list[str]]] = []
    for number, texts, trade_id in zip(rows.number, rows.texts, ids, strict=True):
        ts, recv = epoch_text_ns(texts[at[0]]), epoch_text_ns(texts[at[1]])
        sign = _SIGNS.get(texts[at[3]])
        if ts is None or recv is None or sign is None or (has_ids and trade_id is None):
            detail = (
                "needs two times, a side of buy, sell or unknown, and an id like its neighbours'"
            )
            rows.gate.refuse_damaged("trade", number, detail, ts_ns=ts or 0, ts_recv_ns=recv or 0)
        else:
            own_id = trade_id if has_ids and trade_id is not None else number
            kept.append((number, own_id, ts, recv, sign, texts))
    line, trade_ids, times, received, signs, fields = columns_of(kept, 6)
    records = trade_records(
        line=line, trade_id=trade_ids, ts_event_ns=times, ts_recv_ns=received, native_sign=signs,
        price=[texts[columns["price"]] for texts in fields],
        qty=[texts[columns["amount"]] for texts in fields],
    )  # fmt: skip
    trades, gaps = rows.gate.pass_trades(
        records, source=NAME, unit=rows.member.file.unit,
        id_step=instrument.max_id_step if has_ids else 0,
    )  # fmt: skip
    if not has_ids:
        venue_ids = {number: texts[at[2]] for number, _, _, _, _, texts in kept}
        trades = with_venue_ids(trades, venue_ids)
    return make_batch(
        path=rows.member.file.path, instrument=instrument, source=NAME, unit=rows.member.file.unit,
        n_lines=rows.n_lines, trades=trades, gaps=gaps, rejects=rows.gate.rejects,
        other=dict(rows.other),
    )  # fmt: skip


def _quotes(rows: Rows, instrument: Instrument, columns: dict[str, int]) -> SourceBatch:
    names = ("bid_price", "bid_amount", "ask_price", "ask_amount")
    at = [columns[name] for name in names]
    kept: list[tuple[int, int, int, list[str]]] = []
    for number, texts in zip(rows.number, rows.texts, strict=True):
        ts = epoch_text_ns(texts[columns["timestamp"]])
        recv = epoch_text_ns(texts[columns["local_timestamp"]])
        quote = [texts[i] for i in at]
        if ts is None or recv is None:
            detail = "needs two times in microseconds"
            rows.gate.refuse_damaged("quote", number, detail, ts_ns=ts or 0, ts_recv_ns=recv or 0)
        elif quote[:2] == ["", ""] or quote[2:] == ["", ""]:
            rows.other["one_sided"] += 1
        else:
            kept.append((number, ts, recv, quote))
    line, times, received, quotes = columns_of(kept, 4)
    bid, bid_qty, ask, ask_qty = columns_of(quotes, 4)
    records = quote_records(
        line=line, ts_event_ns=times, ts_recv_ns=received,
        ts_source=[int(ts == recv) for ts, recv in zip(times, received, strict=True)],
        bid=bid, bid_qty=bid_qty, ask=ask, ask_qty=ask_qty,
    )  # fmt: skip
    passed = rows.gate.pass_quotes(records, source=NAME, unit=rows.member.file.unit)
    return make_batch(
        path=rows.member.file.path, instrument=instrument, source=NAME, unit=rows.member.file.unit,
        n_lines=rows.n_lines, quotes=passed, rejects=rows.gate.rejects, other=dict(rows.other),
    )  # fmt: skip
