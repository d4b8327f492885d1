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

import numpy as np
import pyarrow.compute as pc

from orchestration.sources.members import Member, must_be_named, read_members
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orchestration.sources.rows import quote_records, trade_records, with_venue_ids
from orchestration.sources.text_columns import (
    TextColumns,
    coded,
    epoch_times,
    judged,
    text_columns,
    whole_numbers,
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
    wanted = sorted(_TRADES if is_trades else _QUOTES)
    rows = text_columns(member, instrument, kind=kind, names=header, wanted=wanted)
    _keep_symbol(rows, kind, instrument)
    return (_trades if is_trades else _quotes)(rows, instrument)


def _keep_symbol(rows: TextColumns, kind: str, instrument: Instrument) -> None:
    # A row of another symbol of the same file is none of ours; one of another market is a mistake.
    wanted = instrument.venue_symbol.upper()
    symbols = rows.fields["symbol"]
    is_own, is_symbol = judged(
        symbols, lambda text: int(text.upper() == wanted) if _SYMBOL.fullmatch(text) else None
    )
    is_mine = is_own == 1
    if instrument.venue in _VENUES.values():
        is_here, _ = judged(
            rows.fields["exchange"],
            lambda text: int(_VENUES.get(text, "") in ("", instrument.venue)),
        )
        for i in np.flatnonzero(is_mine & (is_here == 0))[:1].tolist():
            raise SourceError(
                rows.member.file.path,
                f"line {rows.number[i]}: {symbols[i]} is of {rows.fields['exchange'][i]}, but "
                f"{instrument.symbol} is of {instrument.venue}: nothing of the file is taken",
            )
    for i in np.flatnonzero(~is_symbol).tolist():
        detail = f"{symbols[i].as_py()[:40]!r} is no symbol"
        rows.gate.refuse_damaged(kind, int(rows.number[i]), detail)
    if n_others := int((is_symbol & ~is_mine).sum()):
        rows.other["other_symbol"] += n_others
    rows.keep(is_mine)


def _trades(rows: TextColumns, instrument: Instrument) -> SourceBatch:
    fields = rows.fields
    ts, has_ts = epoch_times(fields["timestamp"])
    recv, has_recv = epoch_times(fields["local_timestamp"])
    ids, is_number = whole_numbers(fields["id"])
    sign, has_sign = judged(fields["side"], _SIGNS.get)
    has_ids = 2 * int((~is_number).sum()) < len(ids)
    is_good = has_ts & has_recv & has_sign & (is_number | (not has_ids))
    detail = "needs two times, a side of buy, sell or unknown, and an id like its neighbours'"
    _refuse(rows, "trade", ~is_good, detail, ts * has_ts, recv * has_recv)
    line = rows.number[is_good]
    records = trade_records(
        line=line, trade_id=ids[is_good] if has_ids else line, ts_event_ns=ts[is_good],
        ts_recv_ns=recv[is_good], native_sign=sign[is_good],
        price=coded(fields["price"]).take(is_good), qty=coded(fields["amount"]).take(is_good),
    )  # fmt: skip
    trades, gaps = rows.gate.pass_trades(
        records, source=NAME, unit=rows.member.file.unit,
        id_step=instrument.max_id_step if has_ids else 0,
    )  # fmt: skip
    if not has_ids:
        texts = fields["id"].to_pylist()
        trades = with_venue_ids(trades, dict(zip(rows.number.tolist(), texts, strict=True)))
    return make_batch(
        path=rows.member.file.path, instrument=instrument, source=NAME, unit=rows.member.file.unit,
        n_lines=rows.n_lines, trades=trades, gaps=gaps, rejects=rows.gate.rejects,
        other=dict(rows.other),
    )  # fmt: skip


def _refuse(
    rows: TextColumns, kind: str, is_bad: np.ndarray, detail: str, ts: np.ndarray, recv: np.ndarray
) -> None:
    for i in np.flatnonzero(is_bad).tolist():
        rows.gate.refuse_damaged(
            kind, int(rows.number[i]), detail, ts_ns=int(ts[i]), ts_recv_ns=int(recv[i])
        )


def _quotes(rows: TextColumns, instrument: Instrument) -> SourceBatch:
    fields = rows.fields
    ts, has_ts = epoch_times(fields["timestamp"])
    recv, has_recv = epoch_times(fields["local_timestamp"])
    is_timed = has_ts & has_recv
    detail = "needs two times in microseconds"
    _refuse(rows, "quote", ~is_timed, detail, ts * has_ts, recv * has_recv)
    empty = {
        name: pc.equal(fields[name], "").to_numpy(zero_copy_only=False)
        for name in ("bid_price", "bid_amount", "ask_price", "ask_amount")
    }
    is_one_sided = (empty["bid_price"] & empty["bid_amount"]) | (
        empty["ask_price"] & empty["ask_amount"]
    )
    if n_one_sided := int((is_timed & is_one_sided).sum()):
        rows.other["one_sided"] += n_one_sided
    kept = is_timed & ~is_one_sided
    records = quote_records(
        line=rows.number[kept], ts_event_ns=ts[kept], ts_recv_ns=recv[kept],
        ts_source=(ts == recv)[kept].astype(np.int64),
        bid=coded(fields["bid_price"]).take(kept), bid_qty=coded(fields["bid_amount"]).take(kept),
        ask=coded(fields["ask_price"]).take(kept), ask_qty=coded(fields["ask_amount"]).take(kept),
    )  # fmt: skip
    passed = rows.gate.pass_quotes(records, source=NAME, unit=rows.member.file.unit)
    return make_batch(
        path=rows.member.file.path, instrument=instrument, source=NAME, unit=rows.member.file.unit,
        n_lines=rows.n_lines, quotes=passed, rejects=rows.gate.rejects, other=dict(rows.other),
    )  # fmt: skip
