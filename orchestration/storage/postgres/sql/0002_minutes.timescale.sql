-- Published trades by the minute, kept up to date by TimescaleDB. Not run: no TimescaleDB was at hand.

CREATE MATERIALIZED VIEW flow.minutes_by_generation
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    time_bucket(INTERVAL '1 day', trading_day) AS day,
    symbol,
    generation,
    ts_event_ns / 60000000000 * 60000000000 AS start_ns,
    first(price_ticks, trade_id) AS open_ticks,
    max(price_ticks) AS high_ticks,
    min(price_ticks) AS low_ticks,
    last(price_ticks, trade_id) AS close_ticks,
    sum(qty_lots)::bigint AS volume_lots,
    sum(sign * qty_lots)::bigint AS delta_lots,
    count(*) AS n_trades
FROM flow.classified_trades
GROUP BY 1, 2, 3, 4
WITH NO DATA;

SELECT add_continuous_aggregate_policy('flow.minutes_by_generation',
    start_offset => NULL, end_offset => INTERVAL '1 day', schedule_interval => INTERVAL '1 hour');

CREATE VIEW flow.minutes AS
SELECT minutes.*
FROM flow.minutes_by_generation AS minutes
JOIN meta.manifest AS published USING (generation)
WHERE NOT EXISTS (
    SELECT FROM meta.manifest AS later
    WHERE later.symbol = published.symbol AND later.trading_day = published.trading_day
    AND published.generation = ANY (later.replaces)
);
