"""Golden counts of every recorded stream: what each file offers, stores and counts aside."""

import gzip
import json
import re
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from orchestration.instruments import load_instruments
from orchestration.sources.capture import read_capture
from orchestration.sources.day_split import split_by_day
from orchestration.sources.records import SourceError
from tests.sources.cases import column, require_whole

KNOWN = load_instruments()
SEC = 10**9

# file, symbol: trades, quotes, updates and snapshots of the book and other lines, first and last ms,
# trades of each UTC day
RECORDED = {
    ("cm/btcusd_perp_20240808.gz", "BTCUSD_PERP"):
        (2286, 19136, {"depth": 26847, "snapshot": 1}, 1723161257465, 1723161601073, [2285, 1]),
    ("cm/btcusd_perp_20240809.gz", "BTCUSD_PERP"):
        (2949, 29219, {"depth": 17948}, 1723161601262, 1723161904776, [2949]),
    ("cm/ethusd_perp_20240808.gz", "ETHUSD_PERP"):
        (1732, 15812, {"depth": 22909, "snapshot": 1}, 1723161257450, 1723161601117, [1732, 0]),
    ("spot/btcusdt_20230405.dat.gz", "BTCUSDT.SPOT"):
        (3144, 8015, {"depth": 3929}, 1680652799999, 1680653214585, [1, 3143]),
    ("spot/btcusdt_20240808.gz", "BTCUSDT.SPOT"):
        (9757, 28040, {"depth": 3451, "snapshot": 1}, 1723161254087, 1723161601271, [9738, 19]),
    ("spot/btcusdt_20240809.gz", "BTCUSDT.SPOT"):
        (10147, 45134, {"depth": 3044}, 1723161600001, 1723161905800, [10147]),
    ("spot/ethusdt_20240808.gz", "ETHUSDT.SPOT"):
        (6106, 24077, {"depth": 3434, "snapshot": 1}, 1723161254024, 1723161600982, [6098, 8]),
    ("usdm/btcusdt_20230404.dat.gz", "BTCUSDT"):
        (2197, 6765, {"depth": 4322, "markPrice": 99, "snapshot": 1},
         1680652700430, 1680652799996, [2197]),
    ("usdm/btcusdt_20230405.dat.gz", "BTCUSDT"):
        (10738, 37440, {"depth": 11788, "markPrice": 415}, 1680652800089, 1680653214645, [10738]),
    ("usdm/btcusdt_20240718.gz", "BTCUSDT"):
        (974, 7113, {"depth": 3326, "snapshot": 1}, 1721347022507, 1721347200456, [974, 0]),
    ("usdm/btcusdt_20240719.gz", "BTCUSDT"):
        (9727, 45147, {"depth": 5696}, 1721347202812, 1721347502290, [9727]),
    ("usdm/ethusdt_20240718.gz", "ETHUSDT"):
        (1640, 9089, {"depth": 3273, "snapshot": 1}, 1721347022561, 1721347199923, [1640]),
    ("usdm/ethusdt_20240719.gz", "ETHUSDT"):
        (12015, 38239, {"depth": 5656}, 1721347202808, 1721347502289, [12015]),
    ("usdm/ethusdt_20240808.gz", "ETHUSDT"):
        (14076, 53992, {"depth": 6586, "snapshot": 1}, 1723161256310, 1723161601054, [14051, 25]),
}  # fmt: skip

# file: {symbol: (trades, quotes)}, other lines but those of other symbols
CRYPTOFEED = {
    "BINANCE-b38f7c.0": (
        {"DENTUSDT.SPOT": (716, 1734), "ZILUSDT.SPOT": (331, 1161)},
        {"blank": 1, "control": 12, "depth": 4709}, 1240,
    ),
    "BINANCE-ee25be.0": (
        {"BTCUSDT.SPOT": (1227, 0), "ETHUSDT.SPOT": (506, 0), "DOTUSDT.SPOT": (177, 0)},
        {"control": 4, "depth": 2688, "kline": 118}, 1910,
    ),
    "BINANCE.ws.1.b.0": (
        {"VETETH.SPOT": (5, 235)}, {"blank": 2, "control": 1, "depth": 614, "kline": 20}, 24,
    ),
    "BINANCE_DELIVERY.ws.7.0": (
        {"BTCUSD_PERP": (68, 1273)}, {"blank": 2, "control": 1, "depth": 2429}, 131,
    ),
    "BINANCE_FUTURES-1125a2.0": (
        {"NEOUSDT": (180, 1277), "SANDUSDT": (166, 702)}, {"control": 7, "depth": 4423}, 574,
    ),
    "BINANCE_FUTURES.ws.5.0": (
        {"DENTUSDT": (81, 383)}, {"blank": 2, "control": 1, "depth": 1016, "kline": 99}, 185,
    ),
    "BINANCE_US-63b290.0": (
        {"BTCUSD.BINANCEUS": (110, 1477)}, {"control": 12, "depth": 3196}, 188,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "symbol"), RECORDED, ids=[name for name, _ in RECORDED])
