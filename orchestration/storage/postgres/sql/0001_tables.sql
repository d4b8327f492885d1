-- The tables of Orderflow in PostgreSQL. Applied files never change: write a new one.
-- orchestration/storage/tables.py describes the newest state; a test compares the two.
-- @by_month(columns): partitions by month of trading_day, or a hypertable whose columnstore has the
-- rows of a generation in the order of these columns.

CREATE SCHEMA IF NOT EXISTS raw;

CREATE SCHEMA IF NOT EXISTS flow;

CREATE SCHEMA IF NOT EXISTS research;

CREATE SCHEMA IF NOT EXISTS backtest;

-- Every publication: one row a generation. Nothing here is ever updated or deleted.
CREATE TABLE meta.manifest
(
    "seq" bigint NOT NULL,
    "table" text COLLATE "C" NOT NULL,
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint PRIMARY KEY,
    "replaces" bigint[] NOT NULL,
    "unit" text COLLATE "C" NOT NULL,
    "rows" bigint NOT NULL,
    "hash" text COLLATE "C" NOT NULL,
    "inputs" jsonb NOT NULL,
    "code_version" text COLLATE "C" NOT NULL,
    "run_id" text COLLATE "C" NOT NULL,
    "published_at" bigint NOT NULL
);

CREATE INDEX manifest_day ON meta.manifest (symbol, trading_day);

CREATE INDEX manifest_seq ON meta.manifest (seq);

-- Replaced generations whose rows retention has removed.
CREATE TABLE meta.retired
(
    "generation" bigint PRIMARY KEY,
    "retired_at" bigint NOT NULL
);

CREATE TABLE "raw"."trades"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "ts_event_ns" bigint NOT NULL,
    "ts_recv_ns" bigint NOT NULL,
    "trade_id" bigint NOT NULL,
    "venue_id" text COLLATE "C" NOT NULL,
    "price_ticks" bigint NOT NULL,
    "qty_lots" bigint NOT NULL,
    "native_sign" smallint NOT NULL,
    "is_market" smallint NOT NULL,
    "is_outside_session" smallint NOT NULL,
    "source" text COLLATE "C" NOT NULL,
    "unit" text COLLATE "C" NOT NULL,
    "line" bigint NOT NULL,
    CONSTRAINT "price_positive" CHECK (price_ticks > 0),
    CONSTRAINT "qty_positive" CHECK (qty_lots > 0),
    CONSTRAINT "sign_domain" CHECK (native_sign IN (-1, 0, 1)),
    CONSTRAINT "flag_domain" CHECK (is_market IN (0, 1) AND is_outside_session IN (0, 1))
)
@by_month(ts_event_ns, trade_id);

CREATE INDEX "trades_generation" ON "raw"."trades" (symbol, trading_day, generation);

CREATE TABLE "raw"."quotes"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "ts_event_ns" bigint NOT NULL,
    "ts_recv_ns" bigint NOT NULL,
    "ts_source" smallint NOT NULL,
    "quote_id" bigint NOT NULL,
    "bid_ticks" bigint NOT NULL,
    "bid_lots" bigint NOT NULL,
    "ask_ticks" bigint NOT NULL,
    "ask_lots" bigint NOT NULL,
    "source" text COLLATE "C" NOT NULL,
    "unit" text COLLATE "C" NOT NULL,
    "line" bigint NOT NULL,
    CONSTRAINT "lots_not_negative" CHECK (bid_lots >= 0 AND ask_lots >= 0),
    CONSTRAINT "time_source_domain" CHECK (ts_source IN (0, 1))
)
@by_month(ts_event_ns, quote_id);

CREATE INDEX "quotes_generation" ON "raw"."quotes" (symbol, trading_day, generation);

