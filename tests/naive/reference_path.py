"""Obvious loop for orderflow_core.reference_path."""

import math


def hold_at(path, barriers):
    """Barriers are (first, end, side, distance); returns the path and what each pushed."""
    held, pushed = list(path), []
    for first, end, side, distance in barriers:
        level = (math.floor(held[first]) if side > 0 else math.ceil(held[first])) - side * distance
        push = 0.0
        for i in range(first, len(held)):
            if i < end:
                push = max(push, (level - held[i]) * side)
            held[i] += side * push
        pushed.append(side * push)
    return held, pushed
