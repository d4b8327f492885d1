"""Lists of names in an error's text."""

from collections.abc import Sequence

_MAX_NAMED = 5


def named(names: Sequence[object]) -> str:
    """Return the first names and how many more there are."""
    told = ", ".join(str(name) for name in names[:_MAX_NAMED])
    return f"{told} and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else told
