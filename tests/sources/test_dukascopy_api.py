import json
from dataclasses import replace
from decimal import Decimal

import pytest

from orchestration.sources.dukascopy.api import decode_answer, parse_answer, parse_log
from orchestration.sources.dukascopy.bi5 import parse_bi5
from orchestration.sources.records import SourceError
from tests.sources.cases import column, reasons, require_whole
from tests.sources.dukascopy_cases import (
    EURUSD,
    FOLDER,
    START_MS,
    made,
    ticks,
    without_origin,
)
from tests.sources.dukascopy_server import answer
from tests.sources.dukascopy_server import bi5 as packed

NAME = f"{FOLDER}/12h_ticks.bi5"


def hour(rows, name=NAME, instrument=EURUSD):
    batch = parse_bi5(made(packed(rows), name), instrument)
    require_whole(batch)
    return batch


def reply(body: bytes, name="answer.json", instrument=EURUSD):
    batch = parse_answer(made(body, name), instrument)
    require_whole(batch)
    return batch


def test_an_answer_by_hand():
    body = (
        b'{"timestamp":1783944000000,"multiplier":1.0E-5,"ask":1.14277,"bid":1.14273,'
        b'"times":[93,104],"asks":[0,-2],"bids":[0,-1],"askVolumes":[1800000.0,900000.0],'
        b'"bidVolumes":[1,2.5E6]}'
    )
    batch = reply(body, "EUR-USD/2026/7/13/12.json")
    assert column(batch.quotes, "ts_event_ns") == [1_783_944_000_093_000_000, 1_783_944_000_197_000_000]  # fmt: skip
    assert column(batch.quotes, "ask_ticks") == [114277, 114275]
    assert column(batch.quotes, "bid_ticks") == [114273, 114272]
    assert column(batch.quotes, "ask_lots") == [1_800_000, 900_000]
    assert column(batch.quotes, "bid_lots") == [1, 2_500_000]


def test_a_multiplier_that_is_no_power_of_ten():
    body = {"timestamp": START_MS, "multiplier": 0.25, "ask": 100.5, "bid": 100.25, "times": [1, 2],
            "asks": [0, 1], "bids": [0, 1], "askVolumes": [1, 1], "bidVolumes": [1, 1]}  # fmt: skip
    quarter = replace(EURUSD, venue_symbol="XYZUSD", price_step=Decimal("0.25"), tick_size=Decimal("0.25"))  # fmt: skip
    batch = reply(json.dumps(body).encode(), instrument=quarter)
    assert (column(batch.quotes, "bid_ticks"), column(batch.quotes, "ask_ticks")) == ([401, 402], [402, 403])  # fmt: skip


# -- damaged answers -----------------------------------------------------------------------------


def changed(**keys) -> bytes:
    body = json.loads(answer(ticks(4), START_MS))
    return json.dumps(body | keys).encode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (changed(asks=[0, 1]), r"columns must have one length, got .*'asks': 2"),
        (changed(askVolumes=[]), "must have one length"),
        (changed(times=None), "has no list 'times'"),
        (changed(times=[1, 2.5, 3, 4]), r"times\[1\] must be a whole number, got '2\.5'"),
        (changed(bids=[0, True, 1, 1]), r"bids\[1\] must be a whole number"),
        (changed(bids=[0, 10**13, 1, 1]), r"bids\[1\] must be a whole number"),
        (changed(timestamp=None), "timestamp must be a number, got None"),
        (changed(multiplier=0), "multiplier must be positive"),
        (changed(multiplier=-1e-5), "multiplier must be positive"),
        (changed(ask=1.080015), "ask must be a whole number of points"),
        (changed(ask="NaN"), "ask must be a number in range"),
        (changed(multiplier="1e-400000"), "multiplier must be a number in range"),
        (changed(multiplier="1e999999999999999999"), "multiplier must be a number in range"),
        (changed(multiplier="0E+999999999999"), "multiplier must be positive"),
        (changed(timestamp=10**500), "timestamp must be a number in range"),
        (changed(ask=1e13), "ask must be a number in range"),
        (b'{"times":[NaN]}', "is no JSON"),
        (b"{" * 100_000, "is no JSON"),
        (b'{"a":' * 100_000, "is no JSON"),
        (b"[1]", "must hold one JSON object, holds a list"),
        (b"", "is no JSON"),
        (b'{"message":"hello"}', "has no list 'times'"),
        (answer(ticks(4), START_MS)[:-9], "is no JSON"),
        (answer(ticks(4), START_MS) + b"{}", "is no JSON"),
    ],
)
def test_answers_that_cannot_be_decoded_are_refused_whole(body, message):
    with pytest.raises(SourceError, match=message):
        reply(body)


