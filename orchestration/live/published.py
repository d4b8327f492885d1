"""Which tables a live session publishes, and how its publications are told from others."""

CLASSIFIED, BARS = "flow.classified_trades", "flow.bars"
FOOTPRINT, FEATURES = "flow.footprint", "research.features"
TABLES = (CLASSIFIED, BARS, FOOTPRINT, FEATURES)
CODE_VERSION = "live-1"  # of publications that the day's batch run is to replace
