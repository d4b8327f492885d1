"""Rules of diagonal imbalance, and how platforms set them.

What a vendor does not state, or leaves to the user, is open in its preset and has to be chosen:
`ImbalancePreset.rule` has no silent defaults.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

import numpy as np

from orderflow_core.validate import require_choice, require_positive_scalar

Compare: TypeAlias = Literal["gt", "ge"]
ZeroOpposite: TypeAlias = Literal["counts", "skipped"]
GapPolicy: TypeAlias = Literal["zero", "break", "skip"]
FilterOn: TypeAlias = Literal["dominant", "difference", "both_rows", "lower_row"]
Quantity: TypeAlias = Literal["lots", "trades"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImbalanceRule:
    """When one row outweighs its diagonal neighbour.

    Attributes
    ----------
    ratio_num, ratio_den : int, > 0
        The ratio as a fraction (300 % is 3 / 1): compared as ``own * den`` with ``opposite * num``
        in integers.
    compare : {"gt", "ge"}
        Whether a ratio that is met exactly counts (ge) or not (gt).
    min_lots : int, >= 0
        Smallest volume, inclusive, of what `filter_on` names.
    zero_opposite : {"counts", "skipped"}
        Whether any volume against nothing is an imbalance.
    gap_policy : {"zero", "break", "skip"}
        When the neighbouring row did not trade: ``zero`` takes it as (0, 0), so that
        `zero_opposite` decides; ``break`` compares nothing across it; ``skip`` takes the next
        traded row in its stead.
    filter_on : {"dominant", "difference", "both_rows", "lower_row"}
        The lots that meet `min_lots`: of the dominant side, of the dominant less the opposite
        side, all lots of the two rows together (unsigned ones too), or all lots of the lower row.
    quantity : {"lots", "trades"}
        What the ratio compares. Filters are in lots either way.

    Raises
    ------
    TypeError, ValueError
        A rule is not one of the above or a number is out of range.
    """

    ratio_num: int
    ratio_den: int
    compare: Compare
    min_lots: int
    zero_opposite: ZeroOpposite
    gap_policy: GapPolicy
    filter_on: FilterOn = "dominant"
    quantity: Quantity = "lots"

    def __post_init__(self) -> None:
        require_positive_scalar("ratio_num", self.ratio_num)
        require_positive_scalar("ratio_den", self.ratio_den)
        if isinstance(self.min_lots, bool) or not isinstance(self.min_lots, int | np.integer):
            raise TypeError(f"min_lots must be an integer, got {self.min_lots!r}")
        if self.min_lots < 0:
            raise ValueError(f"min_lots must not be negative, got {self.min_lots}")
        require_choice("compare", self.compare, ("gt", "ge"))
        require_choice("zero_opposite", self.zero_opposite, ("counts", "skipped"))
        require_choice("gap_policy", self.gap_policy, ("zero", "break", "skip"))
        require_choice(
            "filter_on", self.filter_on, ("dominant", "difference", "both_rows", "lower_row")
        )
        require_choice("quantity", self.quantity, ("lots", "trades"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImbalancePreset:
    """A platform's rule, with None where it states nothing.

    Attributes
    ----------
    source : str
        Product and what was read: source code or the vendor's documentation.
    stacked_levels : int or None
        How many rows in a run the product calls stacked.
    ratio_num, ratio_den, compare, min_lots, zero_opposite, gap_policy, filter_on, quantity
        As in `ImbalanceRule`, or None.
    """

    source: str
    stacked_levels: int | None = None
    ratio_num: int | None = None
    ratio_den: int | None = None
    compare: Compare | None = None
    min_lots: int | None = None
    zero_opposite: ZeroOpposite | None = None
    gap_policy: GapPolicy | None = None
    filter_on: FilterOn | None = None
    quantity: Quantity | None = "lots"

    @property
    def open_fields(self) -> tuple[str, ...]:
        """Names of what the vendor leaves open."""
        names = (field.name for field in fields(ImbalanceRule))
        return tuple(name for name in names if getattr(self, name) is None)

    def rule(self, **choices: Any) -> ImbalanceRule:
        """Return the rule, with the open fields chosen.

        Parameters
        ----------
        **choices
            A value for each of `open_fields`, and for nothing else: to depart from what the vendor
            states, call `dataclasses.replace` on the rule, so that the departure is visible.

        Returns
        -------
        ImbalanceRule

        Raises
        ------
        TypeError
            An open field is not chosen, or a stated one is.
        ValueError
            As `ImbalanceRule`.

        Examples
        --------
        >>> ATAS_STACKED_IMBALANCE.rule().min_lots
        31
        """
        if set(choices) != set(self.open_fields):
            raise TypeError(f"rule must choose exactly {self.open_fields}, got {tuple(choices)}")
        stated = {field.name: getattr(self, field.name) for field in fields(ImbalanceRule)}
        return ImbalanceRule(**(stated | choices))


ATAS_STACKED_IMBALANCE = ImbalancePreset(
    source="ATAS 'Stacked Imbalance', source code: strictly above 300 % of the opposite volume, "
    "dominant side above 30 lots, zero opposite counts (its ignore-zero option is off by default), "
    "levels without a volume record are passed over",
    stacked_levels=3,
    ratio_num=3,
    ratio_den=1,
    compare="gt",
    min_lots=31,  # above 30
    zero_opposite="counts",
    gap_policy="skip",
    filter_on="dominant",
)

ATAS_IMBALANCE_RATIO = ImbalancePreset(
    source="ATAS 'Imbalance Ratio', source code: ratio met or exceeded (a setting, 4 at first), both "
    "levels' total volume at least the filter (a setting, 0 at first), zero opposite skipped, no "
    "comparison where one of the two levels has no volume record",
    ratio_num=4,
    ratio_den=1,
    compare="ge",
    min_lots=0,
    zero_opposite="skipped",
    gap_policy="break",
    filter_on="both_rows",
)

ATAS_COMMUNITY_DIFFERENCE = ImbalancePreset(
    source="ATAS indicators, community pull request 119: 300 % met or exceeded, dominant less "
    "opposite volume at least 30; says nothing about zero and gaps",
    ratio_num=3,
    ratio_den=1,
    compare="ge",
    min_lots=30,
    filter_on="difference",
)

NINJATRADER_ORDER_FLOW = ImbalancePreset(
    source="NinjaTrader 'Order Flow Volumetric Bars', documentation: ratio 1.5 exceeded; what a "
    "filter would apply to, zero and gaps are not specified",
    ratio_num=3,
    ratio_den=2,
    compare="gt",
)

TRADINGVIEW_FOOTPRINT = ImbalancePreset(
    source="TradingView 'Volume footprint', documentation: 300 %, no volume filter; strictness, "
    "zero and gaps are not specified",
    ratio_num=3,
    ratio_den=1,
    min_lots=0,
    filter_on="dominant",
)

FREQTRADE = ImbalancePreset(
    source="freqtrade 2026.9, source code: number of trades in place of volume, next traded row in "
    "place of the next price, the lower row's volume as filter (a setting), anything against zero "
    "counts; it also marks buy imbalances on the lower row. To reproduce, not to follow",
    ratio_num=3,
    ratio_den=1,
    compare="gt",
    zero_opposite="counts",
    gap_policy="skip",
    filter_on="lower_row",
    quantity="trades",
)

IMBALANCE_PRESETS: dict[str, ImbalancePreset] = {
    "atas_stacked_imbalance": ATAS_STACKED_IMBALANCE,
    "atas_imbalance_ratio": ATAS_IMBALANCE_RATIO,
    "atas_community_difference": ATAS_COMMUNITY_DIFFERENCE,
    "ninjatrader_order_flow": NINJATRADER_ORDER_FLOW,
    "tradingview_footprint": TRADINGVIEW_FOOTPRINT,
    "freqtrade": FREQTRADE,
}
