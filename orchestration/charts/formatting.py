"""Numbers, times and user text as a person reads them."""

import html
import math
from collections.abc import Iterable
from decimal import Decimal

import numpy as np
import pandas as pd

MISSING = "–"
MINUS = "−"


def escape(text: object) -> str:
    """Return ``text`` safe for HTML, SVG and plotly's pseudo-HTML, attributes included."""
    return html.escape(str(text), quote=True)


def decimals_of(step: float) -> int:
    """Return the number of decimals that show every multiple of ``step`` exactly.

    Examples
    --------
    >>> decimals_of(0.25), decimals_of(1e-05), decimals_of(5.0)
    (2, 5, 0)
    """
    exponent = Decimal(repr(float(step))).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def price_text(value: float, decimals: int) -> str:
    """Return a price with thousands separators; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def quantity_text(value: float) -> str:
    """Return a quantity: whole numbers whole, fractions to about four figures."""
    if value is None or not math.isfinite(value):
        return MISSING
    nearest = round(value)
    if abs(value - nearest) < 1e-9 or abs(value) >= 1000:
        return f"{nearest:,d}".replace("-", MINUS)
    decimals = min(8, max(0, 3 - math.floor(math.log10(abs(value)))))
    text = f"{value:,.{decimals}f}".rstrip("0").rstrip(".")
    return text.replace("-", MINUS)


def signed_text(value: float) -> str:
    """Return a quantity with its sign, zero without one."""
    text = quantity_text(value)
    return f"+{text}" if text != MISSING and value > 0 else text


def cell_decimals(values: Iterable[float]) -> int:
    """Return the decimals that every cell of a footprint is written with.

    None for whole numbers, else as many as give the largest value three or four figures.
    """
    array = np.abs(np.asarray(values, dtype=np.float64))
    largest = float(array.max(initial=0.0))
    if largest == 0 or bool((np.abs(array - np.round(array)) < 1e-9).all()):
        return 0
    figures = 3 if largest >= 1 else 2
    return min(8, max(0, figures - math.floor(math.log10(largest))))


def cell_text(value: float, decimals: int = 0) -> str:
    """Return a quantity short enough for a footprint cell: 9,999, then 12.3k, 4.5M.

    What is above zero but rounds to it is written as less than the last shown figure.
    """
    for scale, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= scale:
            scaled = value / (1e3 if unit == "k" else scale)
            return f"{scaled:.0f}{unit}" if abs(scaled) >= 100 else f"{scaled:.1f}{unit}"
    if value == 0:
        return "0"
    if 0 < value < 0.5 * 10.0**-decimals:
        return f"<{10.0**-decimals:.{decimals}f}"
    return f"{value:,.{decimals}f}"


def score_text(value: float | None) -> str:
    """Return a metric: four decimals, or three figures where those would show nothing."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0 or abs(value) >= 0.00005:
        text = f"{value:,.4f}" if abs(value) < 100 else f"{value:,.2f}"
    else:
        text = f"{value:.2e}"
    return text.replace("-", MINUS)


def local_times(times: pd.Series, timezone: str) -> pd.Series:
    """Return timezone-aware times in the page's time zone, index reset."""
    return pd.Series(times).reset_index(drop=True).dt.tz_convert(timezone)


def rounded(values: Iterable[float], decimals: int) -> list[float | None]:
    """Return plain floats for JSON, rounded, with None for what is not finite."""
    array = np.round(np.asarray(values, dtype=np.float64), decimals)
    return [value if math.isfinite(value) else None for value in array.tolist()]
