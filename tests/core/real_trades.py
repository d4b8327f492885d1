"""Every recorded file that holds trades, as integers: small readers of their own, no code of the product.

A file gives one stream or several (one a symbol, contract or recorded reply). Prices and sizes are
whole numbers of a step: of one given, or of the finest power of ten that occurs. Times are ns; those of
local clocks are taken as they stand. A venue's aggressor gives the sign, 0 where it names none.

What no stream may hold is dropped and counted by the reasons of the data-quality gate: ``malformed``
lines, ``off_grid`` prices and sizes, ``out_of_range`` where one is not positive. In the order of the
venue's ids, or of the file where it has none, time runs back in no file; one that did would fail here.
"""

import gzip
import json
import re
import zipfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Context, Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

MAKER = {"true": -1, "false": 1}  # the buyer was resting: a sell order made the trade
SIDE = {"buy": 1, "sell": -1, "ANY": 0}
DAY_2012, DAY_2013 = (np.datetime64(day, "ns").astype(int) for day in ("2012-06-21", "2013-10-07"))
MS = 10**6
_FIFTEEN = Context(prec=15)
OFF_GRID = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Stream:
    """Trades of one symbol in the order in which they count, and how many were dropped and why."""

    name: str
    ts_ns: np.ndarray
    price_ticks: np.ndarray
    qty_lots: np.ndarray
    sign: np.ndarray
    dropped: Counter

    def __len__(self):
        return len(self.ts_ns)


# -- columns ----------------------------------------------------------------------------------------


def whole(values, step=None):
    """Decimal texts, or floats by their first 15 digits, as whole numbers of steps; or OFF_GRID."""
    encoded = _encoded(values)
    numbers = [
        _FIFTEEN.create_decimal(value) if isinstance(value, float) else Decimal(value)
        for value in encoded.dictionary.to_pylist()
    ]
    finest = min((number.normalize().as_tuple().exponent for number in numbers), default=0)
    unit = Decimal(step) if step else Decimal(1).scaleb(min(finest, 0))
    counts = [number / unit for number in numbers]
    steps = [int(count) if count == int(count) else OFF_GRID for count in counts]
    return np.array(steps, np.int64)[encoded.indices.to_numpy()]


def signs(values, meaning):
    """Words or flags as signs; an unknown word is an error."""
    encoded = _encoded(values)
    words = [meaning[str(word)] for word in encoded.dictionary.to_pylist()]
    return np.array(words, np.int8)[encoded.indices.to_numpy()]


def maker_signs(values):
    return signs(pc.utf8_lower(pa.array(values).cast(pa.string())), MAKER)


def stamps(values):
    """Dates with times as ns, whatever their zone."""
    plain = pc.utf8_rtrim(pa.array(values, pa.string()), "Z")
    return plain.cast(pa.timestamp("ns")).cast(pa.int64()).to_numpy()


def integers(values, factor=1):
    return np.array(values, np.int64) * factor


def _encoded(values):
    return pa.array(values).dictionary_encode()


def gated(name, ts, price, qty, sign, *, ids=None, dropped=()):
    """The stream of what passes, in the order of the ids."""
    columns = [np.asarray(column) for column in (ts, price, qty, sign)]
    if ids is not None:
        order = np.argsort(np.asarray(ids), kind="stable")
        assert len(np.unique(ids)) == len(ids), f"{name}: an id occurs twice"
        columns = [column[order] for column in columns]
    on_grid = (columns[1] != OFF_GRID) & (columns[2] != OFF_GRID)
    positive = (columns[1] > 0) & (columns[2] > 0)
    reasons = Counter(dropped)
    reasons["off_grid"] = int((~on_grid).sum())
    reasons["out_of_range"] = int((on_grid & ~positive).sum())
    ts, price, qty, sign = (column[positive] for column in columns)
    assert (ts[1:] >= ts[:-1]).all(), f"{name}: time runs back"
    return Stream(name, ts, price, qty, sign.astype(np.int8), +reasons)


def table(path, wanted, *, delimiter=",", has_header=True):
    """Columns of a text file as texts; without a header they are called f0, f1, ..."""
    if isinstance(path, bytes):
        source = pa.BufferReader(path)
    else:
        source = pa.input_stream(str(path), compression="detect")
    return csv.read_csv(
        source,
        csv.ReadOptions(autogenerate_column_names=not has_header),
        csv.ParseOptions(delimiter=delimiter),
        csv.ConvertOptions(include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string())),
    ).to_pydict()


# -- readers: path -> streams ---------------------------------------------------------------------


