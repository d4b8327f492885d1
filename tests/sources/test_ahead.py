"""One item ahead: the same items, and what making one raises comes in its place."""

import threading

import pytest

from orchestration.sources.ahead import ahead


def test_items_come_in_order_and_none_twice():
    assert list(ahead(iter(range(50)))) == list(range(50))
    assert list(ahead([])) == []


def test_the_next_item_is_made_while_one_is_in_use():
    made = threading.Event()

    def items():
        yield 1
        made.set()
        yield 2

    found = ahead(items())
    assert next(found) == 1
    assert made.wait(10)
    assert list(found) == [2]


def test_a_failure_comes_after_the_items_before_it():
    def items():
        yield 1
        raise OSError("gone")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(OSError, match="gone"):
        next(found)
