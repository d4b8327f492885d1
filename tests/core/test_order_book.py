import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.order_book import BookRules, OrderFlow, OrderKind, run_order_book
from tests.naive import order_book as naive

MARKET, REFRESH, JOIN, PULL, ANCHOR = (int(kind) for kind in OrderKind)
BID, ASK = 1, -1
RULES = BookRules(half_spread_ticks=0.0, slack_ticks=0.6, n_orders=3, margin_ticks=8)
NAMES = ("kind", "side", "lots", "peak", "distance", "target", "reference_ticks", "mark")


def flow_of(events):
    columns = zip(*events, strict=True) if events else [()] * 8
    kinds = [np.int64] * 6 + [np.float64] * 2
    return OrderFlow(**{n: np.array(c, k) for n, c, k in zip(NAMES, columns, kinds, strict=True)})


def run(*events, at=(), n_levels=5, rules=RULES):
    return run_order_book(flow_of(events), rules, np.array(at, np.int64), n_levels=n_levels)


def fills_of(found):
    columns = (found.fill_event, found.fill_maker, found.fill_ticks, found.fill_lots)
    return list(zip(*(c.tolist() for c in columns), strict=True))


def quotes_of(found):
    columns = (found.quote_event, found.bid_ticks, found.bid_lots, found.ask_ticks, found.ask_lots)
    return list(zip(*(c.tolist() for c in columns), strict=True))


def rests(side, lots, distance=0, reference=100.0):
    """A market maker's order; a mark of .99 never cancels while the book is thin."""
    return (REFRESH, side, lots, lots, distance, 0, reference, 0.99)


def takes(side, lots, reach=0, reference=100.0):
    return (MARKET, side, lots, lots, reach, 0, reference, 0.0)


def joins(side, lots, peak, distance=0, reference=100.0):
    return (JOIN, side, lots, peak, distance, 0, reference, 0.0)


def anchors(side, lots, peak, distance=0, reference=100.0):
    return (ANCHOR, side, lots, peak, distance, 0, reference, 0.0)


def pulls(target, reference=100.0):
    return (PULL, BID, 1, 1, 0, target, reference, 0.0)


@st.composite
def events(draw):
    made = []
    for _ in range(draw(st.integers(1, 40))):
        kind = draw(st.sampled_from([MARKET, REFRESH, REFRESH, REFRESH, JOIN, ANCHOR, PULL]))
        planted = [j for j, event in enumerate(made) if event[0] in (JOIN, ANCHOR)]
        if kind == PULL and not planted:
            kind = REFRESH
        target = draw(st.sampled_from(planted)) if kind == PULL else 0
        made.append(
            (
                kind, draw(st.sampled_from([BID, ASK])), draw(st.integers(1, 30)),
                draw(st.integers(1, 10)), draw(st.integers(0, 12)), target,
                100.0 + draw(st.integers(-12, 12)) / 4, draw(st.floats(0, 0.999)),
            )
        )  # fmt: skip
    return made


@given(events(), st.integers(1, 4), st.lists(st.integers(0, 39), max_size=3))
def test_equals_the_naive_book(made, n_levels, at):
    at = sorted(i for i in at if i < len(made))
    found = run(*made, at=at, n_levels=n_levels)
    rules = (RULES.half_spread_ticks, RULES.slack_ticks, RULES.n_orders)
    fills, quotes, depth = naive.run_order_book(made, rules, RULES.margin_ticks, at, n_levels)
    assert fills_of(found) == fills
    assert quotes_of(found) == quotes
    assert found.depth.tolist() == depth
    assert all(bid < ask for _, bid, _, ask, _ in quotes)


@given(events(), st.integers(0, 40))
def test_what_follows_never_changes_what_was(made, cut):
    # The ladder's ends depend on the whole reference, so both runs see one range.
    ends = [rests(BID, 1, 0, 50.0), rests(ASK, 1, 0, 150.0)]
    shifted = [(*e[:5], e[5] + 2 * (e[0] == PULL), *e[6:]) for e in made]
    whole, part = run(*ends, *shifted), run(*ends, *shifted[:cut])
    n = min(cut, len(made)) + 2
    maker_names = {len(made) + 2: n, len(made) + 3: n + 1}  # the backstops are named by the length
    before = [(e, maker_names.get(m, m), p, q) for e, m, p, q in fills_of(whole) if e < n]
    assert before == fills_of(part)
    assert [row for row in quotes_of(whole) if row[0] < n] == quotes_of(part)


def test_price_goes_before_time_and_time_before_size():
    # Reference 100: bids at 100 - distance. 101 is 100's closest ask when a bid stands at 100.
    found = run(
        rests(BID, 9, 1), rests(BID, 2), rests(BID, 50), takes(ASK, 4, 1), takes(ASK, 60, 1)
    )
    assert fills_of(found) == [(3, 1, 100, 2), (3, 2, 100, 2), (4, 2, 100, 48), (4, 0, 99, 9)]


def test_what_a_market_order_may_not_reach_is_dropped():
    found = run(rests(BID, 2), rests(BID, 3, 1), rests(BID, 5, 2), takes(ASK, 100, 1))
    assert fills_of(found) == [(3, 0, 100, 2), (3, 1, 99, 3)]
    assert quotes_of(found)[-1][1:3] == (98, 5)


