"""The content hash as an obvious loop: columns are (kind, values), in schema order."""

import hashlib
import struct


def content_hash(rows, columns, sort):
    """``rows``: list of dicts; ``columns``: list of (name, kind), hashed ones only; ``sort``: names."""
    kinds = dict(columns)
    rest = [
        name for name, _ in columns if name not in sort and name not in ("symbol", "trading_day")
    ]

    def key(row):
        return [comparable(kinds[name], row[name]) for name in (*sort, *rest)]

    ordered = sorted(rows, key=key)
    digest = hashlib.sha256()
    for name, kind in columns:
        for row in ordered:
            digest.update(encoded(kind, row[name]))
    return digest.hexdigest()


def comparable(kind, value):
    if kind == "Float64":
        return struct.unpack("<Q", struct.pack("<d", value))[0]
    return value.encode() if isinstance(value, str) else value


def encoded(kind, value):
    if kind == "Int64":
        return struct.pack("<q", value)
    if kind == "Int8":
        return struct.pack("<b", value)
    if kind == "Float64":
        return struct.pack("<d", value)
    if kind == "Date":
        return struct.pack("<i", value.toordinal() - 719163)  # ordinal of 1970-01-01
    text = value.encode()
    return struct.pack("<q", len(text)) + text
