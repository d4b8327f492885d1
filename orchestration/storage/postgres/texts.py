"""Text that PostgreSQL can hold: its ``text`` takes every character but NUL.

A vendor's damaged record may hold one, and what is quarantined must come back as it was. So NUL is
stored as 1 1 and the character 1 as 1 2. Both are unheard of in market data, all other text is stored as
it is, and the order of texts by their bytes stays what it was.
"""

import pyarrow as pa
import pyarrow.compute as pc

_NUL, _ONE = "\x00", "\x01"
_STORED_NUL, _STORED_ONE = "\x01\x01", "\x01\x02"


def stored_text(text: str) -> str:
    """Return a text as PostgreSQL holds it."""
    if _NUL not in text and _ONE not in text:
        return text
    return text.replace(_ONE, _STORED_ONE).replace(_NUL, _STORED_NUL)


def original_text(text: str) -> str:
    """Return the text that `stored_text` was given."""
    if _ONE not in text:
        return text
    return text.replace(_STORED_NUL, _NUL).replace(_STORED_ONE, _ONE)


def stored_texts(texts: pa.Array) -> pa.Array:
    """Return texts (string or dictionary of strings) as PostgreSQL holds them."""
    if pa.types.is_dictionary(texts.type):
        held = stored_texts(texts.dictionary)
        return pa.DictionaryArray.from_arrays(texts.indices, held)
    if not (_holds(texts, _NUL) or _holds(texts, _ONE)):
        return texts
    return pa.array([stored_text(text) for text in texts.to_pylist()], texts.type)


def original_texts(texts: pa.Array) -> pa.Array:
    """Return the texts (string) that `stored_texts` was given."""
    if not _holds(texts, _ONE):
        return texts
    return pa.array([original_text(text) for text in texts.to_pylist()], texts.type)


def _holds(texts: pa.Array, character: str) -> bool:
    return bool(pc.any(pc.match_substring(texts, character)).as_py())
