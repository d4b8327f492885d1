"""Coded texts are their texts, and pass the gate as they do."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from orchestration.sources.coded import CodedTexts, distinct_values, joined
from orchestration.sources.gate import Gate
from tests.sources.cases import PERP

texts_ = st.lists(st.sampled_from(["1.5", "2", "x", "", "0.001", "1e99", "-1"]))


def coded(texts):
    distinct = sorted(set(texts))
    return CodedTexts(distinct, np.array([distinct.index(t) for t in texts], np.int64))


@given(texts_, texts_)
def test_they_read_as_a_list_does(texts, more):
    one = coded(texts)
    assert list(one) == texts == one[:]
    assert one[1::2] == texts[1::2]
    assert list(one.take(np.arange(len(texts))[::-1])) == texts[::-1]
    assert list(joined([one, coded(more)])) == texts + more
    assert list(joined([])) == []


@given(texts_)
def test_the_gate_says_of_them_what_it_says_of_a_list(texts):
    gate = Gate(instrument=PERP, lines=[])
    for which in ("price", "qty"):
        steps, bad = gate.convert(which, coded(texts))
        expected, expected_bad = gate.convert(which, texts)
        assert steps.tolist() == expected.tolist()
        assert bad == expected_bad


@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_distinct_values_give_all_back(values):
    numbers = np.array(values, np.float32)
    found, code = distinct_values(numbers)
    assert found[code].tolist() == numbers.tolist()


def test_each_value_is_there_once():
    found, code = distinct_values(np.array([7, 3, 7, 7]))
    assert (found.tolist(), code.tolist()) == ([7, 3], [0, 1, 0, 0])
