"""Texts of which few are distinct: each is kept, and converted, once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class CodedTexts(Sequence[str]):
    """A sequence of texts as the distinct ones and, for each place, which of them stands there.

    Attributes
    ----------
    distinct : list of str
    code : ndarray of int, shape (n,)
    """

    distinct: list[str]
    code: np.ndarray

    def __len__(self) -> int:
        return len(self.code)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self.distinct[i] for i in self.code[index].tolist()]
        return self.distinct[self.code[index]]

    def take(self, at: np.ndarray) -> "CodedTexts":
        """Return the texts at some places, in their order."""
        return CodedTexts(self.distinct, self.code[at])


def joined(parts: Sequence[CodedTexts]) -> CodedTexts:
    """Return the texts of several sequences, one after the other."""
    distinct: list[str] = []
    codes = [np.empty(0, np.int64)]
    for part in parts:
        codes.append(part.code + len(distinct))
        distinct += part.distinct
    return CodedTexts(distinct, np.concatenate(codes))


def distinct_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each number that occurs, once, and which of them stands at each place.

    Notes
    -----
    By hashing: sorting, as ``numpy.unique`` does, takes ten times as long.

    Examples
    --------
    >>> found, code = distinct_values(np.array([5, 3, 5]))
    >>> found.tolist(), code.tolist()
    ([5, 3], [0, 1, 0])
    """
    encoded = pa.array(np.ascontiguousarray(values)).dictionary_encode()
    return encoded.dictionary.to_numpy(zero_copy_only=False), encoded.indices.to_numpy()