CREATE TABLE "raw"."depth"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "ts_event_ns" bigint NOT NULL,
    "ts_recv_ns" bigint NOT NULL,
    "ts_source" smallint NOT NULL,
    "first_id" bigint NOT NULL,
    "last_id" bigint NOT NULL,
    "previous_id" bigint NOT NULL,
    "is_snapshot" smallint NOT NULL,
    "change_idx" bigint NOT NULL,
    "side" smallint NOT NULL,
    "price_ticks" bigint NOT NULL,
    "qty_lots" bigint NOT NULL,
    "source" text COLLATE "C" NOT NULL,
    "unit" text COLLATE "C" NOT NULL,
    "line" bigint NOT NULL,
    CONSTRAINT "lots_not_negative" CHECK (qty_lots >= 0),
    CONSTRAINT "side_domain" CHECK (side IN (-1, 0, 1)),
    CONSTRAINT "price_of_a_side" CHECK (side = 0 OR price_ticks > 0),
    CONSTRAINT "flag_domain" CHECK (is_snapshot IN (0, 1) AND ts_source IN (0, 1)),
    CONSTRAINT "ids_forward" CHECK (last_id >= first_id AND previous_id >= -1 AND change_idx >= 0)
)
@by_month(ts_event_ns, last_id, is_snapshot, change_idx);

CREATE INDEX "depth_generation" ON "raw"."depth" (symbol, trading_day, generation);

CREATE TABLE "raw"."gaps"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "kind" text COLLATE "C" NOT NULL,
    "start_ns" bigint NOT NULL,
    "end_ns" bigint NOT NULL,
    "first_missing_id" bigint NOT NULL,
    "n_missing" bigint NOT NULL,
    "reason" text COLLATE "C" NOT NULL,
    "source" text COLLATE "C" NOT NULL,
    "unit" text COLLATE "C" NOT NULL,
    CONSTRAINT "gap_forward" CHECK (end_ns >= start_ns),
    CONSTRAINT "missing_not_negative" CHECK (n_missing >= 0)
)
@by_month(kind, start_ns);

CREATE INDEX "gaps_generation" ON "raw"."gaps" (symbol, trading_day, generation);

CREATE TABLE "raw"."quarantine"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "kind" text COLLATE "C" NOT NULL,
    "ts_recv_ns" bigint NOT NULL,
    "reason" text COLLATE "C" NOT NULL,
    "detail" text COLLATE "C" NOT NULL,
    "record" text COLLATE "C" NOT NULL,
    "source" text COLLATE "C" NOT NULL,
    "unit" text COLLATE "C" NOT NULL,
    "line" bigint NOT NULL
)
@by_month(line, reason);

CREATE INDEX "quarantine_generation" ON "raw"."quarantine" (symbol, trading_day, generation);

CREATE TABLE "flow"."classified_trades"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "ts_event_ns" bigint NOT NULL,
    "trade_id" bigint NOT NULL,
    "price_ticks" bigint NOT NULL,
    "qty_lots" bigint NOT NULL,
    "sign" smallint NOT NULL,
    "rule" text COLLATE "C" NOT NULL,
    "sweep" bigint NOT NULL,
    "bid_ticks" bigint NOT NULL,
    "ask_ticks" bigint NOT NULL,
    "bid_lots" bigint NOT NULL,
    "ask_lots" bigint NOT NULL,
    "has_quote" smallint NOT NULL,
    CONSTRAINT "price_positive" CHECK (price_ticks > 0),
    CONSTRAINT "qty_positive" CHECK (qty_lots > 0),
    CONSTRAINT "sign_domain" CHECK (sign IN (-1, 0, 1)),
    CONSTRAINT "flag_domain" CHECK (has_quote IN (0, 1))
)
@by_month(ts_event_ns, trade_id);

CREATE INDEX "classified_trades_generation" ON "flow"."classified_trades" (symbol, trading_day, generation);

