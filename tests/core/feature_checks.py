"""What every feature of the matrix must keep, whatever it is: no look-ahead, any chunking."""

from dataclasses import replace

import numpy as np

from orderflow_core.features import FeatureMatrix, continue_decision_features, decision_features
from tests.core.feature_streams import SETTINGS, call
from tests.naive import decision_clocks as naive_clocks


def build(stream, clock="sweep", settings=SETTINGS):
    """Return the matrix with every feature of the registry, or the core ones without settings."""
    return call(decision_features, stream, clock=clock, settings=settings)


def assert_same_rows(got, expected, names):
    """Demand equal keys and bit-identical values; the message names the feature."""
    np.testing.assert_array_equal(got.t0_ns, expected.t0_ns)
    np.testing.assert_array_equal(got.decision_id, expected.decision_id)
    for i, name in enumerate(names):
        bits = np.ascontiguousarray(got.values[:, i]).view(np.int64)
        wanted = np.ascontiguousarray(expected.values[:, i]).view(np.int64)
        np.testing.assert_array_equal(bits, wanted, err_msg=f"feature {name}")


def rows_of(matrix, stop):
    return replace(
        matrix,
        t0_ns=matrix.t0_ns[:stop],
        decision_id=matrix.decision_id[:stop],
        last_idx=matrix.last_idx[:stop],
        values=matrix.values[:stop],
    )


def naive_decisions(stream, clock):
    """Rows of (time, end position, decision id) by loops that share nothing with ours."""
    trades = stream.trades
    columns = [trades.ts_event_ns.tolist(), trades.trade_id.tolist()]
    if callable(clock):
        ends = [i for i in range(1, len(trades) + 1) if i % 7 == 0]
        return [(columns[0][i - 1], i, columns[1][i - 1]) for i in ends]
    rule = {
        "session_start_idx": stream.session_start_idx.tolist(),
        "gap_idx": stream.gap_idx.tolist(),
        "session_ended": stream.session_ended,
    }
    if clock == "sweep":
        return naive_clocks.sweep_decisions(*columns, stream.sweep.tolist(), **rule)
    return naive_clocks.time_decisions(*columns, interval_ns=5 * 10**9, **rule)


def assert_no_look_ahead(build_matrix, stream, cuts, clock="sweep"):
    """Demand that no row depends on what comes after what it knows, bit for bit.

    For each cut: (1) the trades before it alone emit the first rows of the whole, as many as the
    obvious loop finds due; (2) a stream with another future from there on has the same rows up to
    it; on the sweep clock (3) so has the session that ends before the next sweep's first fill, so
    that not even the trade that closes a sweep is left.
    """
    whole = build_matrix(stream, clock)
    first_fills = stream.first_fills()
    assert len(whole) == len(naive_decisions(stream, clock))
    for cut in cuts:
        part = build_matrix(stream.part(0, cut), clock)
        assert len(part) == len(naive_decisions(stream.part(0, cut), clock))
        assert_same_rows(part, rows_of(whole, len(part)), whole.names)
        later = [i for i in first_fills if i >= cut]
        if later and later[0] > 0:
            other = build_matrix(stream.with_other_future(later[0]), clock)
            n_same = int((whole.last_idx < later[0]).sum())
            assert_same_rows(rows_of(other, n_same), rows_of(whole, n_same), whole.names)
            if clock == "sweep":
                closed = build_matrix(stream.part(0, later[0], ended=True), clock)
                assert len(closed) == len(first_fills) - len(later)
                assert_same_rows(closed, rows_of(whole, len(closed)), whole.names)


def rows_in_chunks(stream, edges, clock="sweep", settings=SETTINGS):
    """Return the matrices of consecutive chunks and the room that the states needed."""
    state, matrices, longest = None, [], 0
    edges = [0, *sorted(edges), len(stream.trades)]
    for k in range(len(edges) - 1):
        is_last = k == len(edges) - 2
        chunk = stream.part(edges[k], edges[k + 1], ended=stream.session_ended and is_last)
        matrix, state = call(
            continue_decision_features, chunk, state, clock=clock, settings=settings
        )
        matrices.append(replace(matrix, last_idx=matrix.last_idx + edges[k]))
        longest = max(longest, room_of(state) if state else 0)
    return matrices, longest


def room_of(state):
    """Return how many trades the longest array of a state has room for."""
    tables = [state.history.ts, state.windows.table[0], state.windows.moves]
    if state.further is not None:
        tables.append(state.further.trades.table[0])
    return max(map(len, tables))


def joined(matrices):
    return FeatureMatrix(
        t0_ns=np.concatenate([m.t0_ns for m in matrices]),
        decision_id=np.concatenate([m.decision_id for m in matrices]),
        last_idx=np.concatenate([m.last_idx for m in matrices]),
        values=np.concatenate([m.values for m in matrices]),
        names=matrices[0].names,
    )


def assert_chunks_give_the_whole(stream, edges, clock):
    """Demand that chunks give the rows of the whole, bit for bit."""
    whole, parts = build(stream, clock), joined(rows_in_chunks(stream, edges, clock)[0])
    assert_same_rows(parts, whole, whole.names)
    np.testing.assert_array_equal(parts.last_idx, whole.last_idx)
