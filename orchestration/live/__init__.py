"""Live capture: log first, then the store; the same way for a socket, a log and a stored day.

==================  ================================================================================
module              what
==================  ================================================================================
``capture_log``     append-only segments of ``<recv_ns> <line>``; what is durable when
``feeds``           one entry a vendor: its client, its reader, where it goes on after a stop
``segment_reader``  a segment as batches, beside what the segments before it leave behind
``raw_segments``    batches into ``raw/*``: one unit a segment, deduplicated against the others
``flow_day``        classified trades, bars, footprint and features of a day as it grows
``flow_segments``   publishes them as segments; the day's batch run must give the same hash
``worker``          the thread of the store: one segment after another, in order
``session``         sockets, signals, status: asyncio, and nothing heavy in it
``replay``          a log or a stored day through the same worker
==================  ================================================================================
"""