CREATE TABLE "flow"."bars"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "clock" text COLLATE "C" NOT NULL,
    "bar_id" bigint NOT NULL,
    "t0_ns" bigint NOT NULL,
    "t1_ns" bigint NOT NULL,
    "open_ticks" bigint NOT NULL,
    "high_ticks" bigint NOT NULL,
    "low_ticks" bigint NOT NULL,
    "close_ticks" bigint NOT NULL,
    "volume_lots" bigint NOT NULL,
    "buy_lots" bigint NOT NULL,
    "sell_lots" bigint NOT NULL,
    "unsigned_lots" bigint NOT NULL,
    "n_trades" bigint NOT NULL,
    "n_buy" bigint NOT NULL,
    "n_sell" bigint NOT NULL,
    "delta_lots" bigint NOT NULL,
    "min_delta_lots" bigint NOT NULL,
    "max_delta_lots" bigint NOT NULL,
    "cvd_open_lots" bigint NOT NULL,
    "cvd_high_lots" bigint NOT NULL,
    "cvd_low_lots" bigint NOT NULL,
    "cvd_close_lots" bigint NOT NULL,
    "vwap_ticks" double precision NOT NULL,
    "vwap_sd_ticks" double precision NOT NULL,
    CONSTRAINT "volume_conserved" CHECK (volume_lots = buy_lots + sell_lots + unsigned_lots),
    CONSTRAINT "delta_is_difference" CHECK (delta_lots = buy_lots - sell_lots),
    CONSTRAINT "range_holds" CHECK (low_ticks <= least(open_ticks, close_ticks) AND high_ticks >= greatest(open_ticks, close_ticks)),
    CONSTRAINT "time_forward" CHECK (t1_ns >= t0_ns)
)
@by_month(clock, bar_id);

CREATE INDEX "bars_generation" ON "flow"."bars" (symbol, trading_day, generation);

CREATE TABLE "flow"."footprint"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "clock" text COLLATE "C" NOT NULL,
    "bar_id" bigint NOT NULL,
    "t0_ns" bigint NOT NULL,
    "price_tick" bigint NOT NULL,
    "ticks_per_row" bigint NOT NULL,
    "bid_lots" bigint NOT NULL,
    "ask_lots" bigint NOT NULL,
    "unsigned_lots" bigint NOT NULL,
    "n_bid" bigint NOT NULL,
    "n_ask" bigint NOT NULL,
    "n_unsigned" bigint NOT NULL,
    "is_buy_imbalance" smallint NOT NULL,
    "is_sell_imbalance" smallint NOT NULL,
    CONSTRAINT "lots_not_negative" CHECK (bid_lots >= 0 AND ask_lots >= 0 AND unsigned_lots >= 0),
    CONSTRAINT "row_height_positive" CHECK (ticks_per_row > 0),
    CONSTRAINT "flag_domain" CHECK (is_buy_imbalance IN (0, 1) AND is_sell_imbalance IN (0, 1))
)
@by_month(clock, bar_id, price_tick);

CREATE INDEX "footprint_generation" ON "flow"."footprint" (symbol, trading_day, generation);

CREATE TABLE "flow"."volume_profile"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "ticks_per_row" bigint NOT NULL,
    "price_tick" bigint NOT NULL,
    "bid_lots" bigint NOT NULL,
    "ask_lots" bigint NOT NULL,
    "unsigned_lots" bigint NOT NULL,
    CONSTRAINT "lots_not_negative" CHECK (bid_lots >= 0 AND ask_lots >= 0 AND unsigned_lots >= 0),
    CONSTRAINT "row_height_positive" CHECK (ticks_per_row > 0)
)
@by_month(price_tick);

CREATE INDEX "volume_profile_generation" ON "flow"."volume_profile" (symbol, trading_day, generation);

CREATE TABLE "flow"."events"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "ts_event_ns" bigint NOT NULL,
    "kind" text COLLATE "C" NOT NULL,
    "bar_id" bigint NOT NULL,
    "price_tick" bigint NOT NULL,
    "sign" smallint NOT NULL,
    "qty_lots" bigint NOT NULL,
    "value" double precision NOT NULL,
    CONSTRAINT "sign_domain" CHECK (sign IN (-1, 0, 1))
)
@by_month(ts_event_ns, kind, price_tick);

CREATE INDEX "events_generation" ON "flow"."events" (symbol, trading_day, generation);

