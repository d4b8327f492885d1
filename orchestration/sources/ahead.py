"""Work one item ahead: the next one is made while the caller still works on the one before."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield the items in their order; a thread makes each while the one before is in use.

    Notes
    -----
    At most one item waits, so memory holds two. What making an item raises, the caller gets in
    that item's place. It pays where both sides leave the interpreter's lock: unpacking, hashing,
    kernels, the store.
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(next, iterator, end)
        while (item := pending.result()) is not end:
            pending = pool.submit(next, iterator, end)
            yield item  # type: ignore[misc]  # the mark of the end never gets here
