"""How much the value-area algorithms disagree on the same profiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from orderflow_core.profile import ProfileRows
from orderflow_core.value_area import ValueAreaAlgorithm, ValueAreaTie, value_area

# What a platform's user may have in front of him.
VARIANTS: dict[str, tuple[ValueAreaAlgorithm, ValueAreaTie | None]] = {
    "two_row_A": ("two_row_A", None),
    "two_row_B, ties below": ("two_row_B", "below"),
    "two_row_B, ties both": ("two_row_B", "both"),
    "one_row": ("one_row", None),
    "equal_split": ("equal_split", None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaDisagreement:
    """Two variants on the same profiles.

    Attributes
    ----------
    first, second : str
        Names in `VARIANTS`.
    n_profiles, n_differ : int
        Profiles, and those in which VAL or VAH differ.
    share : float
        ``n_differ / n_profiles``; NaN without profiles.
    largest_ticks : int
        Largest difference of an edge.
    """

    first: str
    second: str
    n_profiles: int
    n_differ: int
    share: float
    largest_ticks: int


def value_area_disagreement(
    profiles: Sequence[ProfileRows], *, ticks_per_row: int, share_num: int = 7, share_den: int = 10
) -> tuple[AreaDisagreement, ...]:
    """Return how often, and how far, each two variants of the value area differ.

    Parameters
    ----------
    profiles : sequence of ProfileRows
        Each with volume.
    ticks_per_row, share_num, share_den
        As in `orderflow_core.value_area.value_area`.

    Returns
    -------
    tuple of AreaDisagreement
        One a pair of `VARIANTS`, in their order.

    Raises
    ------
    TypeError, ValueError
        As `orderflow_core.value_area.value_area`.

    Notes
    -----
    All variants share the point of control. As causal as the profiles.

    Examples
    --------
    Profile 1, 8, 2, 1 from tick 10 on: two_row_A gives 11-13, one_row 11-12: they differ by 1 tick.
    """
    edges = {
        name: np.array(
            [
                _edges(rows, ticks_per_row, (share_num, share_den), algorithm, tie)
                for rows in profiles
            ],
            np.int64,
        ).reshape(-1, 2)
        for name, (algorithm, tie) in VARIANTS.items()
    }
    n = len(profiles)
    found = []
    for first, second in combinations(VARIANTS, 2):
        distance = np.abs(edges[first] - edges[second])
        n_differ = int(distance.any(axis=1).sum())
        found.append(
            AreaDisagreement(
                first=first,
                second=second,
                n_profiles=n,
                n_differ=n_differ,
                share=n_differ / n if n else float("nan"),
                largest_ticks=int(distance.max(initial=0)),
            )
        )
    return tuple(found)


def _edges(
    rows: ProfileRows,
    ticks_per_row: int,
    share: tuple[int, int],
    algorithm: ValueAreaAlgorithm,
    tie: ValueAreaTie | None,
) -> tuple[int, int]:
    area = value_area(
        rows.price_tick,
        rows.volume_lots,
        ticks_per_row=ticks_per_row,
        share_num=share[0],
        share_den=share[1],
        algorithm=algorithm,
        tie=tie,
    )
    return area.val_tick, area.vah_tick
