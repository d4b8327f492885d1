"""Settings of the features beyond the core ones: what depends on the instrument has no default."""

from dataclasses import dataclass, field

from orderflow_core.absorption import BarAbsorptionRule
from orderflow_core.imbalance_presets import ImbalanceRule
from orderflow_core.validate import require_amount, require_count, require_positive_scalar

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSettings:
    """What the features of bars, profiles and costs are made with.

    Attributes
    ----------
    ticks_per_row : int
        Height of a price row of footprint and profile. It dominates what counts as an imbalance.
    imbalance : ImbalanceRule
        When a row outweighs its diagonal neighbour; its zero rule dominates as much.
    vpin_bucket_lots : int
        Volume of a VPIN bucket, such as a fiftieth of a usual day's.
    bar_ns : int
        Length of the base bars, aligned to 1970-01-01 UTC.
    stacked_levels : int
        Least run of imbalances that makes a zone.
    zone_age_bars : int or None
        A zone expires after so many bars; None: with the session.
    unfinished_lots : int
        Filter of unfinished auctions.
    exhaustion_levels : int
        Rows over which volume must grow away from the extreme.
    absorption : BarAbsorptionRule
    pivot_bars : int
        Bars on each side of a pivot of the divergence, known so many bars later.
    bulk_bars, vpin_buckets : int
        Bars of the scale of bulk volume; buckets that VPIN averages.
    tape_trades : int
        Trades over which the pace of the tape is averaged.
    min_imbalance : float
        Imbalance of the last 60 s from which on buying or selling is large (VWAP signals).
    spread_horizon_ns : int
        How long after a trade its realised spread is measured.
    large_trailing, large_least : int
        Sweeps before a sweep whose 95th percentile makes it large, and the fewest to judge by.
    cluster_gap_ns, cluster_least : int
        A cluster of large sweeps holds at least so many, none further apart than the gap.

    Raises
    ------
    TypeError, ValueError
        A number is outside its domain.
    """

    ticks_per_row: int
    imbalance: ImbalanceRule
    vpin_bucket_lots: int
    bar_ns: int = 60 * SECOND_NS
    stacked_levels: int = 3
    zone_age_bars: int | None = None
    unfinished_lots: int = 0
    exhaustion_levels: int = 5
    absorption: BarAbsorptionRule = field(default_factory=lambda: BarAbsorptionRule(n_windows=240))
    pivot_bars: int = 3
    bulk_bars: int = 240
    vpin_buckets: int = 50
    tape_trades: int = 1_000
    min_imbalance: float = 0.3
    spread_horizon_ns: int = 10 * SECOND_NS
    large_trailing: int = 1_000
    large_least: int = 100
    cluster_gap_ns: int = 5 * SECOND_NS
    cluster_least: int = 3

    def __post_init__(self) -> None:
        for name in (
            "ticks_per_row", "vpin_bucket_lots", "bar_ns", "stacked_levels", "exhaustion_levels",
            "pivot_bars", "bulk_bars", "vpin_buckets", "tape_trades", "spread_horizon_ns",
            "large_trailing", "large_least", "cluster_least",
        ):  # fmt: skip
            require_positive_scalar(name, getattr(self, name))
        require_count("unfinished_lots", self.unfinished_lots)
        require_count("cluster_gap_ns", self.cluster_gap_ns)
        require_amount("min_imbalance", self.min_imbalance, is_zero_allowed=False)
