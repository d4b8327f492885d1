import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.sources import dukascopy
from orchestration.sources.dukascopy.bi5 import parse_bi5
from orchestration.sources.dukascopy.proxy import PROXY_FLOW, proxy_flow
from orchestration.sources.records import QUOTES
from tests.sources.cases import column
from tests.sources.dukascopy_cases import EURUSD, HOUR, made
from tests.sources.dukascopy_server import bi5

START = np.array([0])


def quotes(rows):
    """Quotes of (bid, bid size, ask, ask size), sizes in lots."""
    ticks = [(i, 100_000 + a, 100_000 + b, qa, qb) for i, (b, qb, a, qa) in enumerate(rows)]
    return parse_bi5(made(bi5(ticks), "x.bi5"), EURUSD, HOUR).quotes


def naive(rows, starts):
    found, last, before = [], 0, None
    for i, (b, qb, a, qa) in enumerate(rows):
        if i in starts:
            last, before = 0, None
        ofi = 0
        if before is not None:
            pb, pqb, pa, pqa = before
            if b + a != pb + pa:
                last = 1 if b + a > pb + pa else -1
            ofi = (qb if b >= pb else 0) - (pqb if b <= pb else 0)
            ofi += (pqa if a >= pa else 0) - (qa if a <= pa else 0)
        found.append((last, {1: qa, -1: qb, 0: 0}[last], ofi))
        before = (b, qb, a, qa)
    return found


def rows_of(flow):
    names = ("proxy_sign", "proxy_lots", "ofi_lots")
    return list(zip(*(column(flow, name) for name in names), strict=True))


def test_by_hand():
    made_up = [(10, 5, 12, 7), (10, 8, 12, 7), (11, 2, 13, 4), (11, 2, 12, 9), (11, 3, 12, 9)]
    assert rows_of(proxy_flow(quotes(made_up), START)) == [
        (0, 0, 0),
        (0, 0, 3),  # the bid grew, nothing moved
        (1, 4, 2 + 7),  # both rose: 2 came to the bid, 7 left the ask
        (-1, 2, 0 - 9),  # the ask fell and brought 9
        (-1, 3, 1),  # a size only: the sign is carried
    ]


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(3, 6), st.integers(1, 9)), min_size=1, max_size=30),
    st.sets(st.integers(1, 29)),
)  # fmt: skip
def test_a_plain_loop_finds_the_same(rows, more):
    starts = sorted({0} | {i for i in more if i < len(rows)})
    assert rows_of(proxy_flow(quotes(rows), np.array(starts))) == naive(rows, starts)


def test_every_row_says_what_it_is_and_cannot_pass_for_a_trade():
    flow = proxy_flow(quotes([(1, 1, 2, 1), (2, 1, 3, 1)]), START)
    assert flow.schema.equals(PROXY_FLOW)
    assert set(column(flow, "record_type")) == {dukascopy.RECORD_TYPE} == {"quote_proxy"}
    assert set(column(flow, "side_source")) == {"quote_tick"}
    assert not {"qty_lots", "price_ticks", "sign", "native_sign"} & set(flow.column_names)


def test_no_quotes_and_starts_that_are_no_positions():
    assert len(proxy_flow(QUOTES.empty_table(), np.array([], np.int64))) == 0
    with pytest.raises(ValueError, match="session_start_idx"):
        proxy_flow(quotes([(1, 1, 2, 1)]), np.array([1]))


def test_shares_of_a_recorded_day(test_data):
    day = test_data / "dukascopy" / "dukascopy-node" / "EURUSD" / "2019" / "01" / "04"
    moved = []
    for batch in dukascopy.read(sorted(day.glob("*.bi5")), EURUSD):
        flow = proxy_flow(batch.quotes, START)
        middle = batch.quotes["bid_ticks"].to_numpy() + batch.quotes["ask_ticks"].to_numpy()
        step = np.sign(np.diff(middle))
        moved.append(step)
        assert (flow["proxy_sign"].to_numpy()[1:][step != 0] == step[step != 0]).all()
    step = np.concatenate(moved)
    # About as many moves up as down, a fifth of the quotes change no price: a dealer's feed.
    shares = [float((step == s).mean()) for s in (1, -1, 0)]
    assert shares == pytest.approx([0.39, 0.39, 0.22], abs=0.02)
