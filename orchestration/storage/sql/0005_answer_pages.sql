-- Small pieces of published generations, packed, each found by one key. Derived from the tables, never
-- the only copy: what is missing is read from the tables. One row a granule, so that a piece is read alone.

CREATE TABLE IF NOT EXISTS `meta`.`answer_pages`
(
    `key` String CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `body` String CODEC(LZ4)
)
ENGINE = MergeTree
ORDER BY key
SETTINGS index_granularity = 1;
