"""Columns of text say of each text what the plain functions say of it alone."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.sources.gate import epoch_text_ns
from orchestration.sources.rows import text_rows, whole_number
from orchestration.sources.text_columns import (
    epoch_times,
    judged,
    split_fields,
    text_columns,
    whole_numbers,
)
from tests.sources.cases import PERP
from tests.sources.file_cases import member

# Digits of every length round the units of time, odd digits, signs, blanks, nothing.
NUMBERS = st.one_of(
    st.integers(0, 10**20).map(str),
    st.integers(0, 20).map(lambda n: "0" * n + "7"),
    st.sampled_from([10**11, 10**14, 10**17, 10**18, 946_684_800, 4_102_444_800, 2**63]).flatmap(
        lambda edge: st.integers(edge - 2, edge + 2).map(str)
    ),
    st.sampled_from([946_684_800, 4_102_444_800]).flatmap(
        lambda edge: st.sampled_from([10**3, 10**6, 10**9]).flatmap(
            lambda unit: st.integers(edge * unit - 2, edge * unit + 2).map(str)
        )
    ),
    st.sampled_from(["", " 1", "+1", "-1", "1.5", "1582329602.000001", "\xb2", "1_0", "1e3", "\0"]),
    st.text(st.characters(max_codepoint=255, exclude_characters="\n"), max_size=4),
)


@given(st.lists(NUMBERS, max_size=30))
def test_numbers_and_times_are_those_of_the_plain_functions(texts):
    rows = [f"{text.replace(',', '')},x".encode("latin-1") for text in texts]
    (column,) = split_fields(rows, ",", 2, [0])
    for convert, plain in ((whole_numbers, whole_number), (epoch_times, epoch_text_ns)):
        values, is_known = convert(column)
        wanted = [plain(text) for text in column.to_pylist()]
        assert [int(v) if k else None for v, k in zip(values, is_known, strict=True)] == wanted


@given(st.lists(st.sampled_from("abc"), max_size=9))
def test_each_distinct_text_is_judged_once(texts):
    asked = Counter()

    def judge(text):
        asked[text] += 1
        return {"a": 5, "b": 0}.get(text)

    (column,) = split_fields([f"{t},".encode() for t in texts], ",", 2, [0])
    values, is_known = judged(column, judge)
    assert values.tolist() == [5 * (t == "a") for t in texts]
    assert is_known.tolist() == [t != "c" for t in texts]
    assert asked == Counter(set(texts))


@given(
    st.lists(st.text("a;;;\r\xe9", max_size=6).map(lambda t: t.encode("latin-1")) | st.binary(max_size=6)),
    st.booleans(), st.booleans(), st.booleans(), st.sampled_from([(3,), (2, 3)]), st.integers(0, 1),
)  # fmt: skip
def test_rows_are_split_and_refused_as_one_by_one(
    rows, is_whole, is_sealed, is_last_used, n_fields, n_header
):
    data = b"a;b;c\n" + b"\n".join(row.replace(b"\n", b"") for row in rows) + b"\n" * is_whole
    one = member(data, is_sealed=is_sealed)
    plain = text_rows(
        one, PERP, kind="trade", n_fields=n_fields, delimiter=";", n_header=n_header,
        is_last_field_used=is_last_used,
    )  # fmt: skip
    found = text_columns(
        one, PERP, kind="trade", names=("a", "b", "c"), wanted=("c", "a"),
        n_fields=n_fields, delimiter=";", n_header=n_header,
        is_last_field_used=is_last_used,
    )  # fmt: skip
    assert found.number.tolist() == plain.number
    assert found.width.tolist() == [len(texts) for texts in plain.texts]
    assert found.fields["c"].to_pylist() == [(*texts, "")[2] for texts in plain.texts]
    assert found.fields["a"].to_pylist() == [texts[0] for texts in plain.texts]
    assert +found.other == +plain.other
    assert sorted(found.gate.rejects, key=str) == sorted(plain.gate.rejects, key=str)
    assert found.n_lines == plain.n_lines


def test_rows_with_quotes_and_carriage_returns_keep_them():
    rows = [b'"a";1', b"b\r;2", b'c";"3', b";"]
    first, second = split_fields(rows, ";", 2, [0, 1])
    assert first.to_pylist() == ['"a"', "b\r", 'c"', ""]
    assert second.to_pylist() == ["1", "2", '"3', ""]
    first, second = split_fields([rows[0], *rows[2:]], ";", 2, [0, 1])
    assert (first.to_pylist(), second.to_pylist()) == (['"a"', 'c"', ""], ["1", '"3', ""])


@pytest.mark.parametrize("n", [100_000, (16 << 20) - 3, 16 << 20, 33 << 20])
def test_a_line_may_be_as_long_as_it_likes(n):
    rows = [b"1,a", b"2," + b"x" * n, b"3,b"]
    number, text = split_fields(rows, ",", 2, [0, 1])
    assert number.to_pylist() == ["1", "2", "3"]
    assert [len(value) for value in text.to_pylist()] == [1, n, 1]


def test_rows_are_kept_by_mask():
    rows = text_columns(
        member("a,b\n1,2\n3,4\n5,6\n"), PERP, kind="trade", names=("a", "b"), wanted=("b",)
    )
    rows.keep(np.array([True, False, True]))
    assert rows.number.tolist() == [2, 4]
    assert rows.fields["b"].to_pylist() == ["2", "6"]
