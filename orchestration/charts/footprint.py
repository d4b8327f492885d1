"""Footprint of the last bars as an SVG drawing: every number stays sharp at any zoom and in print.

Each cell reads "bid x ask": what sellers hit at the bid, what buyers lifted at the ask.
"""

import numpy as np
import pandas as pd

from orchestration.charts import theme
from orchestration.charts.data import ReportData
from orchestration.charts.footprint_marks import (
    SIGN_ROOM,
    Place,
    has_signs,
    mark_groups,
    visible_marks,
)
from orchestration.charts.formatting import (
    cell_text,
    decimals_of,
    escape,
    local_times,
    price_text,
    quantity_text,
    signed_text,
)
from orchestration.charts.ladder import N_BARS, Ladder, last_ladder
from orchestration.charts.marks import mark_switches

MIN_BARS = 6
ROW_HEIGHT = 19
HEADER_HEIGHT = 40
SCALE_WIDTH = 68
MAX_COLUMN, FULL_WIDTH = 150.0, 1316.0  # the card's inner width on a page of 1400
CANDLE_WIDTH = 13
DIGIT, POINT = 7.1, 3.7  # widths at 11.5 px in a wide font
SUMMARY_ROWS = ("Delta", "Volume", "Unsigned", "Max delta", "Min delta", "CVD")


def footprint_panel(data: ReportData) -> tuple[str, str, str]:
    """Return the caption, the drawing of the last bars and the switches of its events, all HTML.

    As many of the last 12 bars are shown as fit the page's width, but at least 6. Without a
    footprint the drawing is a statement and the caption is empty.
    """
    if data.footprint.empty:
        return "", '<p class="empty">No footprint: no bar holds a trade in this period.</p>', ""
    for n_bars in range(N_BARS, MIN_BARS - 1, -1):
        ladder = last_ladder(data.footprint, data.row_size, data.timezone, n_bars=n_bars)
        drawing = _Drawing(data, ladder)
        if drawing.width <= FULL_WIDTH:
            break
    return _caption(data, ladder), drawing.svg(), mark_switches(drawing.marks, "data-mark")


def _caption(data: ReportData, ladder: Ladder) -> str:
    decimals = decimals_of(data.row_size)
    height = price_text(data.row_size * ladder.merged, decimals)
    text = (
        f"Last {len(ladder.times)} bars of {escape(data.bar_label)}, rows of {height}. Each cell "
        "is <b>bid × ask</b>: volume that hit the bid × volume that lifted the ask"
    )
    if ladder.cells["unsigned"].any():
        text += ", then (unsigned)"
    if ladder.merged > 1:
        return text + (
            f". {ladder.merged} rows of {price_text(data.row_size, decimals)} are joined to fit; "
            "imbalances are not marked on joined rows."
        )
    return text + "."


def text_width(text: str) -> float:
    """Return the width of a number at the drawing's font size in a wide font."""
    return sum(POINT if character in ",.()" else DIGIT for character in text)


