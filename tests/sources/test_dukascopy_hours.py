"""Plain hours of Dukascopy by the column: the same batch as record by record, sizes exact."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.sources.dukascopy import bi5
from orchestration.sources.dukascopy.bi5 import TICK, Hour, parse_bi5
from orchestration.sources.dukascopy.codes import listing_of
from orchestration.sources.dukascopy.kernel import MAX_SIZE, UNDECIDED, lots_of
from orchestration.sources.dukascopy.quotes import Sizes, size_texts
from orchestration.sources.dukascopy.whole_hours import plain_hour
from orchestration.sources.records import SourceError
from tests.sources.dukascopy_cases import (
    BTCUSD,
    EURUSD,
    FOLDER,
    HOUR,
    START_MS,
    dealt,
    made,
    ticks,
)
from tests.sources.dukascopy_server import records

NAME = f"{FOLDER}/12h_ticks.bin"
GRIDS = {"1": (1, 1), "0.01": (100, 1), "1000": (1, 1000), "0.25": (4, 1), "30": (1, 30)}
COARSE = dealt("EURUSD", "0.00001", "1000", "USD")
FINE = dealt("EURUSD", "0.000001", "0.01", "USD")


def by_column(content, instrument=EURUSD, start_ms=START_MS):
    return plain_hour(
        made(content, NAME), instrument, listing_of(instrument), start_ms, content
    )  # fmt: skip


def by_record(content, instrument=EURUSD, hour=HOUR):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bi5, "plain_hour", lambda *_: None)
        return parse_bi5(made(content, NAME), instrument, hour)


def require_same(found, wanted):
    for name in ("trades", "quotes", "depth", "gaps", "quarantine"):
        assert getattr(found, name).schema == getattr(wanted, name).schema
        assert getattr(found, name).to_pylist() == getattr(wanted, name).to_pylist(), name
    for name in ("symbol", "source", "unit", "offered", "n_lines", "first_ns", "last_ns",
                 "other", "counts", "supersedes", "depth_offered"):  # fmt: skip
        assert getattr(found, name) == getattr(wanted, name), name
    assert found.quarantine_ns.tolist() == wanted.quarantine_ns.tolist()


def bits_of(values):
    return np.array(values, np.uint32).view(np.float32)


SIZES = st.one_of(
    st.integers(1, 100_000).map(lambda hundredths: np.float32(hundredths / 100)),
    st.integers(1, 2**31 - 1).map(lambda bits: bits_of([bits])[0]),
    st.sampled_from([0.0, -0.0, -1.0, float("nan"), 1e-7, 2.5e-6, 1.5e-6, 16.0, 69.37]),
)
QUOTES = st.tuples(
    st.sampled_from([0, 0, 1, 60]), st.integers(107_990, 108_003), st.integers(107_990, 108_003),
    SIZES, SIZES,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(QUOTES, min_size=1, max_size=12), lot=st.sampled_from([EURUSD, COARSE, FINE]))
def test_an_hour_taken_by_the_column_is_the_hour_record_by_record(rows, lot):
    hour = np.array(rows, TICK)
    hour["ms"] = np.cumsum(hour["ms"].astype(np.int64))
    found = by_column(hour.tobytes(), lot)
    try:
        wanted = by_record(hour.tobytes(), lot)
    except SourceError:
        assert found is None
        return
    if found is not None:
        require_same(found, wanted)
        assert wanted.quarantined == 0
    # What it leaves is refused, or has a size whose lots no integer of the table holds.
    elif not wanted.quarantined:
        pytest.fail("a plain hour was not taken by the column")


@pytest.mark.parametrize("instrument", [EURUSD, COARSE, FINE])
def test_an_hour_as_the_vendor_has_them(instrument):
    content = records(ticks(3000))
    found = by_column(content, instrument)
    assert found.stored == 3000
    require_same(found, by_record(content, instrument))
    require_same(found, parse_bi5(made(content, NAME), instrument, HOUR))


def changed(field, at, value):
    hour = np.frombuffer(records(ticks(50)), TICK).copy()
    hour[field][at] = value
    return hour.tobytes()


NOT_PLAIN = {
    "beyond the hour": changed("ms", 49, 3_600_000),
    "runs back": changed("ms", 20, 5),
    "no ask": changed("ask", 7, 0),
    "no bid": changed("bid", 7, 0),
    "no size": changed("ask_size", 7, 0),
    "negative size": changed("bid_size", 7, -1),
    "no number": changed("bid_size", 7, np.nan),
    "endless": changed("ask_size", 7, np.inf),
    "twice": records([*ticks(5), ticks(5)[4]]),
    "a thousand in one ms": records([(7, 108_002, 108_000 - i, 1e6, 1e6) for i in range(1001)]),
}


@pytest.mark.parametrize("kind", NOT_PLAIN)
def test_what_is_not_plain_is_left_to_those_who_say_why(kind):
    assert by_column(NOT_PLAIN[kind]) is None
    assert parse_bi5(made(NOT_PLAIN[kind], NAME), EURUSD, HOUR).quarantined == 1


def test_times_and_grids_that_are_not_plain():
    content = records(ticks(5))
    assert by_column(b"") is None
    assert by_column(content, start_ms=4_102_444_800_000) is None
    assert by_column(content, start_ms=900_000_000_000) is None  # before 2000
    assert by_column(content, dealt("EURUSD", "0.0001", "1", "USD")) is None
    assert by_column(content, dealt("EURUSD", "0.00001", "0.0000001", "USD")) is None


def test_the_price_says_whether_it_is_the_instrument():
    content = records([(ms, 9_000_000, 8_999_990, 1e6, 1e6) for ms in range(0, 5000, 60)])
    messages = []
    for read in (by_column, by_record):
        with pytest.raises(SourceError, match="median bid") as raised:
            read(content)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]


def require_exact(millions, step):
    # What is decided is what the shortest text says, in decimal arithmetic.
    lots, n_moved = lots_of(millions, *GRIDS[step])
    decided = np.flatnonzero(lots != UNDECIDED)
    sizes = Sizes(Decimal(step))
    texts = sizes.texts(size_texts(millions[decided]), np.arange(len(decided)))
    assert lots[decided].tolist() == [int(Decimal(t) / Decimal(step)) for t in texts.distinct]
    assert n_moved == sizes.n_rounded
    return len(decided)


@pytest.mark.parametrize("step", GRIDS)
def test_sizes_are_exact(step):
    rng = np.random.default_rng([17, *step.encode()])
    hundredths = rng.integers(1, 10_000, 3000).astype(np.float32) / np.float32(100)
    assert require_exact(hundredths, step) == 3000
    decimals = rng.integers(1, 10**7, 3000) / 10.0 ** rng.integers(0, 8, 3000)
    require_exact(decimals.astype(np.float32), step)
    require_exact(bits_of(rng.integers(1, 2**31, 3000)), step)


def test_sizes_next_to_powers_of_two_and_between_two_lots():
    powers = 2.0 ** np.arange(-30, 30)
    near = np.concatenate([np.nextafter(np.float32(p), np.float32([0, np.inf])) for p in powers])
    for step in GRIDS:
        require_exact(near, step)
        require_exact(powers.astype(np.float32), step)
        require_exact(np.arange(1, 400).astype(np.float32) * np.float32(0.0000005), step)
        require_exact((np.arange(400) + 0.5).astype(np.float32) / np.float32(1000), step)


def test_what_is_no_size_is_not_decided():
    strange = np.array([0, -0.0, -1, np.nan, np.inf, -np.inf, MAX_SIZE, 1e-9, 1e-40], np.float32)
    assert lots_of(strange, 1, 1)[0].tolist() == [UNDECIDED] * len(strange)


def test_a_hour_of_halves_of_coins():
    hour = np.zeros(4, TICK)
    hour["ms"], hour["ask"], hour["bid"] = [0, 60, 60, 125], 210_005, [210_000, 210_001, 210_002, 1]
    hour["ask_size"] = [0.000001, 0.0000015, 0.000002, 0.0000004]
    hour["bid_size"] = [0.000003, 16.000001, 69.37, 0.000001]
    found = by_column(hour.tobytes(), BTCUSD)
    require_same(found, by_record(hour.tobytes(), BTCUSD, Hour(code="BTCUSD", start_ms=START_MS)))
    assert found.quotes["ask_lots"].to_pylist() == [100, 150, 200, 40]
