-- Predictions have an interval: null (NaN) where none was made, as in all rows that were published before. Labels name the
-- order that they belong to: 0 where they belong to none.

ALTER TABLE `research`.`predictions`
    ADD COLUMN IF NOT EXISTS `low` Float64 DEFAULT nan CODEC(ZSTD(1)) AFTER `value`,
    ADD COLUMN IF NOT EXISTS `high` Float64 DEFAULT nan CODEC(ZSTD(1)) AFTER `low`;

ALTER TABLE `research`.`labels`
    ADD COLUMN IF NOT EXISTS `order_sign` Int8 DEFAULT 0 CODEC(T64, ZSTD(1)) AFTER `mid_proxy`,
    ADD COLUMN IF NOT EXISTS `order_lots` Int64 DEFAULT 0 CODEC(T64, ZSTD(1)) AFTER `order_sign`;
