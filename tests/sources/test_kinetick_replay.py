"""Market-replay dumps: quotes and trades in order, the zone of the PC, fractions of 100 ns."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orchestration.sources import kinetick
from orchestration.sources.kinetick import ReadSettings
from orchestration.sources.records import SourceError
from tests.sources.cases import ES, column, reasons, require_whole, source_file

# The three sample rows that users of the dump quote are gold's.
GC = replace(
    ES, symbol="GC", venue_symbol="GC", price_step=Decimal("0.1"), tick_size=Decimal("0.1")
)
QUOTED = [
    "L1;0;20210120050050;2300000;1855.8;2",
    "L1;2;20210120050200;0;1856.0;1",
    "L2;1;20210120050000;70000;0;1;MM1;1855.25;3",
]
CHICAGO = "America/Chicago"


def parse(*rows: str, zone: str = "UTC", instrument=ES, end: str = "\n"):
    settings = ReadSettings(replay_timezone=zone)
    batch = kinetick.parse_file(source_file("\n".join(rows) + end), instrument, settings)
    require_whole(batch)
    return batch


def made_dump() -> bytes:
    rows = []
    for i in range(20):
        stamp = f"202503190700{i:02d};{i * 1000}"
        rows += [
            f"L1;1;{stamp};{5997 + i % 4 / 4};{10 + i}",
            f"L1;0;{stamp};{5997.25 + i % 4 / 4};{20 + i}",
            f"L1;2;{stamp};{5997.25 + i % 4 / 4};{1 + i}",
            f"L2;{i % 2};{stamp};1;{i % 10};;5996.5;{5 + i}",
            f"L1;5;{stamp};0;{1000 + i}",
        ]
    return ("\n".join(rows) + "\n").encode()


def test_quoted_rows():
    batch = parse(*QUOTED, instrument=GC)
    assert batch.other == {"depth": 1, "one_sided": 1}
    row = batch.trades.to_pylist()[0]
    ns = int(datetime(2021, 1, 20, 5, 2, tzinfo=UTC).timestamp()) * 10**9
    assert (row["ts_event_ns"], row["price_ticks"], row["qty_lots"]) == (ns, 18560, 1)
    assert (row["trade_id"], row["native_sign"], row["line"]) == (2, 0, 2)


def test_quotes_and_trades_of_a_dump():
    batch = kinetick.parse_file(source_file(made_dump()), ES, ReadSettings(replay_timezone="UTC"))
    require_whole(batch)
    assert (len(batch.trades), len(batch.quotes)) == (20, 39)
    assert batch.other == {"daily_volume": 20, "depth": 20, "one_sided": 1}
    first = batch.quotes.to_pylist()[0]
    assert (first["bid_ticks"], first["bid_lots"]) == (23988, 10)
    assert (first["ask_ticks"], first["ask_lots"]) == (23989, 20)
    # In between, the bid has moved and the ask not yet: the order of the dump is kept.
    second = batch.quotes.to_pylist()[1]
    assert (second["bid_ticks"], second["ask_ticks"], second["line"]) == (23989, 23989, 6)


def test_a_fraction_counts_100_ns_and_is_not_padded():
    # 70000 x 100 ns = 7 ms; read as microseconds it would be 70 ms.
    batch = parse("L1;2;20210120050000;70000;5997.25;1", "L1;2;20210120050000;2300000;5997.25;1")
    base = int(datetime(2021, 1, 20, 5, tzinfo=UTC).timestamp()) * 10**9
    assert [t - base for t in column(batch.trades, "ts_event_ns")] == [7_000_000, 230_000_000]


def test_a_dump_without_a_zone_is_refused_and_told_which_fit():
    # 16:30 on the PC's clock: no zone in which that is 16:30 in Chicago.
    row = "L1;2;20210120163000;0;5997.25;1"
    with pytest.raises(SourceError, match="name the zone") as error:
        parse(row, zone="")
    assert "America/New_York" in str(error.value)
    assert CHICAGO not in str(error.value)
    with pytest.raises(SourceError, match="name the zone"):
        parse(row, zone="", instrument=replace(ES, kind="spot"))


def test_a_dump_with_a_trade_in_the_halt_is_not_of_that_zone():
    row = "L1;2;20210120163000;0;5997.25;1"
    with pytest.raises(SourceError, match=r"line 2: 1 of 2 trades.*are not America/Chicago"):
        parse("L1;2;20210120100000;0;5997.25;1", row, zone=CHICAGO)
    # In New York it is 15:30 Chicago = 21:30Z.
    batch = parse(row, zone="America/New_York")
    assert batch.first_ns == int(datetime(2021, 1, 20, 21, 30, tzinfo=UTC).timestamp()) * 10**9


def test_the_installation_names_the_zone(tmp_path, monkeypatch):
    path = tmp_path / "dump.txt"
    path.write_text("L1;2;20210120163000;0;5997.25;1\n")
    monkeypatch.delenv("ORDERFLOW_KINETICK_REPLAY_TIMEZONE", raising=False)
    with pytest.raises(SourceError, match="zone in ORDERFLOW_KINETICK_REPLAY_TIMEZONE"):
        kinetick.read([path], ES)
    monkeypatch.setenv("ORDERFLOW_KINETICK_REPLAY_TIMEZONE", CHICAGO)
    with pytest.raises(
        SourceError, match=r"Name one in ORDERFLOW_KINETICK_REPLAY_TIMEZONE.*CHECK_HALT=false"
    ):
        kinetick.read([path], ES)
    monkeypatch.setenv("ORDERFLOW_KINETICK_CHECK_HALT", "false")
    base = int(datetime(2021, 1, 20, 22, 30, tzinfo=UTC).timestamp()) * 10**9
    assert kinetick.read([path], ES)[0].first_ns == base


def test_the_locale_of_the_pc():
    rows = [row.replace(".", ",") for row in QUOTED[:2]]
    assert column(parse(*rows, instrument=GC).trades, "price_ticks") == [18560]


@pytest.mark.parametrize(
    ("row", "kind", "reason"),
    [
        ("L1;2;20250319070000;10000000;5997.25;1", "trade", "malformed"),
        ("L1;2;20250319070000;-1;5997.25;1", "trade", "malformed"),
        ("L1;2;20250319 070000;1;5997.25;1", "trade", "malformed"),
        ("L1;2;20250319076000;1;5997.25;1", "trade", "malformed"),
        ("L1;2;20250319070000;1;5997.25", "trade", "malformed"),
        ("L1;2;20250319070000;1;5997.25;1;1", "trade", "malformed"),
        ("L1;2;20250319070000;1;5997.26;1", "trade", "off_grid"),
        ("L1;2;20250319070000;1;5997.25;0", "trade", "out_of_range"),
        ("L1;2;20250319060000;1;5997.25;1", "trade", "time_inversion"),
        ("L1;1;20250319070000;1;5997,25;1", "quote", "malformed"),
        ("L1;0;20250319070000;1;5997.26;1", "quote", "off_grid"),
        ("L1;0;20250319070000;1;-5997.25;1", "quote", "out_of_range"),
        ("L1;0;19990319070000;1;5997.25;1", "quote", "out_of_range"),
        ("L1;0;20250319060000;1;5997.25;1", "quote", "time_inversion"),
        ("L1;x;20250319070000;1;5997.25;1", "unknown", "malformed"),
        ("L3;2;20250319070000;1;5997.25;1", "unknown", "malformed"),
        ("garbage", "unknown", "malformed"),
    ],
)
def test_a_damaged_row_is_one_offered_and_one_refused(row, kind, reason):
    good = [
        f"L1;{code};2025031907{minute:02d}00;0;5997.25;1" for minute in (0, 1) for code in (0, 1, 2)
    ]
    after = [line.replace("0700", "0702") for line in good[:3]]
    batch = parse(*good, row, *after)
    assert reasons(batch) == {7: reason}
    assert column(batch.quarantine, "kind") == [kind]
    assert column(batch.quotes, "line") == [2, 4, 5, 8, 9]


def test_a_last_row_without_line_end_is_truncated():
    good = "L1;2;20250319070000;0;5997.25;12"
    batch = parse(good, good, end="")
    assert reasons(batch) == {2: "truncated"}
    # A cut depth row is still a depth row.
    assert parse(good, "L2;1;2025", end="").other == {"depth": 1}
