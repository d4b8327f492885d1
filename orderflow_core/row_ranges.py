"""Work on independent parts, one thread a core: kernels release the interpreter's lock.

Threads that wait sleep and leave their core to others. Those of a parallel kernel spin while they wait:
where anything else runs on the machine, the one that they wait for gets its core late.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from threading import Thread

_MIN_ROWS = 100_000  # fewer are done before a thread has started


def ranges_of(n_rows: int, *, per_core: int = 1) -> list[slice]:
    """Return slices that cover the rows in order: one, or some a core where there are many rows.

    More than one a core even out work that is begun beside other work.

    Examples
    --------
    >>> ranges_of(3)
    [slice(0, 3, None)]
    """
    n_ranges = max(1, min(per_core * (os.cpu_count() or 1), n_rows // _MIN_ROWS))
    edges = [n_rows * part // n_ranges for part in range(n_ranges + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def side_by_side(tasks: Sequence[Callable[[], None]]) -> None:
    """Call all the tasks, side by side if there is more than one; an exception of any is raised.

    Notes
    -----
    Each writes its own part of the results, which must not depend on how the work is cut. The caller's
    thread works, too. Tasks begin in order; none begins any more after an exception.

    Examples
    --------
    >>> out = np.zeros(3)
    >>> side_by_side([lambda: out[:2].fill(7), lambda: out[2:].fill(8)])
    >>> out
    array([7., 7., 8.])
    """
    if len(tasks) == 1:
        tasks[0]()
        return
    waiting, errors = deque(tasks), list[BaseException]()

    def work() -> None:
        while waiting and not errors:
            try:
                task = waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            try:
                task()
            except BaseException as error:  # raised below, in the caller's thread
                errors.append(error)

    threads = [Thread(target=work) for _ in range(min(os.cpu_count() or 1, len(tasks)) - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
