"""An instrument that the package does not know: the shared home has it from the user's own file."""

from pathlib import Path

SYMBOL = "TOYUSDT"
# Prices in steps of 0.1 and rows of one step; the packaged BTCUSDT has steps of 0.01.
OVERLAY = """
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
taker_fee = "0.0005"
max_id_step = 2
"""


def add_instrument(home: Path) -> Path:
    """Write the user's instruments file and return its home."""
    (home / "instruments.toml").write_text(OVERLAY, encoding="utf-8")
    return home
