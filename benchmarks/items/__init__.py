"""The items by name, in the order of the report."""

from benchmarks.contest import Item
from benchmarks.items import (
    backtest,
    bars,
    bi5,
    features,
    features_incremental,
    features_whole,
    footprint,
    footprint_network,
    ingest_csv,
    lee_ready,
    profile,
    rolling,
    rolling_quantile,
    tick_rule,
)

ITEMS: dict[str, Item] = {
    module.ITEM.name: module.ITEM
    for module in (
        tick_rule,
        lee_ready,
        rolling,
        rolling_quantile,
        bars,
        footprint,
        profile,
        features,
        features_whole,
        features_incremental,
        ingest_csv,
        bi5,
        backtest,
    )
} | {item.name: item for item in footprint_network.ITEMS_OF_NETWORKS}
