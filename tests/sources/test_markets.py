"""A frame says which market it is of; a file of the wrong one is refused whole."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.sources.markets import (
    COIN_M,
    FUTURES,
    SPOT,
    UNMARKED,
    USD_M,
    market_of,
    require_market,
)
from orchestration.sources.records import SourceError
from tests.sources import cases
from tests.sources.cases import aggregate, parse, quote, spot_quote, spot_trade, trade


def data_of(line):
    return json.loads(line[line.index("{") :])["data"]


@pytest.mark.parametrize(
    ("kind", "line", "market"),
    [
        ("trade", trade(1), FUTURES),
        ("trade", spot_trade(1), SPOT),
        ("trade", trade(1, M=True), ""),  # both marks
        ("trade", trade(1, M="MARKET"), FUTURES),  # a damaged key is no mark
        ("trade", trade(1, st=1), USD_M),
        ("trade", trade(1, st=2, ps="BTCUSD"), COIN_M),
        ("trade", trade(1, st=[]), FUTURES),
        ("trade", trade(1, s="BTCUSD_PERP"), COIN_M),
        ("trade", trade(1, s="BTCUSD_PERP", st=1), USD_M),  # st wins
        ("trade", trade(1, s="BTCUSDT_240927"), FUTURES),  # delivery on USD-M
        ("trade", trade(1, ps="BTCUSDT"), FUTURES),
        ("aggTrade", aggregate(1, 1, 1), UNMARKED),
        ("aggTrade", aggregate(1, 1, 1, ps="BTCUSDT"), FUTURES),
        ("aggTrade", aggregate(1, 1, 1, M=True), SPOT),
        ("bookTicker", quote(1), FUTURES),
        ("bookTicker", quote(1, s="ETHUSD_210625", ps="ETHUSD"), COIN_M),
        ("bookTicker", spot_quote(1), SPOT),
    ],
)
def test_market_of_a_frame(kind, line, market):
    assert market_of(kind, data_of(line)) == market


@pytest.mark.parametrize(
    ("lines", "instrument", "said"),
    [
        ([quote(1)], cases.SPOT, "line 1: the BTCUSDT frames are futures, but BTCUSDT.SPOT"),
        ([aggregate(1, 1, 1)], cases.SPOT, "are futures .aggTrade without M.*--symbol BTCUSDT me"),
        ([trade(1), spot_quote(1)], cases.PERP, "line 2: .* are spot, .*--symbol BTCUSDT.SPOT m"),
        ([trade(1, st=2)], cases.PERP, "are COIN-M futures, but BTCUSDT is linear_perpetual"),
        ([trade(1, st=1)], replace(cases.PERP, kind="inverse_perpetual"), "are USD-M futures"),
        ([spot_trade(1)], replace(cases.PERP, kind="future"), "are spot, but BTCUSDT is future"),
    ],
)
def test_the_other_market_is_refused(lines, instrument, said):
    with pytest.raises(SourceError, match=said):
        parse(lines, instrument)


def test_one_damaged_mark_does_not_make_a_market():
    lines = [aggregate(1, 1, 1, M=True), aggregate(2, 2, 2), aggregate(3, 3, 3, M=True)]
    assert len(parse(lines, cases.SPOT).trades) == 3


def test_frames_that_do_not_say_are_taken():
    require_market(Path("a"), cases.SPOT, {"": 1, SPOT: 2})
    require_market(Path("a"), replace(cases.PERP, kind="future"), {USD_M: 1, COIN_M: 2, FUTURES: 3})
