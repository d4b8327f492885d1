-- Replaced generations whose rows retention has removed: a snapshot that needs one can no longer be read.

CREATE TABLE IF NOT EXISTS `meta`.`retired`
(
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `retired_at` Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
ORDER BY generation
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
