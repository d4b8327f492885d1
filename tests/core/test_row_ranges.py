"""Ranges cover all rows once; tasks are all called, by several threads, and an exception comes out."""

import threading
import time
from functools import partial

import pytest

from orderflow_core import row_ranges
from orderflow_core.row_ranges import ranges_of, side_by_side


@pytest.fixture(autouse=True)
def three_cores(monkeypatch):
    monkeypatch.setattr(row_ranges.os, "cpu_count", lambda: 3)


@pytest.mark.parametrize("n", [0, 1, 99_999, 200_000, 1_234_567])
@pytest.mark.parametrize("per_core", [1, 4])
def test_ranges_cover_all_rows_in_order(n, per_core):
    ranges = ranges_of(n, per_core=per_core)
    assert [part.start for part in ranges] == [0, *[part.stop for part in ranges[:-1]]]
    assert ranges[-1].stop == n
    assert 1 <= len(ranges) <= 3 * per_core


def test_every_task_is_called_once():
    called = []
    side_by_side([partial(called.append, k) for k in range(50)])
    assert sorted(called) == list(range(50))
    side_by_side([])


def test_three_tasks_run_at_the_same_time_the_caller_does_one_of_them():
    # Each waits for the other two: with fewer threads none would end.
    together, threads = threading.Barrier(3, timeout=10), []

    def task():
        threads.append(threading.current_thread())
        together.wait()

    side_by_side([task] * 3)
    assert len(set(threads)) == 3
    assert threading.current_thread() in threads


def test_tasks_may_have_tasks_of_their_own():
    called = []

    def task(k):
        side_by_side([partial(called.append, (k, j)) for j in range(4)])

    side_by_side([partial(task, k) for k in range(4)])
    assert len(set(called)) == 16


def test_an_exception_comes_out_and_later_tasks_do_not_begin():
    called, is_raised = [], threading.Event()

    def fail():
        is_raised.set()
        raise ValueError("of a task")

    def late(k):
        is_raised.wait(10)
        time.sleep(0.001)
        called.append(k)

    with pytest.raises(ValueError, match="of a task"):
        side_by_side([fail, *[partial(late, k) for k in range(1_000)]])
    assert len(called) < 1_000
