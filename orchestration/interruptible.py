"""Let an interrupt through while a library that swallows interrupts is at work."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_thread(work: Callable[[], T]) -> T:
    """Do ``work`` in a thread of its own and return or raise what it does.

    Raises
    ------
    KeyboardInterrupt
        The process was interrupted meanwhile. The thread goes on and cannot be stopped: leave by
        ``os._exit``.

    Notes
    -----
    Dagster takes the signal handlers of the main thread while it runs there, and an interrupt that
    comes between two steps, or inside a library that catches everything, is lost.
    """
    future: Future[T] = Future()

    def do() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # raised again by the one who waits
            future.set_exception(error)

    threading.Thread(target=do, name="work", daemon=True).start()
    return future.result()
