"""Delimited text taken by the column: split at once, and each distinct text judged once.

A row by itself costs Python several microseconds; a column of a million rows has a few thousand
distinct prices, a dozen of words, and times and ids that are plain digits. So rows are split by
Arrow, plain digits are converted by Arrow, and whatever is not plain goes through the very function
that a reader would call row by row: what is taken and what is refused, and why, stays the same.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from orchestration.sources.coded import CodedTexts
from orchestration.sources.files import split_lines
from orchestration.sources.gate import END_NS, FIRST_NS, Gate, epoch_text_ns
from orchestration.sources.members import Member
from orchestration.sources.rows import whole_number
from orderflow_core.instrument import Instrument

# So many digits fit into int64 whatever they are.
_SAFE_DIGITS = 18
_BLOCK_BYTES = 16 << 20


@dataclass(slots=True, kw_only=True)
class TextColumns:
    """The rows of one text that have the right number of fields; the others are refused already.

    Attributes
    ----------
    member : Member
    gate : Gate
        Knows the lines, and collects what is refused.
    number, width : ndarray of int64, shape (n_rows,)
        Line of each row, from 1, and how many fields it has.
    fields : dict of str to pyarrow.StringArray
        The columns asked for; a byte that is no ASCII is one odd character, which no format takes.
    other : Counter
        Lines that are no record, by what they are.
    """

    member: Member
    gate: Gate
    number: np.ndarray
    width: np.ndarray
    fields: dict[str, pa.Array]
    other: Counter[str] = field(default_factory=Counter)

    @property
    def n_lines(self) -> int:
        """Lines of the text."""
        return len(self.gate.lines)

    def keep(self, mask: np.ndarray) -> None:
        """Forget the rows where ``mask`` is False."""
        if not mask.all():
            self.number, self.width = self.number[mask], self.width[mask]
            chosen = pa.array(mask)
            self.fields = {name: values.filter(chosen) for name, values in self.fields.items()}


def text_columns(
    member: Member,
    instrument: Instrument,
    *,
    kind: str,
    names: Sequence[str],
    wanted: Sequence[str],
    n_fields: Collection[int] = (),
    delimiter: str = ",",
    n_header: int = 1,
    is_last_field_used: bool = True,
) -> TextColumns:
    """Split a text into columns; see :func:`~orchestration.sources.rows.text_rows`.

    Parameters
    ----------
    member : Member
    instrument : Instrument
    kind : str
        What a damaged row counts as: trade or quote.
    names, wanted : sequence of str
        Columns in their order, and those that are returned.
    n_fields : collection of int
        Numbers of fields that a row may have; what a shorter one lacks is empty. As many as there
        are names when left out.
    delimiter : str
        One ASCII character.
    n_header : int
        Leading lines that name the columns.
    is_last_field_used : bool
        False where a cut last field harms no record.
    """
    lines, is_cut = split_lines(member.file.data)
    is_cut &= not member.is_sealed
    gate = Gate(instrument=instrument, lines=lines, cut_line=len(lines) if is_cut else 0)
    rows, mark = lines[n_header:], delimiter.encode()
    allowed = sorted(n_fields or {len(names)})
    n_found = np.fromiter((row.count(mark) for row in rows), np.int64, len(rows)) + 1
    is_row = np.isin(n_found, allowed)
    if gate.cut_line > n_header and is_last_field_used:
        gate.refuse(kind, gate.cut_line, "truncated", "the last line has no end")
        is_row[-1] = False
    other: Counter[str] = Counter()
    if n_header:
        other["header"] = min(n_header, len(lines))
    for i in np.flatnonzero(~is_row).tolist():
        line = i + 1 + n_header
        if line == gate.cut_line and is_last_field_used:
            continue
        if rows[i]:
            wanted_widths = " or ".join(map(str, allowed))
            detail = f"must have {wanted_widths} fields, has {n_found[i]}"
            gate.refuse_damaged(kind, line, detail)
        else:
            other["blank"] += 1
    kept = rows if is_row.all() else [rows[i] for i in np.flatnonzero(is_row).tolist()]
    width = n_found[is_row]
    if len(allowed) > 1:
        lacking = (len(names) - width).tolist()
        kept = [row + mark * n for row, n in zip(kept, lacking, strict=True)]
    at = [names.index(name) for name in wanted]
    fields = dict(zip(wanted, split_fields(kept, delimiter, len(names), at), strict=True))
    number = np.flatnonzero(is_row) + 1 + n_header
    return TextColumns(
        member=member, gate=gate, number=number, width=width, fields=fields, other=other
    )


def split_fields(
    rows: Sequence[bytes], delimiter: str, n_fields: int, at: Sequence[int]
) -> list[pa.Array]:
    """Return some fields of rows, each of which has ``n_fields``, as columns of text.

    Examples
    --------
    >>> [column.to_pylist() for column in split_fields([b"a,1", b"b,2"], ",", 2, [1])]
    [['1', '2']]
    """
    data = b"\n".join(rows) + b"\n"
    # Arrow takes a carriage return for the end of a line, has no characters for odd bytes, and wants
    # a line to end in the block after the one where it begins.
    is_plain = data.isascii() and b"\r" not in data
    if rows and n_fields > 1 and is_plain and max(map(len, rows)) < _BLOCK_BYTES:
        names = [f"f{i}" for i in range(n_fields)]
        chosen = list(dict.fromkeys(names[i] for i in at))
        found = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(column_names=names, block_size=_BLOCK_BYTES),
            csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(
                include_columns=chosen, column_types=dict.fromkeys(chosen, pa.string())
            ),
        )
        return [found[names[i]].combine_chunks() for i in at]
    # latin-1 maps every byte to a character, so damage reaches the parsers as it is.
    texts = [row.decode("latin-1").split(delimiter) for row in rows]
    return [pa.array([text[i] for text in texts], pa.string()) for i in at]


def coded(column: pa.Array) -> CodedTexts:
    """Return a column of text with each distinct text once."""
    encoded = column.dictionary_encode()
    return CodedTexts(encoded.dictionary.to_pylist(), encoded.indices.to_numpy())


def judged(column: pa.Array, judge: Callable[[str], int | None]) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for each text, and where there is one; ``judge`` sees each distinct text once.

    Returns
    -------
    values : ndarray of int64, shape (n,)
        0 where ``judge`` says None.
    is_known : ndarray of bool, shape (n,)
    """
    texts = coded(column)
    found = [judge(text) for text in texts.distinct]
    values = np.array([value or 0 for value in found], np.int64)
    is_known = np.array([value is not None for value in found], np.bool_)
    return values[texts.code], is_known[texts.code]