CREATE TABLE "research"."features"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "clock" text COLLATE "C" NOT NULL,
    "t0_ns" bigint NOT NULL,
    "decision_id" bigint NOT NULL,
    "buy_lots_60s" double precision NOT NULL,
    "sell_lots_60s" double precision NOT NULL,
    "n_buy_60s" double precision NOT NULL,
    "n_sell_60s" double precision NOT NULL,
    "imbalance_60s" double precision NOT NULL,
    "avg_buy_lots_60s" double precision NOT NULL,
    "avg_sell_lots_60s" double precision NOT NULL,
    "large_buy_ratio_60s" double precision NOT NULL,
    "large_sell_ratio_60s" double precision NOT NULL,
    "cvd_lots" double precision NOT NULL,
    "vwap_dev_sd" double precision NOT NULL,
    "return_1s_ticks" double precision NOT NULL,
    "return_10s_ticks" double precision NOT NULL,
    "return_60s_ticks" double precision NOT NULL,
    "volatility_60s_ticks" double precision NOT NULL,
    "last_tick_sign" double precision NOT NULL,
    "sweep_sign" double precision NOT NULL,
    "sweep_lots" double precision NOT NULL,
    "sweep_n_fills" double precision NOT NULL,
    "sweep_sign_lag1" double precision NOT NULL,
    "sweep_sign_lag2" double precision NOT NULL,
    "sweeps_10s" double precision NOT NULL,
    "spread_ticks" double precision NOT NULL,
    "queue_imbalance" double precision NOT NULL,
    "microprice_dev_ticks" double precision NOT NULL,
    "mid_dev_ticks" double precision NOT NULL,
    "cvd_trades" double precision NOT NULL DEFAULT 'nan',
    "tape_pace_15s" double precision NOT NULL DEFAULT 'nan',
    "tape_is_fast" double precision NOT NULL DEFAULT 'nan',
    "effective_half_spread_60s_ticks" double precision NOT NULL DEFAULT 'nan',
    "realised_half_spread_60s_ticks" double precision NOT NULL DEFAULT 'nan',
    "kyle_lambda_60s" double precision NOT NULL DEFAULT 'nan',
    "roll_spread_60s_ticks" double precision NOT NULL DEFAULT 'nan',
    "amihud_60s" double precision NOT NULL DEFAULT 'nan',
    "cvd_large_lots" double precision NOT NULL DEFAULT 'nan',
    "cvd_small_lots" double precision NOT NULL DEFAULT 'nan',
    "cluster_sign" double precision NOT NULL DEFAULT 'nan',
    "big_buy_lots_60s" double precision NOT NULL DEFAULT 'nan',
    "big_sell_lots_60s" double precision NOT NULL DEFAULT 'nan',
    "ofi_10s_lots" double precision NOT NULL DEFAULT 'nan',
    "ofi_60s_lots" double precision NOT NULL DEFAULT 'nan',
    "vwap_trend" double precision NOT NULL DEFAULT 'nan',
    "vwap_reversal" double precision NOT NULL DEFAULT 'nan',
    "cvd_price_divergence_60s" double precision NOT NULL DEFAULT 'nan',
    "bar_delta_lots" double precision NOT NULL DEFAULT 'nan',
    "bar_delta_share" double precision NOT NULL DEFAULT 'nan',
    "n_buy_imbalances" double precision NOT NULL DEFAULT 'nan',
    "n_sell_imbalances" double precision NOT NULL DEFAULT 'nan',
    "stacked_buy" double precision NOT NULL DEFAULT 'nan',
    "stacked_sell" double precision NOT NULL DEFAULT 'nan',
    "buy_zone_dev_ticks" double precision NOT NULL DEFAULT 'nan',
    "sell_zone_dev_ticks" double precision NOT NULL DEFAULT 'nan',
    "unfinished_high" double precision NOT NULL DEFAULT 'nan',
    "unfinished_low" double precision NOT NULL DEFAULT 'nan',
    "exhaustion" double precision NOT NULL DEFAULT 'nan',
    "delta_turnaround" double precision NOT NULL DEFAULT 'nan',
    "poc_dev_ticks" double precision NOT NULL DEFAULT 'nan',
    "vah_dev_ticks" double precision NOT NULL DEFAULT 'nan',
    "val_dev_ticks" double precision NOT NULL DEFAULT 'nan',
    "ib_high_dev_ticks" double precision NOT NULL DEFAULT 'nan',
    "ib_low_dev_ticks" double precision NOT NULL DEFAULT 'nan',
    "level_dev_ticks" double precision NOT NULL DEFAULT 'nan',
    "level_sign" double precision NOT NULL DEFAULT 'nan',
    "absorption_z" double precision NOT NULL DEFAULT 'nan',
    "absorption_sign" double precision NOT NULL DEFAULT 'nan',
    "divergence_sign" double precision NOT NULL DEFAULT 'nan',
    "vpin" double precision NOT NULL DEFAULT 'nan',
    "vpin_bulk" double precision NOT NULL DEFAULT 'nan'
)
@by_month(clock, t0_ns, decision_id);

