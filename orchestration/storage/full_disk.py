"""A full disk or quota: told apart from other errors, and said in words."""

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestration.storage.errors import StoreFullError

_NOT_ENOUGH_SPACE = 243  # ClickHouse's own count of the space that is left
_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SYSTEM_SAYS = re.compile(r"No space left on device|Disk quota exceeded|File too large")


@contextmanager
def naming_a_full_disk(folder: Path | None) -> Iterator[None]:
    """Raise StoreFullError where a call failed for want of space.

    Parameters
    ----------
    folder : Path or None
        Of an embedded store; None for a server.
    """
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        yield
    except (OSError, ClickHouseError) as error:
        if not _is_full(error):
            raise
        where = "the server's disk" if folder is None else f"the disk or quota of {folder}"
        free = "" if folder is None else f" ({shutil.disk_usage(folder).free / 1e6:,.0f} MB free)"
        raise StoreFullError(
            f"{where} is full{free}: this publication is not made, what is published stays as it "
            f"is; free space and run again. It said: {str(error).splitlines()[0][:300]}"
        ) from error


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _ERRNOS
    return getattr(error, "code", None) == _NOT_ENOUGH_SPACE or bool(
        _SYSTEM_SAYS.search(str(error))
    )
