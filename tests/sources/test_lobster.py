import zipfile

import pytest

from orchestration.sources.lobster import parse_books, parse_messages, read
from orchestration.sources.records import SourceError
from tests.sources.cases import column, reasons, require_whole
from tests.sources.file_cases import equity, member

AAPL = equity("AAPL")
STEM = "AAPL_2012-06-21_34200000_57600000_{}_1.csv"
MESSAGES, BOOKS = STEM.format("message"), STEM.format("orderbook")
# 2012-06-21 09:30 in New York is 13:30Z.
OPEN_NS = 1_340_285_400 * 10**9


def parse(*rows):
    batch = parse_messages(member("".join(row + "\n" for row in rows), MESSAGES), AAPL)
    require_whole(batch)
    return batch


def quotes(messages, books):
    given = [member("".join(row + "\n" for row in rows), n) for rows, n in
             ((books, BOOKS), (messages, MESSAGES))]  # fmt: skip
    batch = parse_books(*given, AAPL)
    require_whole(batch)
    return batch


def test_an_execution_in_full():
    row = parse("34200.004241176,4,16113575,18,5853300,1").trades.to_pylist()[0]
    ns = OPEN_NS + 4_241_176
    assert row == {
        "ts_event_ns": ns, "ts_recv_ns": ns, "trade_id": 1, "venue_id": "16113575",
        "price_ticks": 5_853_300, "qty_lots": 18, "native_sign": -1, "is_market": 1,
        "is_outside_session": 0, "source": "lobster", "unit": "0" * 64, "line": 1,
    }  # fmt: skip


def test_both_sides_hidden_orders_crosses_and_what_is_no_trade():
    batch = parse(
        "34200,1,1,100,5853300,1", "34200,2,1,10,5853300,1", "34200,4,1,10,5853300,-1",
        "34200,5,0,10,5853350,1", "34200,6,-1,500,5853300,-1", "34200,6,7,500,5853300,-1",
        "34201,3,1,80,5853300,1", "34202,7,0,0,-1,-1",
    )  # fmt: skip
    assert column(batch.trades, "native_sign") == [1, -1, 0]
    assert column(batch.trades, "is_market") == [1, 1, 0]
    assert column(batch.trades, "venue_id") == ["1", "", "7"]
    assert batch.other == {"cancellation": 1, "deletion": 1, "halt": 1, "submission": 1}
    assert reasons(batch) == {5: "malformed"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("34200,4,1,10,5853300,0", "malformed"),
        ("34200,4,1,10,5853300", "malformed"),
        ("34200,4,1,10,5853300.5,1", "off_grid"),
        ("34200,4,1,0,5853300,1", "out_of_range"),
        ("34200,4,1,10,-1,1", "out_of_range"),
        ("86400,4,1,10,5853300,1", "malformed"),
        ("x,4,1,10,5853300,1", "malformed"),
        ("34200,8,1,10,5853300,1", "malformed"),
        ("34199,4,1,10,5853300,1", "time_inversion"),
    ],
)
def test_a_damaged_row_is_one_refused_trade(row, reason):
    good = "34200,4,1,10,5853300,1"
    batch = parse(good, row, good)
    assert (reasons(batch), batch.stored) == ({2: reason}, 2)


def test_books_give_a_quote_when_the_best_changes():
    times = [f"{34200 + i},1,1,1,5853300,1" for i in range(5)]
    books = [
        "5859400,200,5853300,18", "5859400,200,5853300,18", "9999999999,0,5853300,18",
        "5859400,200,5853300,17", "5859400,200,x,17",
    ]  # fmt: skip
    batch = quotes(times, books)
    assert column(batch.quotes, "line") == [1, 4]
    assert column(batch.quotes, "bid_lots") == [18, 17]
    assert column(batch.quotes, "ask_ticks") == [5_859_400] * 2
    assert column(batch.quotes, "ts_event_ns") == [OPEN_NS, OPEN_NS + 3 * 10**9]
    assert batch.other == {"one_sided": 1, "unchanged": 1}
    assert reasons(batch) == {5: "malformed"}


def test_a_quote_whose_message_has_no_time_is_refused():
    batch = quotes(["34200,1", "x,1"], ["5859400,200,5853300,18", "5859400,200,5853300,19"])
    assert reasons(batch) == {2: "malformed"}


def test_messages_and_books_of_different_lengths_are_refused():
    with pytest.raises(SourceError, match="has 1 lines, its messages have 2"):
        quotes(["34200,1", "34201,1"], ["5859400,200,5853300,18"])


def test_unpacked_books_find_their_messages(tmp_path):
    (tmp_path / MESSAGES).write_text("34200,4,1,10,5853300,1\n")
    (tmp_path / BOOKS).write_text("5859400,200,5853300,18\n")
    (trades,) = read([tmp_path / MESSAGES], AAPL)
    (books,) = read([tmp_path / BOOKS], AAPL)
    assert (len(trades.trades), len(trades.quotes)) == (1, 0)
    assert (len(books.trades), len(books.quotes)) == (0, 1)
    (tmp_path / MESSAGES).unlink()
    with pytest.raises(SourceError, match="has no times without AAPL_2012"):
        read([tmp_path / BOOKS], AAPL)


def test_a_zip_without_the_symbol_says_what_it_holds(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MESSAGES, "34200,4,1,10,5853300,1\n")
    assert [batch.stored for batch in read([path], AAPL)] == [1]
    with pytest.raises(SourceError, match=r"holds no file of MSFT, only: AAPL_2012"):
        read([path], equity("MSFT"))
