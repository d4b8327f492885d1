"""Other addresses than the venue's: a proxy, a mirror, a test server."""

from collections.abc import Mapping
from typing import Any

from orchestration.sources.binance.stream_settings import StreamSettings
from orchestration.sources.binance.transport import Settings
from orchestration.sources.records import SourceError

_REST = ("archive_url", "spot_url", "um_url", "cm_url")
_STREAMS = {
    "spot_stream_url": "spot_url", "um_public_stream_url": "um_public_url",
    "um_market_stream_url": "um_market_url", "cm_stream_url": "cm_url",
}  # fmt: skip


def rest_settings(urls: Mapping[str, str], **more: Any) -> Settings:
    """Return how to ask the archive and the REST interface.

    Parameters
    ----------
    urls : mapping of str to str
        Name of an address -> what to use in its place; of the streams' too.
    **more
        Further fields of :class:`Settings`.

    Raises
    ------
    SourceError
        An address has a name that there is not.
    """
    _require_known(urls)
    return Settings(**{name: urls[name] for name in _REST if name in urls}, **more)


def stream_settings(urls: Mapping[str, str], **more: Any) -> StreamSettings:
    """Return how to follow the live streams; see :func:`rest_settings`."""
    rest = rest_settings(urls)
    chosen = {field: urls[name] for name, field in _STREAMS.items() if name in urls}
    return StreamSettings(**({"rest": rest} | chosen | more))


def _require_known(urls: Mapping[str, str]) -> None:
    for name in urls:
        if name not in _REST and name not in _STREAMS:
            known = ", ".join((*_REST, *_STREAMS))
            raise SourceError(
                "binance_urls", f"{name!r} is no address of Binance; there are {known}"
            )
