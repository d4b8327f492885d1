"""Draw the pictures of the glossary: python -m orchestration.charts.glossary [FOLDER]

The samples are fetched as `orderflow ingest samples` fetches them, or taken from ORDERFLOW_TEST_DATA.
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from orchestration.charts.glossary import (
    book,
    flow,
    ladders,
    levels,
    research,
    signals,
    signs,
)
from orchestration.charts.glossary.market import Picture, bitstamp, emini
from orchestration.charts.png import small_png

PICTURES: dict[str, tuple[str, Callable[[Picture], object]]] = (
    signs.PICTURES
    | flow.PICTURES
    | ladders.PICTURES
    | levels.PICTURES
    | signals.PICTURES
    | book.PICTURES
    | research.PICTURES
)


def draw(markets: dict[str, Picture]) -> Iterator[tuple[str, bytes]]:
    """Yield the name of each picture and its PNG."""
    for name, (symbol, picture) in PICTURES.items():
        yield name, small_png(picture(markets[symbol]))


def markets(recorded: Path | None) -> dict[str, Picture]:
    """Return the two samples, from a folder of recorded data or as the demo fetches them."""
    if recorded is not None:
        es = [recorded / "emini_mlfinpy" / "tick_data.csv.gz"]
        folder = recorded / "bitstamp_ob_analytics"
        btc = [folder / "orders.csv.gz", folder / "trades.csv"]
    else:
        from orchestration.config import Settings
        from orchestration.sources.samples import fetch_sample

        cache = Settings().samples_path
        cache.mkdir(parents=True, exist_ok=True)
        es, btc = (fetch_sample(symbol, cache) for symbol in ("ES", "BTCUSD.BITSTAMP"))
    return {"ES": emini(*es), "BTCUSD.BITSTAMP": bitstamp(*btc)}


def main() -> None:
    """Write the pictures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures")
    folder.mkdir(parents=True, exist_ok=True)
    recorded = os.environ.get("ORDERFLOW_TEST_DATA")
    for name, png in draw(markets(Path(recorded) if recorded else None)):
        (folder / f"{name}.png").write_bytes(png)
        print(f"{folder / name}.png: {len(png):,} bytes")


if __name__ == "__main__":
    main()
