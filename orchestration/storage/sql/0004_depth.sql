-- Snapshots and changes of the book: one row a level that an update sets. docs/adr/0006 says why not the best levels.

CREATE TABLE IF NOT EXISTS `raw`.`depth`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `ts_event_ns` Int64 CODEC(Delta, ZSTD(1)),
    `ts_recv_ns` Int64 CODEC(Delta, ZSTD(1)),
    `ts_source` Int8 CODEC(T64, ZSTD(1)),
    `first_id` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `last_id` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `previous_id` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `is_snapshot` Int8 CODEC(T64, ZSTD(1)),
    `change_idx` Int64 CODEC(T64, ZSTD(1)),
    `side` Int8 CODEC(T64, ZSTD(1)),
    `price_ticks` Int64 CODEC(Delta, ZSTD(1)),
    `qty_lots` Int64 CODEC(T64, ZSTD(1)),
    `source` LowCardinality(String),
    `unit` LowCardinality(String),
    `line` Int64 CODEC(DoubleDelta, ZSTD(1)),
    CONSTRAINT lots_not_negative CHECK qty_lots >= 0,
    CONSTRAINT side_domain CHECK side IN (-1, 0, 1),
    CONSTRAINT price_of_a_side CHECK side = 0 OR price_ticks > 0,
    CONSTRAINT flag_domain CHECK is_snapshot IN (0, 1) AND ts_source IN (0, 1),
    CONSTRAINT ids_forward CHECK last_id >= first_id AND previous_id >= -1 AND change_idx >= 0
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, ts_event_ns, last_id, is_snapshot, change_idx)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
