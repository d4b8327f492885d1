"""Addresses of servers, which hold passwords: nothing of a wrong one is repeated in an error."""

from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from orchestration.storage.errors import StoreUrlError


def split_server_url(url: str, schemes: Collection[str], *, expected: str) -> SplitResult:
    """Split a server's address.

    Parameters
    ----------
    url : str
    schemes : collection of str
        Which ones are meant.
    expected : str
        What the error says it must look like.

    Raises
    ------
    StoreUrlError
        Another scheme, a port that is none, or an "@" after the address: part of a password.
    """
    message = f"the store's url must be {expected}"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  looks at it: a port that is none raises, and says what stands there
    except ValueError:
        raise StoreUrlError(message) from None
    # A "/", "?" or "#" of the password that is not escaped ends the address before its "@".
    rest = parts.path + parts.query + parts.fragment
    if parts.scheme not in schemes or "@" in rest:
        raise StoreUrlError(message)
    return parts