def test_a_damaged_row_of_an_answer_is_refused_alone():
    batch = reply(changed(askVolumes=[None, "x", [1], 5.0]))
    assert reasons(batch) == dict.fromkeys((1, 2, 3), "malformed")
    batch = reply(changed(bidVolumes=["1e999999999999999999", "0E+99999999", 1e-300, 1e300]))
    assert reasons(batch) == {1: "malformed", 2: "malformed", 3: "off_grid", 4: "out_of_range"}
    batch = reply(changed(times=[100, 50, -10, 80]))
    assert set(reasons(batch).values()) == {"time_inversion"}
    batch = reply(changed(times=[100, 50, 10, 3_600_000]), "EUR-USD/2024/3/4/12.json")
    assert reasons(batch) == {4: "malformed"}
    assert column(batch.quarantine, "record")[0].startswith(f"{START_MS + 3_600_160},1.08")


def test_steps_that_lead_out_of_the_hour_or_out_of_time_are_refused():
    for step in (24 * 3_600_000, 9 * 10**11):
        batch = reply(changed(times=[100, 50, step, step]))
        assert reasons(batch) == {3: "malformed", 4: "malformed"}
        assert column(batch.quotes, "line") == [1, 2]
    batch = reply(changed(timestamp=4_102_444_799_990, times=[1, 2, 10, 10]))
    assert reasons(batch) == {3: "out_of_range", 4: "out_of_range"}


# -- logs of the live client ---------------------------------------------------------------------


def log(*bodies: bytes, end: bytes = b"\n") -> bytes:
    received = [f"{START_MS + 10_000 + i}000777 ".encode() for i in range(len(bodies))]
    return b"\n".join(a + b for a, b in zip(received, bodies, strict=True)) + end


def test_overlapping_answers_of_a_log_are_one_stream():
    rows = ticks(60)
    parts = [answer(rows[:20], START_MS), answer([], START_MS), answer(rows[19:45], START_MS),
             answer(rows[44:], START_MS)]  # fmt: skip
    batch = parse_log(made(log(*parts), "live.log"), EURUSD)
    require_whole(batch)
    assert (batch.stored, batch.offered, batch.other) == (60, 62, {"empty_answer": 1})
    assert reasons(batch) == {21: "duplicate", 47: "duplicate"}
    assert without_origin(batch.quotes).equals(without_origin(hour(rows).quotes))
    assert column(batch.quotes, "ts_recv_ns")[0] == (START_MS + 10_000) * 1_000_000 + 777
    assert column(batch.quotes, "ts_recv_ns")[-1] == (START_MS + 10_003) * 1_000_000 + 777


def test_damaged_lines_of_a_log_are_refused_alone():
    whole = answer(ticks(3), START_MS)
    lines = log(whole[:-5], b"", whole, whole[:40], end=b"")
    batch = parse_log(made(lines + b"", "live.log"), EURUSD)
    require_whole(batch)
    assert reasons(batch) == {1: "malformed", 2: "malformed", 6: "truncated"}
    assert column(batch.quarantine, "detail")[0].startswith("line 1 is no JSON")
    assert batch.stored == 3
    with pytest.raises(SourceError, match="holds no readable record"):
        parse_log(made(b"12 garbage\n", "live.log"), EURUSD)


def test_an_answer_knows_its_own_text():
    found = decode_answer("x", answer([(5, 108_002, 108_000, 1e4, 2e4)], START_MS))
    assert found.text(0) == f"{START_MS + 5},1.08002,1.08000,10000.0,20000.0".encode()
    assert len(found) == 1