CREATE INDEX "features_generation" ON "research"."features" (symbol, trading_day, generation);

CREATE TABLE "research"."labels"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "clock" text COLLATE "C" NOT NULL,
    "task" text COLLATE "C" NOT NULL,
    "t0_ns" bigint NOT NULL,
    "t1_ns" bigint NOT NULL,
    "decision_id" bigint NOT NULL,
    "label" double precision NOT NULL,
    "mid_proxy" text COLLATE "C" NOT NULL,
    CONSTRAINT "known_after_decision" CHECK (t1_ns >= t0_ns)
)
@by_month(clock, task, t0_ns, decision_id);

CREATE INDEX "labels_generation" ON "research"."labels" (symbol, trading_day, generation);

CREATE TABLE "research"."predictions"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "clock" text COLLATE "C" NOT NULL,
    "task" text COLLATE "C" NOT NULL,
    "t0_ns" bigint NOT NULL,
    "t1_ns" bigint NOT NULL,
    "decision_id" bigint NOT NULL,
    "rung" text COLLATE "C" NOT NULL,
    "model_version" text COLLATE "C" NOT NULL,
    "fold" bigint NOT NULL,
    "role" text COLLATE "C" NOT NULL,
    "train_end_ns" bigint NOT NULL,
    "p_down" double precision NOT NULL,
    "p_flat" double precision NOT NULL,
    "p_up" double precision NOT NULL,
    "value" double precision NOT NULL,
    CONSTRAINT "trained_before_decision" CHECK (train_end_ns < t0_ns)
)
@by_month(clock, task, rung, t0_ns, decision_id);

CREATE INDEX "predictions_generation" ON "research"."predictions" (symbol, trading_day, generation);

CREATE TABLE "backtest"."direction_signal"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "kind" text COLLATE "C" NOT NULL,
    "ts_event_ns" bigint NOT NULL,
    "seq" bigint NOT NULL,
    "sign" smallint NOT NULL,
    "qty_lots" bigint NOT NULL,
    "price_ticks" bigint NOT NULL,
    "position_lots" bigint NOT NULL,
    "fee" double precision NOT NULL,
    "equity" double precision NOT NULL,
    "benchmark_equity" double precision NOT NULL,
    CONSTRAINT "sign_domain" CHECK (sign IN (-1, 0, 1))
)
@by_month(ts_event_ns, kind, seq);

CREATE INDEX "direction_signal_generation" ON "backtest"."direction_signal" (symbol, trading_day, generation);

CREATE TABLE "backtest"."direction_summary"
(
    "symbol" text COLLATE "C" NOT NULL,
    "trading_day" date NOT NULL,
    "generation" bigint NOT NULL,
    "metric" text COLLATE "C" NOT NULL,
    "seq" bigint NOT NULL,
    "value" double precision NOT NULL
)
@by_month(metric, seq);

CREATE INDEX "direction_summary_generation" ON "backtest"."direction_summary" (symbol, trading_day, generation);
