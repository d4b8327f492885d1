"""An instrument that the package does not know, from the user's own file."""

from tests.captures import capture_lines, write_lines
from tests.e2e.command import orderflow

TOY = """
[TOYUSDT]
venue = "binance_um"
venue_symbol = "TOYUSDT"
kind = "linear_perpetual"
price_step = "0.1"
tick_size = "0.1"
lot_step = "0.001"
contract_value = "1"
quote_currency = "USDT"
day_rule = "utc"
max_id_step = 2
"""


def test_an_instrument_of_the_users_own_goes_the_way_of_the_day(tmp_path):
    (tmp_path / "instruments.toml").write_text(TOY)
    path = write_lines(tmp_path / "toy.gz", capture_lines(n_trades=200, symbol="TOYUSDT"))
    told = orderflow(
        tmp_path, "ingest", "capture", "--path", str(path), "--symbol", "TOYUSDT", "--json"
    ).json
    assert (told["offered"], told["stored"]) == (400, 400)
    run = orderflow(tmp_path, "run", "--symbol", "TOYUSDT", "--job", "day", "--json").json
    stages = {stage["table"]: stage["rows"] for stage in run["stages"]}
    assert stages["flow.classified_trades"] == 200
    # Steps of 0.1: levels are prices near 60000.
    assert 59_900 < run["levels"][0]["poc"] < 60_100
