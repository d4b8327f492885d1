-- Predictions have an interval: null (NaN) where none was made, as in all rows that were published before. Labels name the
-- order that they belong to: 0 where they belong to none.

ALTER TABLE "research"."predictions"
    ADD COLUMN "low" double precision NOT NULL DEFAULT 'nan',
    ADD COLUMN "high" double precision NOT NULL DEFAULT 'nan';

ALTER TABLE "research"."labels"
    ADD COLUMN "order_sign" smallint NOT NULL DEFAULT '0',
    ADD COLUMN "order_lots" bigint NOT NULL DEFAULT '0';
