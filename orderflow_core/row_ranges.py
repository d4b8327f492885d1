"""Work on independent parts, one thread a core: kernels release the interpreter's lock."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

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
    Each writes its own part of the results, which must not depend on how the work is cut.

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
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done in [pool.submit(task) for task in tasks]:
            done.result()
