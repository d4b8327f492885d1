import pytest

from orchestration.sources import sierra
from orchestration.sources.records import SourceError
from orchestration.sources.sierra import parse_sierra
from tests.sources.cases import column, reasons, require_whole
from tests.sources.file_cases import instrument, member

ES = instrument("ES", "0.25", kind="future")
HEADER = "Date;Time;Sequence;Price;Volume;TradeType;AskPrice;BidPrice;AskSize;BidSize;AskDOM_0"
T0_NS = 1_643_031_000 * 10**9  # 2022-01-24 13:30Z


def row(clock, sequence, *, price="4347.75", kind="2", volume="1", rest="4347.75;4347.5;12;34"):
    return f"2022-01-24;{clock};{sequence};{price};{volume};{kind};{rest};11"


def parse(*rows, timezone="UTC", end="\n", is_sealed=True, header=HEADER):
    text = "\n".join([header, *rows]) + end
    batches = parse_sierra(member(text, is_sealed=is_sealed), ES, timezone)
    for batch in batches:
        require_whole(batch)
    return batches


def test_a_row_is_a_trade_and_the_quote_that_it_met():
    trades, quotes = parse(row("13:30:00.5000", 7))
    assert trades.trades.to_pylist() == [{
        "ts_event_ns": T0_NS + 5_000_000, "ts_recv_ns": T0_NS + 5_000_000, "trade_id": 7,
        "venue_id": "", "price_ticks": 17_391, "qty_lots": 1, "native_sign": 1, "is_market": 1,
        "is_outside_session": 0, "source": "sierra", "unit": "0" * 64, "line": 2,
    }]  # fmt: skip
    (quote,) = quotes.quotes.to_pylist()
    assert quote["ts_event_ns"] == T0_NS + 4_999_999
    names = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
    assert [quote[name] for name in names] == [17_390, 34, 17_391, 12]
    assert trades.unit != quotes.unit


def test_digits_after_the_point_are_microseconds_without_zeros():
    clocks = ["13:30:00", "13:30:00.5000", "13:30:00.5001", "13:30:00.90000", "13:30:00.955009"]
    trades, _ = parse(*(row(clock, k) for k, clock in enumerate(clocks)))
    micro = [(ts - T0_NS) // 1000 for ts in column(trades.trades, "ts_event_ns")]
    assert micro == [0, 5000, 5001, 90_000, 955_009]


def test_each_side_and_another_zone():
    trades, _ = parse(
        *(row("07:30:00.1", k, kind=str(k)) for k in range(4)), timezone="America/Chicago"
    )
    assert column(trades.trades, "native_sign") == [0, -1, 1]
    assert set(column(trades.trades, "ts_event_ns")) == {T0_NS + 1000}
    assert reasons(trades) == {5: "malformed"}


def test_the_installation_names_the_zone(tmp_path, monkeypatch):
    path = tmp_path / "ES.txt"
    path.write_text(f"{HEADER}\n{row('07:30:00.1', 1)}\n")
    monkeypatch.setenv("ORDERFLOW_SIERRA_TIMEZONE", "America/Chicago")
    assert sierra.read([path], ES)[0].first_ns == T0_NS + 1000


@pytest.mark.parametrize(
    ("bad", "of_trades", "of_quotes"),
    [
        (row("13:30:00.1", 2, price="4347.8"), "off_grid", None),
        (row("13:30:00.1", 2, volume="0"), "out_of_range", None),
        (row("13:30:00.1", 2, rest="4347.75;4347.5;0;34"), None, "out_of_range"),
        (row("25:30:00.1", 2), "malformed", "malformed"),
        (row("13:30:00.1234567", 2), "malformed", "malformed"),
        (row("13:30:00.1", "x"), "malformed", "malformed"),
        (row("13:30:00.1", 2) + ";", "malformed", "malformed"),
        (row("13:29:00.1", 2), "time_inversion", "time_inversion"),
    ],
)
def test_a_damaged_row_is_refused_where_it_is_damaged(bad, of_trades, of_quotes):
    found = parse(row("13:30:00.1", 1), bad, row("13:30:00.2", 3))
    for batch, reason in zip(found, (of_trades, of_quotes), strict=True):
        assert reasons(batch) == ({3: reason} if reason else {})
        assert batch.offered == 3


def test_a_cut_last_row_harms_only_when_a_field_of_ours_is_last():
    rows = [row("13:30:00.1", 1), row("13:30:00.1", 2)[:-1]]  # the depth lost a digit
    assert [batch.stored for batch in parse(*rows, end="", is_sealed=False)] == [2, 2]
    short = HEADER.removesuffix(";AskDOM_0")
    rows = [text.rsplit(";", 1)[0] for text in rows]
    found = parse(*rows, end="", is_sealed=False, header=short)
    assert [reasons(batch) for batch in found] == [{3: "truncated"}] * 2


def test_bars_are_refused():
    with pytest.raises(SourceError, match="must name Sequence, Price, TradeType, BidPrice"):
        parse("x", header="Date, Time, Open, High, Low, Last, Volume, NumberOfTrades")