def test_recorded_stream(test_data, name, symbol):
    known = KNOWN[symbol]
    path = test_data / "binance_ws" / "hftbacktest" / name
    trades, quotes, counted, first_ms, last_ms, per_day = RECORDED[name, symbol]
    n_updates, n_snapshots = counted["depth"], counted.get("snapshot", 0)
    other = {k: n for k, n in counted.items() if k not in ("depth", "snapshot")}
    batch = read_capture(path, known)
    require_whole(batch)
    assert (len(batch.trades), len(batch.quotes), batch.quarantined) == (trades, quotes, 0)
    assert batch.offered == trades + quotes
    assert batch.other == other
    assert (batch.first_ns // 10**6, batch.last_ns // 10**6) == (first_ms, last_ms)
    days = split_by_day(batch, known).values()  # the book alone may reach into one more
    assert [len(part.trades) for part in days if part.offered] == per_day
    assert batch.depth_offered == batch.depth_stored == n_updates + n_snapshots
    is_snapshot = (batch.depth["is_snapshot"].to_numpy() == 1) & (
        batch.depth["change_idx"].to_numpy() == 0
    )
    assert np.count_nonzero(is_snapshot) == n_snapshots
    # One print of the insurance fund in all of them; no gap but that before the book's snapshot,
    # which stands first in one file; no crossed or locked quote.
    is_2023 = name == "usdm/btcusdt_20230405.dat.gz"
    gaps = {} if name == "usdm/btcusdt_20230404.dat.gz" else {"gaps": 1}
    assert batch.counts == ({"trades_without_order": 1} if is_2023 else {}) | gaps
    assert set(column(batch.gaps, "reason")) <= {"no_snapshot"}
    assert set(column(batch.trades, "native_sign")) == {-1, 1}
    assert set(column(batch.quotes, "ts_source")) == {int("spot" in name)}
    require_equal_to_plain_reading(path, batch, known)


def require_equal_to_plain_reading(path, batch, known):
    # Independent of the reader: json, Decimal, and a dict by id.
    plain = {}
    with gzip.open(path, "rt") as lines:
        for line in lines:
            if '@trade"' in line:
                data = json.loads(line[line.index("{") :])["data"]
                plain[data["t"]] = data
    rows = batch.trades.select(
        ["trade_id", "ts_event_ns", "price_ticks", "qty_lots", "native_sign"]
    )
    for row in rows.to_pylist():
        data = plain.pop(row["trade_id"])
        assert row["ts_event_ns"] == data["T"] * 10**6
        assert row["price_ticks"] * known.price_step == Decimal(data["p"])
        assert row["qty_lots"] * known.lot_step == Decimal(data["q"])
        assert row["native_sign"] == (-1 if data["m"] else 1)
    assert not plain


@pytest.mark.parametrize("name", CRYPTOFEED)
def test_recorded_lines_with_epoch_seconds(test_data, name):
    symbols, other, _ = CRYPTOFEED[name]
    for symbol, (trades, quotes) in symbols.items():
        batch = read_capture(test_data / "binance_ws" / "cryptofeed" / name, KNOWN[symbol])
        require_whole(batch)
        assert (len(batch.trades), len(batch.quotes), batch.quarantined) == (trades, quotes, 0)
        own = {"depth": batch.other["depth"] + batch.depth_stored}
        assert {k: n for k, n in (batch.other | own).items() if k != "other_symbol"} == other
        assert set(column(batch.gaps, "kind")) <= {"depth"}  # the files have no reconnect either
        assert batch.depth_quarantined == 0
        assert all(column(batch.trades, "venue_id"))  # aggregates: which fills they cover
        delay = np.median(
            batch.trades["ts_recv_ns"].to_numpy() - batch.trades["ts_event_ns"].to_numpy()
        )
        assert abs(delay) < 5 * SEC  # two of the recorders' clocks were behind the venue's


@pytest.mark.parametrize("name", CRYPTOFEED)
def test_every_aggregate_of_every_symbol_is_read(test_data, name):
    path = test_data / "binance_ws" / "cryptofeed" / name
    found = Counter(re.findall(rb'"e":"aggTrade".*?"s":"([A-Z0-9_]+)"', path.read_bytes()))
    fine = {
        "price_step": Decimal("1e-8"),
        "tick_size": Decimal("1e-8"),
        "lot_step": Decimal("1e-8"),
    }
    n_trades = 0
    for symbol, n in found.items():
        text = symbol.decode()
        base = KNOWN[
            "BTCUSDT.SPOT"
            if name.startswith(("BINANCE-", "BINANCE.", "BINANCE_US"))
            else "BTCUSD_PERP"
            if "DELIVERY" in name
            else "BTCUSDT"
        ]
        known = replace(base, symbol=text, venue_symbol=text, **fine)
        batch = read_capture(path, known)
        require_whole(batch)
        assert (len(batch.trades), batch.quarantined) == (n, 0)
        n_trades += n
    assert n_trades == CRYPTOFEED[name][2]


WRONG_MARKET = [
    ("hftbacktest/usdm/btcusdt_20240718.gz", "BTCUSDT.SPOT", "futures", "BTCUSDT"),
    ("hftbacktest/spot/btcusdt_20240808.gz", "BTCUSDT", "spot", "BTCUSDT.SPOT"),
    ("cryptofeed/BINANCE-b38f7c.0", "DENTUSDT", "spot", "DENTUSDT.SPOT"),
    ("cryptofeed/BINANCE_FUTURES.ws.5.0", "DENTUSDT.SPOT", "futures", "DENTUSDT"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "symbol", "found", "meant"), WRONG_MARKET)
def test_a_file_of_the_other_market_is_refused(test_data, name, symbol, found, meant):
    known = KNOWN[symbol]
    with pytest.raises(SourceError) as refused:
        read_capture(test_data / "binance_ws" / name, known)
    said = str(refused.value)
    assert re.search(rf"{name}: line \d+: the {known.venue_symbol} frames are {found}", said)
    assert f"{symbol} is {known.kind}" in said
    assert said.endswith(f"Was --symbol {meant} meant?")


def test_tiny_prices(test_data):
    path = test_data / "binance_ws" / "cryptofeed" / "BINANCE.ws.1.b.0"
    batch = read_capture(path, KNOWN["VETETH.SPOT"])
    # 0.00009402 ETH = 9,402 steps of 1e-8.
    assert column(batch.trades, "price_ticks")[0] == 9402
