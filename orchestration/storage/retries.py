"""What a lost connection to a server is, and how long the same call is tried again."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from orchestration.storage.errors import StoreError

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
# ClickHouse errors that pass: too many simultaneous queries, socket timeout, network error, read-only
# replica, too many parts, too few replicas for a quorum, an earlier quorum not reached, a replica behind
# it, status of an insert not known, Keeper.
_PASSING = frozenset({202, 209, 210, 242, 252, 285, 286, 289, 319, 999})
_log = logging.getLogger(__name__)

T = TypeVar("T")


def is_passing(error: Exception) -> bool:
    """Tell whether the same call may succeed later: the connection was lost, or the server is busy."""
    from clickhouse_connect.driver.exceptions import Error, OperationalError

    if isinstance(error, Error) and error.code is not None:
        return error.code in _PASSING
    return isinstance(error, OperationalError)


def retried(
    call: Callable[[], T],
    *,
    for_s: float,
    what: str,
    may_pass: Callable[[Exception], bool] = is_passing,
) -> T:
    """Call until it succeeds, with growing, jittered pauses between attempts.

    Parameters
    ----------
    call : callable
        It must be safe to repeat: what came of a lost attempt is not known.
    for_s : float
        How long after the first attempt the last one may begin; 0: one attempt.
    what : str
        What the error message names.
    may_pass : callable
        Tells whether an error is one that the same call may not meet again.

    Raises
    ------
    StoreError
        The last attempt failed as those before it did.
    Exception
        What the call raised, where repeating it would not help.
    """
    deadline, pause, n = time.monotonic() + for_s, _FIRST_PAUSE_S, 1
    while True:
        try:
            return call()
        except Exception as error:
            if not may_pass(error):
                raise
            wait = pause * random.uniform(0.5, 1.0)  # noqa: S311  spreads clients in time, no secret
            if time.monotonic() + wait > deadline:
                said = f"failed {n} times in {for_s:g} s, at last with" if n > 1 else "failed"
                raise StoreError(f"{what} {said}: {' '.join(str(error).split())}") from error
            _log.info("%s failed (%s): attempt %d follows in %.1f s", what, error, n + 1, wait)
            time.sleep(wait)
            pause, n = min(2 * pause, _LONGEST_PAUSE_S), n + 1
