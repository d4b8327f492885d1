"""Bid and Ask exports of NinjaTrader, put together into quotes of two sides."""

from pathlib import Path

import pytest

from orchestration.sources import kinetick
from orchestration.sources.files import SourceFile
from orchestration.sources.kinetick.exports import parse_pair
from orchestration.sources.records import SourceError
from tests.sources.cases import ES, column, reasons, require_whole

BIDS = [
    "20250319 070000 0000000;5997.00;10",
    "20250319 070002 0000000;5997.25;11",
    "20250319 070003 0000000;5996.75;12",
]
ASKS = [
    "20250319 070001 0000000;5997.25;20",
    "20250319 070002 0000000;5997.50;21",
    "20250319 070003 0000000;5997.00;22",
]


def pair(bids: list[str], asks: list[str]):
    files = [
        SourceFile(
            path=Path(f"ES 03-25.{side}.txt"), unit=side * 21, data=("\n".join(r) + "\n").encode()
        )
        for side, r in (("Bid", bids), ("Ask", asks))
    ]
    batch = parse_pair(*files, ES)
    require_whole(batch)
    return batch


def test_bids_and_asks_become_quotes_of_two_sides():
    batch = pair(BIDS, ASKS)
    assert batch.other == {"one_sided": 1}  # the first bid has no ask yet
    rows = zip(
        *(column(batch.quotes, c) for c in ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")),
        strict=True,
    )
    assert list(rows) == [
        (23988, 10, 23989, 20),
        (23988, 10, 23990, 21),  # up: the ask moves first
        (23989, 11, 23990, 21),
        (23987, 12, 23990, 21),  # down: the bid moves first
        (23987, 12, 23988, 22),
    ]
    assert column(batch.quotes, "quote_id") == [2, 3, 4, 5, 6]
    assert column(batch.quotes, "line") == [4, 5, 2, 3, 6]  # Bid file 1 to 3, Ask file 4 to 6
    assert "crossed_quotes" not in batch.counts


def test_a_refused_bid_lives_on_in_no_quote():
    damaged = [BIDS[0], "20250319 070001 5000000;5997.10;11", *BIDS[1:]]
    late = [*damaged, "20250319 070000 5000000;1.00;1"]
    batch = pair(late, ASKS)
    assert reasons(batch) == {2: "off_grid", 5: "time_inversion"}
    assert column(batch.quotes, "bid_ticks") == column(pair(BIDS, ASKS).quotes, "bid_ticks")


def test_an_emptied_side_makes_no_quote_until_it_is_back():
    bids = [BIDS[0], "20250319 070001 5000000;0;0", BIDS[2]]
    batch = pair(bids, ASKS)
    assert batch.other == {"one_sided": 3}
    assert column(batch.quotes, "bid_ticks") == [23988, 23987, 23987]


def test_a_pair_is_one_unit_whichever_side_is_named(tmp_path):
    bid, ask = tmp_path / "ES 03-25.Bid.txt", tmp_path / "ES 03-25.Ask.txt"
    bid.write_text("\n".join(BIDS) + "\n")
    with pytest.raises(SourceError, match=r"the other, ES 03-25\.Ask\.txt, is not beside it"):
        kinetick.read([bid], ES)
    # The other layout of the same rows: two empty fields before the size.
    ask.write_text("\n".join(row.replace(";2", ";;;2") for row in ASKS) + "\n")
    batches = kinetick.read([bid, ask], ES)
    assert len(batches) == 1
    assert batches[0].unit == kinetick.read([ask], ES)[0].unit
    assert (
        batches[0]
        .quotes.drop_columns(["unit"])
        .equals(pair(BIDS, ASKS).quotes.drop_columns(["unit"]))
    )
