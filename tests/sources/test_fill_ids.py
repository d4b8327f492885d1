"""Fills of an aggregate as text: against the plain spelling, both ways."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.sources.fill_ids import fill_ends, fill_texts

ids = st.integers(0, 10**18 - 1) | st.sampled_from([0, 9, 10, 99, 100, 10**18 - 1])


@given(st.lists(st.none() | st.tuples(ids, ids)))
def test_texts_are_spelled_plainly_and_read_back(fills):
    ends = np.array([(-1, -1) if fill is None else fill for fill in fills], np.int64).reshape(-1, 2)
    texts = fill_texts(ends[:, 0].copy(), ends[:, 1].copy())
    texts.validate(full=True)
    assert texts.to_pylist() == ["" if f is None else f"{f[0]}-{f[1]}" for f in fills]
    assert np.stack(fill_ends(texts), axis=1).tolist() == ends.tolist()
    assert np.stack(fill_ends(texts[1:]), axis=1).tolist() == ends[1:].tolist()
    parts = pa.chunked_array([texts[:1], texts[1:1], texts[1:]], pa.string())
    assert np.stack(fill_ends(parts), axis=1).tolist() == ends.tolist()


@given(st.lists(st.text("0123456789-x", max_size=24)))
def test_only_two_numbers_are_fills(texts):
    def plain(text):
        match = re.fullmatch("([0-9]{1,18})-([0-9]{1,18})", text)
        return [-1, -1] if match is None else [int(match[1]), int(match[2])]

    found = np.stack(fill_ends(pa.array(texts, pa.string())), axis=1)
    assert found.tolist() == [plain(text) for text in texts]


def test_a_negative_last_fill_is_refused():
    with pytest.raises(ValueError, match="must not be negative"):
        fill_texts(np.array([5]), np.array([-1]))
