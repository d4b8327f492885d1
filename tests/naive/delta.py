"""Obvious loops for orderflow_core.delta."""


def cumulative_delta(signs, qtys, session_starts):
    result = []
    for i in range(len(signs)):
        before = 0 if i in set(session_starts) else result[-1]
        result.append(before + signs[i] * qtys[i])
    return result


def cvd_candles(deltas, lowest, highest, session_starts):
    """Rows of (open, high, low, close)."""
    candles = []
    for i in range(len(deltas)):
        opened = 0 if i in set(session_starts) else candles[-1][3]
        candles.append((opened, opened + highest[i], opened + lowest[i], opened + deltas[i]))
    return candles
