import zipfile
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.sources.members import part_unit, read_members
from orchestration.sources.records import SourceError
from orchestration.sources.resting_orders import RestingOrders
from orchestration.sources.rows import (
    decimal_units,
    local_second,
    met_quote_times,
    text_rows,
    whole_number,
)
from tests.sources.file_cases import instrument, member

KNOWN = instrument("X", "0.01")


def made_zip(path, texts: dict[str, str]):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return path


def test_a_zip_gives_its_texts_by_name_each_with_its_own_unit(tmp_path):
    path = made_zip(tmp_path / "a.zip", {"f/b.csv": "2\n", "a.csv": "1\n"})
    found = read_members(path)
    assert [(m.name, m.file.data, m.is_sealed) for m in found] == [
        ("a.csv", b"1\n", True), ("b.csv", b"2\n", True),
    ]  # fmt: skip
    assert len({m.file.unit for m in found}) == 2
    assert found[1].file.path == path / "f/b.csv"


def test_a_zip_of_one_text_is_the_unit_of_the_file(tmp_path):
    import hashlib

    path = made_zip(tmp_path / "a.zip", {"a.csv": "1\n"})
    (found,) = read_members(path)
    assert found.file.unit == hashlib.sha256(path.read_bytes()).hexdigest()
    assert part_unit(found.file.unit, "quotes") != found.file.unit


def test_a_damaged_zip_is_refused_whole(tmp_path):
    path = made_zip(tmp_path / "a.zip", {"a.csv": "1,2,3\n" * 1000})
    data = path.read_bytes()
    refused = 0
    for at in range(0, len(data), 3):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        try:
            found = read_members(path)
        except SourceError:
            refused += 1
            continue
        # What can still be read has its checksum; names and dates have none.
        assert [m.file.data for m in found if m.is_sealed] == [b"1,2,3\n" * 1000] or not any(
            m.is_sealed for m in found
        )
    assert refused > len(data) // 10
    path.write_bytes(b"no zip")
    with pytest.raises(SourceError, match=r"named \.zip but does not start like a zip"):
        read_members(path)


def test_a_last_line_without_end_counts_by_what_vouches_for_it():
    def rows(is_sealed, is_last_field_used):
        found = text_rows(
            member("1,2\n3,4", is_sealed=is_sealed), KNOWN, kind="trade", n_fields=(2,),
            is_last_field_used=is_last_field_used,
        )  # fmt: skip
        return found.number, [(r.line, r.reason) for r in found.gate.rejects]

    assert rows(True, True) == ([1, 2], [])
    assert rows(False, False) == ([1, 2], [])
    assert rows(False, True) == ([1], [(2, "truncated")])


def test_rows_of_another_width_are_refused_and_blank_ones_counted():
    found = text_rows(
        member("h,h\n1,2\n\n1,2,3\n5,6\n"), KNOWN, kind="quote", n_fields=(2,), n_header=1
    )
    assert (found.number, found.n_lines) == ([2, 5], 5)
    assert dict(found.other) == {"header": 1, "blank": 1}
    (reject,) = found.gate.rejects
    assert (reject.line, reject.kind, reject.reason) == (4, "quote", "malformed")


@pytest.mark.parametrize("text", ["", ".5", "1.", "-1", "+1", "1e3", "1 ", "٣", "1.2.3", "1.0001"])
def test_other_text_is_no_number_of_units(text):
    assert decimal_units(text, 3) is None


def test_units_and_whole_numbers():
    assert decimal_units("62.2662", 6) == 62_266_200
    assert decimal_units("0", 9) == 0
    assert decimal_units("1.2300000000", 2) == 123
    assert whole_number("9223372036854775807") == 2**63 - 1
    assert whole_number("9223372036854775808") is None
    assert [whole_number(text) for text in ("", "-1", "1.0", "²")] == [None] * 4


def test_local_seconds_at_the_changes_of_clocks():
    york = ZoneInfo("America/New_York")
    assert local_second("2013-03-10", "02:30:00", york) is None  # skipped
    assert local_second("2013-11-03", "01:30:00", york) == 1_383_456_600  # 05:30Z, the first pass
    assert local_second("2013-02-30", "00:00:00", york) is None
    assert local_second("2013-02-3", "00:00:00", york) is None


@given(st.lists(st.integers(0, 30), max_size=30).map(sorted))
def test_met_quotes_stand_before_their_trades_and_after_those_before(ts):
    times = met_quote_times(np.array(ts, np.int64))
    assert (np.diff(times) >= 0).all()
    for k, trade in enumerate(ts):
        # The last quote strictly before a trade is that of the first trade of its time.
        before = [q for q in range(len(ts)) if times[q] < trade]
        assert before[-1] == ts.index(trade)
        assert times[k] <= trade


class SlowBook:
    # The same in the plainest way: all orders, looked through.
    def __init__(self):
        self.orders = {}

    def add(self, i, is_bid, price, size):
        self.orders[i] = [is_bid, price, size]

    change = add

    def cancel(self, i, size):
        if i in self.orders:
            self.orders[i][2] -= size
            if self.orders[i][2] <= 0:
                del self.orders[i]

    def clear(self):
        self.orders = {}

    def best(self):
        sides = [[o for o in self.orders.values() if o[0] is is_bid] for is_bid in (True, False)]
        if not all(sides):
            return None
        bid, ask = max(o[1] for o in sides[0]), min(o[1] for o in sides[1])
        return (
            bid, sum(o[2] for o in sides[0] if o[1] == bid),
            ask, sum(o[2] for o in sides[1] if o[1] == ask),
        )  # fmt: skip


ORDER = st.tuples(st.integers(0, 6), st.booleans(), st.integers(1, 5), st.integers(1, 4))
EVENT = st.one_of(
    st.tuples(st.sampled_from(["add", "change"]), ORDER),
    st.tuples(st.just("cancel"), st.tuples(st.integers(0, 6), st.integers(1, 4))),
    st.tuples(st.just("clear"), st.just(())),
)


@given(st.lists(EVENT, max_size=60))
def test_the_book_of_orders_agrees_with_a_plain_one(events):
    fast, slow = RestingOrders(), SlowBook()
    for name, arguments in events:
        getattr(fast, name)(*arguments)
        getattr(slow, name)(*arguments)
        assert fast.best() == slow.best()