def whole_numbers(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`~orchestration.sources.rows.whole_number` says of each text; see `judged`."""
    values, is_plain = plain_digits(column)
    return _with_odd(column, values, is_plain, whole_number)


def epoch_times(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`~orchestration.sources.gate.epoch_text_ns` says of each text; see `judged`."""
    values, is_plain = plain_digits(column)
    exponent = np.searchsorted([10**11, 10**14, 10**17], values, side="right")
    factor = np.array([10**9, 10**6, 10**3, 1])[exponent]
    is_in_range = (values >= FIRST_NS // factor) & (values < END_NS // factor)
    ns = np.where(is_in_range, values, 0) * factor
    # The limits are whole seconds, so that what is in range is told without multiplying.
    values, is_known = _with_odd(column, ns, is_plain, epoch_text_ns)
    is_known &= ~is_plain | is_in_range
    return values, is_known


def plain_digits(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the texts of 1 to 18 digits and nothing else, and which those are."""
    is_plain = pc.and_(
        pc.ascii_is_decimal(column), pc.less_equal(pc.binary_length(column), _SAFE_DIGITS)
    )
    digits = column if pc.all(is_plain).as_py() else pc.if_else(is_plain, column, "0")
    mask = is_plain.to_numpy(zero_copy_only=False)
    return digits.cast(pa.int64()).to_numpy(zero_copy_only=False).copy(), mask


def _with_odd(
    column: pa.Array,
    values: np.ndarray,
    is_plain: np.ndarray,
    judge: Callable[[str], int | None],
) -> tuple[np.ndarray, np.ndarray]:
    is_known = is_plain.copy()
    if not is_plain.all():
        odd = np.flatnonzero(~is_plain)
        values[odd], is_known[odd] = judged(column.take(pa.array(odd)), judge)
    return values, is_known
