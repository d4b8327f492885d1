from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.sources.day_split import split_by_day
from orchestration.sources.records import GAPS, QUARANTINE, QUOTES, TRADES
from orchestration.storage import tables
from orderflow_core.instrument import DAY_NS, Sessions
from tests.sources.cases import MS, PERP, T0_MS, column, parse, quote, trade

# T0 is 22:13:20 UTC: midnight comes 6,400,000 ms later.
MIDNIGHT = 6_400_000


def test_schemas_are_those_of_the_store():
    for name, schema in (
        ("raw.trades", TRADES), ("raw.quotes", QUOTES), ("raw.gaps", GAPS),
        ("raw.quarantine", QUARANTINE),
    ):  # fmt: skip
        assert tables.TABLES[name].arrow_schema().equals(schema)


def test_days_are_cut_at_midnight():
    batch = parse(
        [trade(1), trade(2, ms=MIDNIGHT - 1), trade(3, ms=MIDNIGHT), quote(1, ms=MIDNIGHT), ""]
    )
    days = split_by_day(batch, PERP)
    assert list(days) == [date(2023, 11, 14), date(2023, 11, 15)]
    first, second = days.values()
    assert column(first.trades, "trade_id") == [1, 2]
    assert (len(second.trades), len(second.quotes)) == (1, 1)
    assert (first.offered, second.offered) == (2, 2)
    assert (first.other, second.other) == ({"blank": 1}, {})
    assert (second.first_ns, second.last_ns) == ((T0_MS + MIDNIGHT) * MS,) * 2


def test_refused_records_find_a_day():
    off = {"p": "100.001"}
    batch = parse(
        [
            trade(1),
            trade(2, ms=MIDNIGHT, **off),  # its own time says tomorrow, where something is stored
            "garbage",  # no time: the day of the record before it in the file
            trade(3, ms=MIDNIGHT + 1),
            "garbage",
            trade(4, ms=30 * MIDNIGHT, **off),  # a day on which nothing is stored is no day
        ]
    )
    first, second = split_by_day(batch, PERP).values()
    assert column(first.quarantine, "line") == [3]
    assert column(second.quarantine, "line") == [2, 5, 6]
    assert len(first.quarantine_ns) == 1


def test_refused_records_alone_still_have_a_day():
    off = {"p": "100.001"}
    batch = parse(["garbage", trade(1, **off), trade(2, ms=MIDNIGHT, **off), "garbage"])
    days = split_by_day(batch, PERP)
    assert [column(part.quarantine, "line") for part in days.values()] == [[1, 2], [3, 4]]
    only = parse([trade(1)[:80]])  # a receive time is all that is left
    assert list(split_by_day(only, PERP)) == [date(2023, 11, 14)]


def test_a_gap_over_midnight_is_on_both_days():
    batch = parse([trade(1), trade(9, ms=2 * MIDNIGHT), trade(20, ms=2 * MIDNIGHT + 5)])
    first, second = split_by_day(batch, PERP).values()
    border = (T0_MS + MIDNIGHT) * MS
    assert column(first.gaps, "start_ns") == [T0_MS * MS]
    assert column(first.gaps, "end_ns") == [border]
    assert column(second.gaps, "start_ns") == [border, (T0_MS + 2 * MIDNIGHT) * MS]
    assert column(second.gaps, "n_missing") == [7, 10]


def test_an_empty_batch_has_no_day():
    assert split_by_day(parse([""]), PERP) == {}


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=12))
def test_days_add_up_to_the_batch(steps):
    now, lines = 0, []
    for i, (step, is_bad) in enumerate(steps):
        now += step * 1_000_000
        lines.append(trade(3 * i, ms=now, **({"p": "0"} if is_bad else {})))
    batch = parse(lines)
    days = split_by_day(batch, PERP)
    for name in ("offered", "stored", "quarantined", "n_lines"):
        assert sum(getattr(part, name) for part in days.values()) == (
            getattr(batch, name) if days else 0
        )
    assert [i for part in days.values() for i in column(part.trades, "trade_id")] == column(
        batch.trades, "trade_id"
    )
    for day, part in days.items():
        assert (PERP.trading_day_of(part.trades["ts_event_ns"].to_numpy()) == (day - date(1970, 1, 1)).days).all()  # fmt: skip
        assert (column(part.gaps, "end_ns") >= np.array(column(part.gaps, "start_ns"))).all()


def test_sessions_mark_and_move_what_lies_outside():
    day = (T0_MS * MS) // DAY_NS
    closes = T0_MS * MS + 10 * MS
    sessions = Sessions(
        day=np.array([day, day + 1]),
        open_ns=np.array([day * DAY_NS, closes + 50 * MS]),
        close_ns=np.array([closes, closes + DAY_NS]),
    )
    roll = replace(
        PERP, day_rule="roll", calendar="T", sessions=sessions, lot_step=Decimal("0.001")
    )
    batch = parse([trade(1), trade(2, ms=10), trade(3, ms=60), trade(4, ms=300_000_000)], roll)
    assert column(batch.trades, "is_outside_session") == [0, 1, 0]
    assert batch.counts == {"trades_outside_session": 1}
    # A time that the calendar does not reach is refused, it does not stop the file.
    assert column(batch.quarantine, "reason") == ["out_of_range"]
    assert [column(p.trades, "trade_id") for p in split_by_day(batch, roll).values()] == [
        [1],
        [2, 3],
    ]


def test_a_gap_needs_both_its_ends():
    assert not len(parse([trade(1)]).gaps)
    with pytest.raises(KeyError):
        parse([trade(1)]).gaps["day"]