def column_files(path, *, names, unit=1, sign_of=None, has_header=True, step=None, id_name=None):
    """A text table with the columns ``names``: time, price, size and, if any, what tells the side."""
    wanted = [*names, *([id_name] if id_name else [])]
    columns = table(path, wanted, has_header=has_header)
    ts, price, qty, *side = (columns[name] for name in names)
    return [
        gated(
            "",
            stamps(ts) if unit == "date" else integers(ts, unit),
            whole(price, step),
            whole(qty),
            sign_of(side[0]) if side else np.zeros(len(ts), np.int8),
            ids=whole(columns[id_name]) if id_name else None,
        )
    ]


def sierra(path):
    """Microseconds lack leading zeros, and count on where stamps tie; TradeType 2 trades at the ask."""
    names = ["Date", "Time", "Sequence", "Price", "Volume", "TradeType"]
    days, times, ids, price, qty, kind = table(path, names, delimiter=";").values()
    clock = [time.split(".") for time in times]
    ts = stamps([f"{day} {t}.{us:0>6}" for day, (t, us) in zip(days, clock, strict=True)])
    sign = signs(kind, {"2": 1, "1": -1, "0": 0})
    return [gated("", ts, whole(price, "0.25"), whole(qty), sign, ids=whole(ids))]


def binary_columns(path, *, names, reader, unit, lot=None):
    """A parquet or feather table whose prices are floats; ``names`` end in what tells the side."""
    found = reader(path)
    ts, price, qty, side = (found.column(name).combine_chunks() for name in names)
    if unit == "date":
        ts, unit = ts.cast(pa.timestamp("ns")).cast(pa.int64()), 1
    by_maker = "maker" in names[-1]
    sign = maker_signs(side) if by_maker else signs(side, SIDE)
    return [gated("", integers(ts, unit), whole(price), whole(qty, lot), sign)]


def rest(path):
    """A reply of Binance's REST interface: trades or aggregated trades."""
    return [_reply("", json.loads(path.read_text()))]


def recorded_replies(path):
    """Replies among requests of all kinds, one stream each; some had their key ``m`` edited away."""
    streams = []
    for route, methods in json.loads(path.read_text())["routes"].items():
        if not route.lower().endswith("trades"):
            continue
        for i, reply in enumerate(methods.get("GET", [])):
            rows = reply["data"]
            if isinstance(rows, list) and rows and {"p", "price"} & set(rows[0]):
                streams.append(_reply(f"{route}[{i}]", rows))
    return streams


def _reply(name, rows):
    keys = (
        ("T", "p", "q", "m", "a")
        if "p" in rows[0]
        else ("time", "price", "qty", "isBuyerMaker", "id")
    )
    ts, price, qty, maker, ids = ([row.get(key) for row in rows] for key in keys)
    sign = signs([str(flag).lower() for flag in maker], MAKER | {"none": 0})
    return gated(name, integers(ts, MS), whole(price), whole(qty), sign, ids=ids)


