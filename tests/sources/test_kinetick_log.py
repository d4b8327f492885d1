"""Logs of the live bridge: messages, holes, contracts, and the messages themselves."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.sources import kinetick
from orchestration.sources.kinetick.wire import (
    MAX_SEQ,
    WireError,
    iso_100ns,
    parse_message,
    subscription,
)
from tests.sources.cases import ES, column, reasons, require_whole, source_file

T0 = 1_742_367_600_000_000_000  # 2025-03-19 07:00:00Z
SEC = 10**9
FIRST = 1_742_360_000_000_001
INST = "ES 06-25"


def line(message: dict, *, at: int = 0) -> str:
    return f"{T0 + at * SEC + 1000} {json.dumps(message, separators=(',', ':'))}"


def trade(n: int, *, at: int = 0, **more) -> dict:
    return {
        "v": 1, "type": "L", "inst": INST, "seq": FIRST + n, "ts": iso_100ns(T0 + at * SEC),
        "px": "5997.25", "vol": "3", "bid": "5997.00", "ask": "5997.25",
    } | more  # fmt: skip


def quote(n: int, *, at: int = 0, **more) -> dict:
    return {
        "v": 1, "type": "B", "inst": INST, "seq": FIRST + n, "ts": iso_100ns(T0 + at * SEC),
        "bid": "5997.00", "bidvol": "10", "ask": "5997.25", "askvol": "20",
    } | more  # fmt: skip


def heartbeat(n: int, *, at: int = 0) -> dict:
    return {"v": 1, "type": "P", "inst": INST, "seq": FIRST + n, "ts": iso_100ns(T0 + at * SEC)}


def hello(first: int, after: int | None = None, *, at: int = 0, restart: bool = False) -> dict:
    return {
        "v": 1, "type": "H", "inst": INST, "after": 0 if after is None else FIRST + after,
        "after_ts": "" if after is None else iso_100ns(T0 + at * SEC), "first": FIRST + first,
        "restart": restart,
    }  # fmt: skip


def made_log() -> bytes:
    rows = [line(hello(0))]
    for i in range(0, 48, 2):
        rows += [line(quote(i, at=i), at=i), line(trade(i + 1, at=i), at=i)]
        rows.append(line(heartbeat(i + 1, at=i), at=i))
    return ("\n".join(rows) + "\n").encode()


def parse(*messages: dict | str, end: str = "\n"):
    rows = [m if isinstance(m, str) else line(m) for m in messages]
    batch = kinetick.parse_file(source_file("\n".join(rows) + end), ES)
    require_whole(batch)
    return batch


def gaps(batch) -> list[tuple]:
    names = ("kind", "start_ns", "end_ns", "first_missing_id", "n_missing", "reason")
    rows = batch.gaps.to_pylist()
    found = [tuple(row[name] for name in names) for row in rows]
    assert {g[1:] for g in found if g[0] == "trade"} == {g[1:] for g in found if g[0] == "quote"}
    return [
        ((start - T0) // SEC, (end - T0) // SEC, first - FIRST, reason)
        for kind, start, end, first, n, reason in found
        if kind == "trade" and n == 0
    ]


def test_messages_in_full():
    batch = parse(hello(0), quote(0), trade(1), heartbeat(1))
    assert batch.other == {"heartbeat": 1, "hello": 1}
    assert batch.trades.to_pylist() == [{
        "ts_event_ns": T0, "ts_recv_ns": T0 + 1000, "trade_id": FIRST + 1, "venue_id": "",
        "price_ticks": 23989, "qty_lots": 3, "native_sign": 1, "is_market": 1,
        "is_outside_session": 0, "source": "kinetick", "unit": "0" * 64, "line": 3,
    }]  # fmt: skip
    row = batch.quotes.to_pylist()[0]
    assert (row["quote_id"], row["ts_source"], row["line"]) == (FIRST, 0, 2)
    assert (row["bid_ticks"], row["bid_lots"], row["ask_ticks"], row["ask_lots"]) == (
        23988, 10, 23989, 20,
    )  # fmt: skip
    assert not len(batch.gaps)


@pytest.mark.parametrize(
    ("bid", "ask", "sign"),
    [("5997.25", "5997.50", -1), ("5997.00", "5997.50", 0), ("", "", 0), ("", "5997.25", 1)],
)
def test_both_signs(bid, ask, sign):
    assert column(parse(trade(0, bid=bid, ask=ask)).trades, "native_sign") == [sign]


def test_a_repeated_message_is_a_duplicate_and_a_changed_one_a_conflict():
    assert reasons(parse(trade(0), trade(1), trade(1))) == {3: "duplicate"}
    assert reasons(parse(trade(0), trade(1), trade(1, px="5997.50"))) == {
        2: "conflict", 3: "conflict",
    }  # fmt: skip


def test_an_old_message_between_new_ones_is_no_gap():
    batch = parse(trade(0), trade(1), trade(2), trade(1), heartbeat(1), trade(3))
    assert reasons(batch) == {4: "duplicate"}
    assert not len(batch.gaps)


def test_a_skipped_number_is_a_gap_of_trades_and_quotes():
    batch = parse(trade(0, at=1), quote(4, at=5), trade(5, at=6))
    assert gaps(batch) == [(1, 5, 1, "missing_ids")]
    assert batch.counts["missing_messages"] == 3


def test_a_heartbeat_tells_of_messages_that_never_came():
    batch = parse(trade(0, at=1), heartbeat(2, at=3), trade(3, at=4))
    assert gaps(batch) == [(1, 3, 1, "missing_ids")]
    assert batch.counts["missing_messages"] == 2
    batch = parse(trade(0, at=1), heartbeat(1, at=3), trade(2, at=4))
    assert gaps(batch) == [(1, 3, 1, "missing_ids")]
    assert batch.counts["missing_messages"] == 1


def test_a_hello_declares_what_is_missing_before_its_segment():
    batch = parse(hello(10, after=3, at=2), trade(10, at=8))
    assert gaps(batch) == [(2, 8, 4, "missing_ids")]
    assert batch.counts["missing_messages"] == 6
    assert not len(parse(hello(4, after=3, at=2), trade(4, at=8)).gaps)
    assert not len(parse(hello(4), trade(4, at=8)).gaps)


def test_a_restarted_add_on_cannot_say_how_many():
    batch = parse(hello(10**9, after=3, at=2, restart=True), trade(10**9, at=8))
    assert gaps(batch) == [(2, 8, 4, "restart")]
    assert "missing_messages" not in batch.counts


def test_a_damaged_message_is_refused_and_leaves_a_gap():
    bad = line(trade(1, at=1)).replace('"px"', '"p')
    batch = parse(trade(0, at=0), bad, trade(2, at=2))
    assert reasons(batch) == {2: "malformed"}
    assert column(batch.quarantine, "kind") == ["trade"]
    assert gaps(batch) == [(0, 2, 1, "missing_ids")]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (trade(1, px="5997.26"), "off_grid"),
        (trade(1, bid="5997.01"), "off_grid"),
        (trade(1, px="5997,25"), "malformed"),
        (trade(1, ask="x"), "malformed"),
        (trade(1, ask="x", px="y"), "malformed"),
        (trade(1, vol="0"), "out_of_range"),
        (trade(1, px=5997.25), "malformed"),
        (trade(1, seq=True), "malformed"),
        (trade(1, seq=0), "malformed"),
        (trade(1, v=2), "malformed"),
        (trade(1, type="X"), "malformed"),
        (trade(1, ts="2025-03-19T07:00:00Z"), "malformed"),
        (trade(1, ts="2025-02-30T07:00:00.0000000Z"), "malformed"),
        (quote(1, bid="0"), "out_of_range"),
        (quote(1, askvol="1.5"), "off_grid"),
        (trade(1, at=-9), "time_inversion"),
        ("x " + line(trade(1)), "malformed"),
        ("12 " + line(trade(1)).split(" ", 1)[1], "malformed"),
        (line(trade(1)).replace('"seq"', '"v"'), "malformed"),
        (line(trade(1)).replace('"vol"', '"px":"5997.50","vol"'), "malformed"),
    ],
)
def test_a_damaged_message_is_one_offered_and_one_refused(message, reason):
    batch = parse(trade(0), quote(0), message, trade(2), quote(3))
    assert reasons(batch) == {3: reason}
    assert batch.stored == 4


def test_other_contracts_and_a_cut_last_line():
    other = trade(1, inst="ES 09-25")
    batch = parse(trade(0), trade(1), other, trade(2, inst="NQ 06-25"))
    assert batch.other == {"other_symbol": 2}
    assert batch.stored == 2
    cut = line(trade(1))[:60]
    assert reasons(parse(trade(0), cut, end="")) == {2: "truncated"}
    refusal = {"v": 1, "type": "E", "code": "busy", "detail": "later"}
    assert parse(trade(0), refusal).other == {"refusal": 1}


@given(st.integers(0, 3_000_000_000 * 10**7))
def test_times_go_out_and_back(ticks):
    ns = 946_684_800 * SEC + ticks * 100
    message = parse_message(json.dumps(trade(0) | {"ts": iso_100ns(ns)}).encode())
    assert message.ts_ns == ns


def test_the_subscription_line():
    assert subscription("ES 06-25", 0, 5) == (
        b'{"v":1,"type":"S","inst":"ES 06-25","after":0,"after_ts":""}\n'
    )
    assert json.loads(subscription("ES 06-25", 7, T0)) == {
        "v": 1, "type": "S", "inst": "ES 06-25", "after": 7,
        "after_ts": "2025-03-19T07:00:00.0000000Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"[]", b"1", b"\xff", b'{"v":1}', b"[" * 100_000,
        json.dumps(hello(0) | {"restart": "false"}).encode(),
        json.dumps(hello(3, after=3)).encode(),
        json.dumps(heartbeat(0) | {"seq": MAX_SEQ + 1}).encode(),
        json.dumps(trade(0) | {"seq": float("nan")}).encode(),
    ],
)  # fmt: skip
def test_what_is_no_message(payload):
    with pytest.raises(WireError):
        parse_message(payload)
