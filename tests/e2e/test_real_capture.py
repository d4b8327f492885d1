"""Accuracy of the quote rule on a recorded day, through the command."""

from tests.e2e.command import orderflow

SYMBOL = ("--symbol", "BTCUSDT")


def test_lee_ready_needs_the_quote_strictly_before(test_data, tmp_path):
    path = test_data / "binance_ws" / "hftbacktest" / "usdm" / "btcusdt_20240719.gz"
    told = orderflow(tmp_path, "ingest", "capture", "--path", str(path), *SYMBOL, "--json").json
    assert told["offered"] == told["stored"] + told["quarantined"] > 0
    score = ("classify", *SYMBOL, "--day", told["days"][0], "--rules", "lee_ready", "--json")
    strict, inclusive = (
        orderflow(tmp_path, *score, *more).json["rules"]["lee_ready"]["fill"]["accuracy"]
        for more in ((), ("--inclusive",))
    )
    # The usual join at the trade's own time meets the book that the trade itself moved.
    assert strict >= 0.995
    assert inclusive < 0.80