def capture(path):
    """Frames of Binance's raw trades, one symbol a file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        frames = [line.split(" ", 1)[1] for line in lines if '"e":"trade"' in line]
    rows = [json.loads(frame)["data"] for frame in frames]
    ts, price, qty, maker, ids = ([row[key] for row in rows] for key in "Tpqmt")
    return [gated("", integers(ts, MS), whole(price), whole(qty), maker_signs(maker), ids=ids)]


def cryptofeed(path):
    """Frames of aggregated trades of many symbols, one stream each."""
    rows = defaultdict(list)
    for line in path.read_text().split("\n"):
        if '"e":"aggTrade"' in line:
            data = json.loads(line.split(": ", 1)[1])["data"]
            rows[data["s"]].append([data[key] for key in "Tpqma"])
    streams = []
    for symbol, found in sorted(rows.items()):
        ts, price, qty, maker, ids = zip(*found, strict=True)
        sign = maker_signs(maker)
        streams.append(gated(symbol, integers(ts, MS), whole(price), whole(qty), sign, ids=ids))
    return streams


def freqtrade_json(path):
    """Lists of (time, id, type, side, price, size, cost), or ccxt's trades with the venue's own words."""
    rows = json.loads(gzip.decompress(path.read_bytes()), parse_float=str)
    if isinstance(rows[0], dict):
        rows = [
            [row["timestamp"], row["id"], None, row["side"], row["info"]["p"], row["info"]["q"]]
            for row in rows
        ]
    ts, ids, _, side, price, qty = zip(*(row[:6] for row in rows), strict=True)
    ids = integers([int(text) for text in ids])
    return [gated("", integers(ts, MS), whole(price), whole(qty), signs(side, SIDE), ids=ids)]


def lobster(path):
    """Executions of visible (4) and hidden (5) orders; -1 names the resting sell order: a buy."""
    with zipfile.ZipFile(path) as archive:
        (member,) = (name for name in archive.namelist() if "_message_" in name)
        columns = table(archive.read(member), [f"f{i}" for i in (0, 1, 3, 4, 5)], has_header=False)
    rows = [row for row in zip(*columns.values(), strict=True) if row[1] in {"4", "5"}]
    seconds, _, qty, price, direction = zip(*rows, strict=True)
    ts = DAY_2012 + whole(seconds, "0.000000001")
    return [gated(member, ts, whole(price), whole(qty), signs(direction, {"-1": 1, "1": -1}))]


def lean(path, *, step=None):
    """Milliseconds of a day, price, size; one file of the archive a contract. No side."""
    streams = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            ts, price, qty = table(
                archive.read(member), ["f0", "f1", "f2"], has_header=False
            ).values()
            none = np.zeros(len(ts), np.int8)
            ns = DAY_2013 + integers([int(text) for text in ts], MS)
            streams.append(gated(member, ns, whole(price, step), whole(qty), none))
    return streams


IQFEED_TICK = re.compile(r"^(?:[A-Z_]+,)*((?:[0-9-]{10}|__DATE__) [0-9:.]+),([0-9.]+),([0-9]+),")


def iqfeed(path):
    """Ticks of the historical feed of any protocol: time, price and size after what may precede them."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            text = archive.read(archive.namelist()[0]).decode("ascii")
    else:
        text = path.read_text()
    lines = [line for line in text.splitlines() if "!ENDMSG!" not in line]
    found = [match.groups() for line in lines if (match := IQFEED_TICK.match(line))]
    ts, price, qty = zip(*found, strict=True)
    dropped = {"malformed": len(lines) - len(found)}
    ns = stamps([time.replace("__DATE__", "2010-01-01") for time in ts])
    return [gated("", ns, whole(price), whole(qty), np.zeros(len(ns), np.int8), dropped=dropped)]


def ninjatrader(path):
    """Quoted lines of exports: time, last, (bid, ask,) volume."""
    rows = [line.split(";") for line in path.read_text().splitlines()]
    digits = [row[0].replace(" ", "") for row in rows]
    ns = stamps(
        [
            f"{d[:4]}-{d[4:6]}-{d[6:8]} {d[8:10]}:{d[10:12]}:{d[12:14]}.{d[14:] or '0'}"
            for d in digits
        ]
    )
    price, qty = [row[1] for row in rows], [row[-1] for row in rows]
    return [gated("", ns, whole(price), whole(qty), np.zeros(len(ns), np.int8))]


DBN_HEAD = [
    ("words", "u1"),
    ("rtype", "u1"),
    ("publisher", "<u2"),
    ("instrument", "<u4"),
    ("ts", "<u8"),
]
DBN_TRADE = [("price", "<i8"), ("qty", "<u4"), ("action", "S1"), ("side", "S1")]
DBN_BODIES = {
    0: DBN_TRADE,
    1: DBN_TRADE,
    160: [("order", "<u8"), *DBN_TRADE[:2], ("flags", "u1"), ("channel", "u1"), *DBN_TRADE[2:]],
}  # by record type: trades, best quote with trades, market by order


def databento(path):
    """Records of trades (action T) of a DBN file, one stream an instrument; side B bought."""
    with pa.input_stream(str(path), compression="zstd") as stream:
        data = stream.read()
    assert data[:3] == b"DBN"
    records = data[8 + int.from_bytes(data[4:8], "little") :]
    fields = DBN_HEAD + DBN_BODIES[records[1]]
    unread = 4 * records[0] - np.dtype(fields).itemsize
    rows = np.frombuffer(records, [*fields, ("unread", f"V{unread}")])
    assert (rows["rtype"] == records[1]).all()
    assert (rows["words"] == records[0]).all()
    rows = rows[rows["action"] == b"T"]
    streams = []
    for instrument in np.unique(rows["instrument"]):
        found = rows[rows["instrument"] == instrument]
        price, inexact = np.divmod(found["price"], 250_000_000)  # ticks of 0.25 in units of 1e-9
        assert not inexact.any()
        sign = signs([side.decode() for side in found["side"]], {"B": 1, "A": -1, "N": 0})
        ts, qty = found["ts"].astype(np.int64), found["qty"].astype(np.int64)
        streams.append(gated(str(instrument), ts, price, qty, sign))
    return streams
