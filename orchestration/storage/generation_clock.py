"""Generations: numbers that order what was written, unique over every writer of a store."""

import secrets
import threading
import time


class GenerationClock:
    """Hands out generations: nanoseconds UTC, always above every one handed out or published."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def advance_to(self, generation: int) -> None:
        """Never hand out ``generation`` or an earlier one again."""
        with self._lock:
            self._last = max(self._last, generation)

    def next(self) -> int:
        """Return the next generation."""
        with self._lock:
            now = time.time_ns()
            if now <= self._last:
                # The clock stands behind what is published: a killed run may have used last + 1
                # for rows that are still there, so the next one is not last + 1 again.
                now = self._last + 1 + secrets.randbelow(1_000_000)
            self._last = now
            return now