class _Drawing:
    # Geometry and pieces of one footprint; the pieces are strings of SVG.
    def __init__(self, data: ReportData, ladder: Ladder) -> None:
        self.data, self.ladder = data, ladder
        self.n_bars, self.n_rows = len(ladder.times), len(ladder.row_prices)
        self.has_unsigned = bool(ladder.cells["unsigned"].any())
        self.bid_width = max(text_width(self._text(value)) for value in ladder.cells["bid"])
        self.ask_width = max(text_width(self._text(value)) for value in ladder.cells["ask"])
        self.marks = visible_marks(data.marks, ladder, data.row_size)
        self.sign_room = SIGN_ROOM if has_signs(self.marks) else 0
        unsigned = [text_width(f"({self._text(v)})") + 6 for v in ladder.cells["unsigned"] if v]
        self.unsigned_width = max(unsigned, default=0.0)
        needed = self.bid_width + self.ask_width + self.unsigned_width + CANDLE_WIDTH + 29
        needed += self.sign_room
        fair = min(MAX_COLUMN, (FULL_WIDTH - 2 * SCALE_WIDTH) / self.n_bars)
        self.column = max(needed, fair)
        self.width = 2 * SCALE_WIDTH + self.n_bars * self.column
        self.rows_bottom = HEADER_HEIGHT + self.n_rows * ROW_HEIGHT
        self.summary = [n for n in SUMMARY_ROWS if n != "Unsigned" or self.has_unsigned]
        self.height = self.rows_bottom + 10 + len(self.summary) * ROW_HEIGHT + 4
        self.strongest = max(float(ladder.cells["delta"].abs().max()), 1e-12)
        self.candles = self._candles()

    def _text(self, value: float) -> str:
        return cell_text(value, self.ladder.decimals)

    def svg(self) -> str:
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:.0f}" '
            f'height="{self.height}" viewBox="0 0 {self.width:.0f} {self.height}" '
            f'font-family=\'{theme.FONT}\' font-size="11.5" fill="{theme.INK}" role="img" '
            f'aria-label="Footprint of the last {self.n_bars} bars">',
            *self._scale(),
        ]
        for bar in range(self.n_bars):
            parts += self._bar(bar)
        place = Place(left=SCALE_WIDTH, column=self.column, row_height=ROW_HEIGHT, row_y=self._y)
        parts += mark_groups(self.marks, place, self.data.size_unit)
        parts += [*self._summary_labels(), "</svg>"]
        return "".join(parts)

    def _candles(self) -> dict[int, pd.Series]:
        if self.data.bars.empty:
            return {}
        bars = self.data.bars.set_index(local_times(self.data.bars["t0"], self.data.timezone))
        return {
            number: bars.loc[time]
            for number, time in enumerate(self.ladder.times)
            if time in bars.index
        }

    def _y(self, row: float) -> float:
        return HEADER_HEIGHT + (self.n_rows - 1 - row) * ROW_HEIGHT

    def _scale(self) -> list[str]:
        decimals = decimals_of(self.data.tick_size)
        right = self.width - SCALE_WIDTH
        parts = []
        for row, price in enumerate(self.ladder.row_prices):
            y = self._y(row)
            text = price_text(price, decimals)
            parts.append(
                f'<line x1="{SCALE_WIDTH}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" '
                f'stroke="{theme.GRID}"/>'
                f'<text x="{SCALE_WIDTH - 8}" y="{y + 14:.1f}" text-anchor="end">{text}</text>'
                f'<text x="{right + 8:.1f}" y="{y + 14:.1f}">{text}</text>'
            )
        return parts

    def _bar(self, bar: int) -> list[str]:
        x = SCALE_WIDTH + bar * self.column
        cells = self.ladder.cells[self.ladder.cells["bar"] == bar]
        time = self.ladder.times.iloc[bar]
        is_new_day = bar == 0 or time.date() != self.ladder.times.iloc[bar - 1].date()
        seconds = "%H:%M:%S" if time.second or self._has_seconds() else "%H:%M"
        middle = x + self.column / 2
        parts = [
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="18" y2="{self.height}" stroke="{theme.LINE}"/>',
            f'<text x="{middle:.1f}" y="32" text-anchor="middle" font-weight="600">'
            f"{time.strftime(seconds)}</text>",
        ]
        if is_new_day:
            parts.append(
                f'<text x="{middle:.1f}" y="14" text-anchor="middle" fill="{theme.MUTED}">'
                f"{time.strftime('%a %d %b')}</text>"
            )
        parts += [self._cell(x, cell) for cell in cells.to_dict("records")]
        parts.append(self._candle(bar, x))
        return parts + self._bar_summary(bar, x, cells)

    def _has_seconds(self) -> bool:
        return bool((self.ladder.times.dt.second != 0).any())

    def _cell(self, x: float, cell: dict[str, float]) -> str:
        y, left, width = self._y(cell["row"]), x + CANDLE_WIDTH, self.column - CANDLE_WIDTH - 3
        width -= self.sign_room
        colour = theme.BUY if cell["delta"] > 0 else theme.SELL
        strength = 0.06 + 0.5 * abs(cell["delta"]) / self.strongest if cell["delta"] else 0.0
        fill = theme.blend(colour, strength) if strength else "#F4F6F9"
        outline = f' stroke="{theme.INK}" stroke-width="2"' if cell["is_poc"] else ""
        tip = (
            f"bid {quantity_text(cell['bid'])} × ask {quantity_text(cell['ask'])}, "
            f"delta {signed_text(cell['delta'])}, unsigned {quantity_text(cell['unsigned'])}"
        )
        middle = left + (width - self.unsigned_width) / 2
        middle += (self.bid_width - self.ask_width) / 2
        return (
            f'<g><title>{tip}</title><rect x="{left:.1f}" y="{y + 1.5:.1f}" width="{width:.1f}" '
            f'height="{ROW_HEIGHT - 3}" rx="2" fill="{fill}"{outline}/>'
            + self._number(middle - 7, y, cell["bid"], "end", bool(cell["is_sell_imbalance"]))
            + f'<text x="{middle:.1f}" y="{y + 14:.1f}" text-anchor="middle" '
            f'fill="{theme.MUTED}">×</text>'
            + self._number(middle + 7, y, cell["ask"], "start", bool(cell["is_buy_imbalance"]))
            + self._unsigned(left + width - 4, y, cell["unsigned"])
            + "</g>"
        )

    # An imbalanced number is white and bold on the colour of its side.
    def _number(self, x: float, y: float, value: float, anchor: str, is_imbalance: bool) -> str:
        text = self._text(value)
        if not is_imbalance:
            return f'<text x="{x:.1f}" y="{y + 14:.1f}" text-anchor="{anchor}">{text}</text>'
        width = text_width(text) * 1.06 + 5
        left = x - width + 2.5 if anchor == "end" else x - 2.5
        colour = theme.SELL if anchor == "end" else theme.BUY
        return (
            f'<rect x="{left:.1f}" y="{y + 3:.1f}" width="{width:.1f}" '
            f'height="{ROW_HEIGHT - 6}" rx="2" fill="{colour}"/>'
            f'<text x="{x:.1f}" y="{y + 14:.1f}" text-anchor="{anchor}" font-weight="700" '
            f'fill="#fff">{text}</text>'
        )

    def _unsigned(self, x: float, y: float, value: float) -> str:
        if not value:
            return ""
        return (
            f'<text x="{x:.1f}" y="{y + 14:.1f}" text-anchor="end" fill="{theme.MUTED}">'
            f"({self._text(value)})</text>"
        )

    # A thin candle at the left of the column, on the rows of its prices.
    def _candle(self, bar: int, x: float) -> str:
        if bar not in self.candles:
            return ""
        candle, size = self.candles[bar], self.data.row_size * self.ladder.merged
        base, centre = float(self.ladder.row_prices[0]), x + 7
        row = {
            name: np.floor(round((candle[name] - base) / size, 6))
            for name in ("open", "high", "low", "close")
        }
        colour = theme.BUY if candle["close"] >= candle["open"] else theme.SELL
        top, bottom = max(row["open"], row["close"]), min(row["open"], row["close"])
        height = self._y(bottom) - self._y(top) + ROW_HEIGHT - 6
        return (
            f'<line x1="{centre:.1f}" x2="{centre:.1f}" y1="{self._y(row["high"]) + 2:.1f}" '
            f'y2="{self._y(row["low"]) + ROW_HEIGHT - 2:.1f}" stroke="{colour}" '
            f'stroke-width="1.6"/><rect x="{centre - 3:.1f}" y="{self._y(top) + 3:.1f}" '
            f'width="6" height="{height:.1f}" rx="1" fill="{colour}"/>'
        )

    def _bar_summary(self, bar: int, x: float, cells: pd.DataFrame) -> list[str]:
        candle = self.candles.get(bar)
        delta = float(cells["delta"].sum())
        texts = {
            "Delta": signed_text(delta),
            "Volume": quantity_text(float(cells["total"].sum())),
            "Unsigned": quantity_text(float(cells["unsigned"].sum())),
        }
        if candle is not None:
            texts["Max delta"] = signed_text(candle["max_delta"])
            texts["Min delta"] = signed_text(candle["min_delta"])
            texts["CVD"] = signed_text(candle["cvd_close"])
        parts = []
        for line, name in enumerate(self.summary):
            y = self.rows_bottom + 10 + line * ROW_HEIGHT
            style = ""
            if name == "Delta":
                colour = theme.BUY if delta >= 0 else theme.SELL
                style = ' font-weight="700" fill="#fff"'
                parts.append(
                    f'<rect x="{x + 1:.1f}" y="{y + 1:.1f}" width="{self.column - 2:.1f}" '
                    f'height="{ROW_HEIGHT - 2}" fill="{colour}"/>'
                )
            parts.append(
                f'<text x="{x + self.column / 2:.1f}" y="{y + 14:.1f}" text-anchor="middle"'
                f"{style}>{texts.get(name, '')}</text>"
            )
        return parts

    def _summary_labels(self) -> list[str]:
        y0 = self.rows_bottom + 10
        right = self.width - SCALE_WIDTH
        parts = [
            f'<line x1="0" x2="{self.width:.1f}" y1="{y0 - 4}" y2="{y0 - 4}" '
            f'stroke="{theme.MUTED}"/>',
            f'<line x1="{right:.1f}" x2="{right:.1f}" y1="18" y2="{self.height}" '
            f'stroke="{theme.LINE}"/>',
        ]
        for line, name in enumerate(self.summary):
            y = y0 + line * ROW_HEIGHT + 14
            parts.append(
                f'<text x="{SCALE_WIDTH - 8}" y="{y}" text-anchor="end" '
                f'fill="{theme.MUTED}">{name}</text><text x="{right + 8:.1f}" y="{y}" '
                f'fill="{theme.MUTED}">{name}</text>'
            )
        return parts
