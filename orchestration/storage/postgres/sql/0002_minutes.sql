-- Published trades by the minute, for tools that read SQL: charts, dashboards.

CREATE VIEW flow.minutes_by_generation AS
SELECT
    trading_day AS day,
    symbol,
    generation,
    ts_event_ns / 60000000000 * 60000000000 AS start_ns,
    (array_agg(price_ticks ORDER BY ts_event_ns, trade_id))[1] AS open_ticks,
    max(price_ticks) AS high_ticks,
    min(price_ticks) AS low_ticks,
    (array_agg(price_ticks ORDER BY ts_event_ns DESC, trade_id DESC))[1] AS close_ticks,
    sum(qty_lots)::bigint AS volume_lots,
    sum(sign * qty_lots)::bigint AS delta_lots,
    count(*) AS n_trades
FROM flow.classified_trades
GROUP BY 1, 2, 3, 4;

CREATE VIEW flow.minutes AS
SELECT minutes.*
FROM flow.minutes_by_generation AS minutes
JOIN meta.manifest AS published USING (generation)
WHERE NOT EXISTS (
    SELECT FROM meta.manifest AS later
    WHERE later.symbol = published.symbol AND later.trading_day = published.trading_day
    AND published.generation = ANY (later.replaces)
);
