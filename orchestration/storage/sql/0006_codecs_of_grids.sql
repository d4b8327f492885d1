-- Venues stamp by the millisecond and quote sizes by the round lot: the greatest common divisor comes first
-- (docs/reading_and_storing.md has what was measured). Parts that are there keep their codecs until a merge.

ALTER TABLE `raw`.`trades`
    MODIFY COLUMN IF EXISTS `ts_event_ns` Int64 CODEC(GCD, Delta, ZSTD(1)),
    MODIFY COLUMN IF EXISTS `ts_recv_ns` Int64 CODEC(GCD, Delta, ZSTD(1));

ALTER TABLE `raw`.`quotes`
    MODIFY COLUMN IF EXISTS `ts_event_ns` Int64 CODEC(GCD, Delta, ZSTD(1)),
    MODIFY COLUMN IF EXISTS `ts_recv_ns` Int64 CODEC(GCD, Delta, ZSTD(1)),
    MODIFY COLUMN IF EXISTS `quote_id` Int64 CODEC(GCD, Delta, ZSTD(1)),
    MODIFY COLUMN IF EXISTS `bid_lots` Int64 CODEC(GCD, T64, ZSTD(1)),
    MODIFY COLUMN IF EXISTS `ask_lots` Int64 CODEC(GCD, T64, ZSTD(1));

ALTER TABLE `flow`.`classified_trades`
    MODIFY COLUMN IF EXISTS `ts_event_ns` Int64 CODEC(GCD, Delta, ZSTD(1));