def test_an_iceberg_shows_its_peak_and_goes_to_the_end_of_the_queue_with_each_refill():
    # The book: maker 0 (2 lots), iceberg 1 (7 lots, shows 3), maker 2 (4 lots), all at 100.
    found = run(rests(BID, 2), joins(BID, 7, 3), rests(BID, 4), takes(ASK, 11), takes(ASK, 9))
    assert quotes_of(found)[1][2] == 5  # 2 + 3: four lots are hidden
    assert fills_of(found) == [
        (3, 0, 100, 2), (3, 1, 100, 3), (3, 2, 100, 4), (3, 1, 100, 2),
        (4, 1, 100, 1), (4, 1, 100, 1),
    ]  # fmt: skip
    assert found.fill_lots[found.fill_maker == 1].sum() == 7


def test_a_pulled_order_is_gone_with_what_it_hid_and_may_be_pulled_again():
    found = run(joins(BID, 7, 3, 2), rests(BID, 1), pulls(0), pulls(0), takes(ASK, 9, 20))
    assert [fill[1] for fill in fills_of(found)] == [1, 5]  # then the backstop, named n


def test_an_anchored_order_rests_by_the_reference_and_never_crosses():
    # Reference 100.4: a bid two below its floor, 98, wherever the best bid is; an ask two above 101.
    found = run(rests(BID, 1, 7), anchors(BID, 9, 3, 2, 100.4), anchors(ASK, 4, 4, 2, 100.4))
    assert quotes_of(found)[-1][1:] == (98, 3, 103, 4)
    # An ask of a reference of 90 would stand at 90, below the bid at 98: it stays at 99.
    assert quotes_of(run(anchors(BID, 9, 3, 2), anchors(ASK, 4, 4, 0, 90.0)))[-1][3] == 99
    # What it hides is shown in turn, and it may be pulled.
    taken = run(anchors(BID, 9, 3, 2), takes(ASK, 4), pulls(0), takes(ASK, 1))
    assert fills_of(taken)[:2] == [(1, 0, 98, 3), (1, 0, 98, 1)]
    assert fills_of(taken)[2][1] != 0


def test_market_makers_leave_a_level_that_the_reference_has_passed_and_planted_orders_stay():
    # Bid at 100 with slack .6: stale when floor(reference + .6) < 100, so from 99.3 on downwards.
    book = [rests(BID, 5), joins(BID, 3, 3), rests(BID, 6)]
    assert quotes_of(run(*book, rests(BID, 1, 0, 99.4)))[-1][1:3] == (100, 14)  # not yet stale
    left = run(*book, rests(BID, 1, 0, 99.3))
    assert quotes_of(left)[-1][1:3] == (100, 3)
    # The level holds nothing but the planted order now: the next update rests behind it.
    assert quotes_of(run(*book, rests(BID, 1, 0, 99.3), rests(BID, 1, 0, 99.3)))[-1][1:3] == (
        100,
        3,
    )


def test_an_update_never_crosses():
    # The bid of 100 keeps the ask at 101 although the reference has fallen to 90.
    found = run(joins(BID, 1, 1), rests(BID, 5), rests(ASK, 5, 0, 90.0))
    assert quotes_of(found)[-1][1:] == (100, 5, 101, 5)


def test_a_full_book_cancels_each_order_alike():
    # n_orders 3: with 6 resting every mark cancels; mark m takes the order int(6 m).
    book = [rests(BID, 1, i) for i in range(6)]
    marks = [(i + 0.5) / 6 for i in range(6)]
    gone = set()
    for mark in marks:
        found = run(*book, (REFRESH, BID, 9, 9, 0, 0, 100.0, mark), at=[6], n_levels=6)
        gone |= set(range(95, 101)) - set(found.depth[0, :, 0].tolist())
    assert gone == set(range(95, 101))


def test_the_backstops_answer_when_a_side_is_empty():
    found = run(takes(BID, 5, 100), takes(ASK, 5, 100))
    assert fills_of(found) == [(0, 3, 108, 5), (1, 2, 92, 5)]


def test_no_events():
    found = run(at=())
    assert not len(found.fill_event)
    assert not len(found.quote_event)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("kind", 7, "kind"), ("side", 0, "side"), ("lots", 0, "lots"), ("peak", 0, "peak"),
        ("distance", -1, "distance"), ("distance", 1 << 40, "distance"),
        ("reference_ticks", np.nan, "reference_ticks"), ("reference_ticks", 1e15, "reference"),
        ("mark", 1.0, "mark"), ("mark", np.nan, "mark"), ("lots", 1 << 61, "lots"),
    ],
)  # fmt: skip
def test_bad_events_are_named(name, value, message):
    event = dict(zip(NAMES, rests(BID, 1), strict=True)) | {name: value}
    with pytest.raises(ValueError, match=message):
        run(tuple(event.values()))


def test_bad_targets_rules_and_snapshots_are_named():
    for target in (0, 1, -1):
        with pytest.raises(ValueError, match="target"):
            run(rests(BID, 1), pulls(target))
    for name, value in (
        ("half_spread_ticks", -1.0), ("slack_ticks", np.nan), ("n_orders", 0), ("margin_ticks", 1),
    ):  # fmt: skip
        rules = {"half_spread_ticks": 0.0, "n_orders": 3} | {name: value}
        with pytest.raises(ValueError, match=name):
            run(rests(BID, 1), rules=BookRules(**rules))
    for at in ([1], [-1], [0, 0, -1]):
        with pytest.raises(ValueError, match="snapshot_at"):
            run(rests(BID, 1), at=at)
    with pytest.raises(ValueError, match="span"):
        run(rests(BID, 1, 0, 0.0), rests(BID, 1, 0, 2.0**30))
