-- The tables of Orderflow as of version 0.1. Applied files never change: write a new one.
-- orchestration/storage/tables.py describes the newest state; a test compares the two.

CREATE DATABASE IF NOT EXISTS raw;

CREATE DATABASE IF NOT EXISTS flow;

CREATE DATABASE IF NOT EXISTS research;

CREATE DATABASE IF NOT EXISTS backtest;

CREATE TABLE IF NOT EXISTS `raw`.`trades`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `ts_event_ns` Int64 CODEC(Delta, ZSTD(1)),
    `ts_recv_ns` Int64 CODEC(Delta, ZSTD(1)),
    `trade_id` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `venue_id` String CODEC(ZSTD(1)),
    `price_ticks` Int64 CODEC(Delta, ZSTD(1)),
    `qty_lots` Int64 CODEC(T64, ZSTD(1)),
    `native_sign` Int8 CODEC(T64, ZSTD(1)),
    `is_market` Int8 CODEC(T64, ZSTD(1)),
    `is_outside_session` Int8 CODEC(T64, ZSTD(1)),
    `source` LowCardinality(String),
    `unit` LowCardinality(String),
    `line` Int64 CODEC(DoubleDelta, ZSTD(1)),
    CONSTRAINT price_positive CHECK price_ticks > 0,
    CONSTRAINT qty_positive CHECK qty_lots > 0,
    CONSTRAINT sign_domain CHECK native_sign IN (-1, 0, 1),
    CONSTRAINT flag_domain CHECK is_market IN (0, 1) AND is_outside_session IN (0, 1)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, ts_event_ns, trade_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `raw`.`quotes`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `ts_event_ns` Int64 CODEC(Delta, ZSTD(1)),
    `ts_recv_ns` Int64 CODEC(Delta, ZSTD(1)),
    `ts_source` Int8 CODEC(T64, ZSTD(1)),
    `quote_id` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `bid_ticks` Int64 CODEC(Delta, ZSTD(1)),
    `bid_lots` Int64 CODEC(T64, ZSTD(1)),
    `ask_ticks` Int64 CODEC(Delta, ZSTD(1)),
    `ask_lots` Int64 CODEC(T64, ZSTD(1)),
    `source` LowCardinality(String),
    `unit` LowCardinality(String),
    `line` Int64 CODEC(DoubleDelta, ZSTD(1)),
    CONSTRAINT lots_not_negative CHECK bid_lots >= 0 AND ask_lots >= 0,
    CONSTRAINT time_source_domain CHECK ts_source IN (0, 1)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, ts_event_ns, quote_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `raw`.`gaps`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `kind` LowCardinality(String),
    `start_ns` Int64 CODEC(Delta, ZSTD(1)),
    `end_ns` Int64 CODEC(Delta, ZSTD(1)),
    `first_missing_id` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `n_missing` Int64 CODEC(T64, ZSTD(1)),
    `reason` LowCardinality(String),
    `source` LowCardinality(String),
    `unit` LowCardinality(String),
    CONSTRAINT gap_forward CHECK end_ns >= start_ns,
    CONSTRAINT missing_not_negative CHECK n_missing >= 0
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, kind, start_ns)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `raw`.`quarantine`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `kind` LowCardinality(String),
    `ts_recv_ns` Int64 CODEC(Delta, ZSTD(1)),
    `reason` LowCardinality(String),
    `detail` String CODEC(ZSTD(1)),
    `record` String CODEC(ZSTD(1)),
    `source` LowCardinality(String),
    `unit` LowCardinality(String),
    `line` Int64 CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, line, reason)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `flow`.`classified_trades`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `ts_event_ns` Int64 CODEC(Delta, ZSTD(1)),
    `trade_id` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `price_ticks` Int64 CODEC(Delta, ZSTD(1)),
    `qty_lots` Int64 CODEC(T64, ZSTD(1)),
    `sign` Int8 CODEC(T64, ZSTD(1)),
    `rule` LowCardinality(String),
    `sweep` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `bid_ticks` Int64 CODEC(Delta, ZSTD(1)),
    `ask_ticks` Int64 CODEC(Delta, ZSTD(1)),
    `bid_lots` Int64 CODEC(T64, ZSTD(1)),
    `ask_lots` Int64 CODEC(T64, ZSTD(1)),
    `has_quote` Int8 CODEC(T64, ZSTD(1)),
    CONSTRAINT price_positive CHECK price_ticks > 0,
    CONSTRAINT qty_positive CHECK qty_lots > 0,
    CONSTRAINT sign_domain CHECK sign IN (-1, 0, 1),
    CONSTRAINT flag_domain CHECK has_quote IN (0, 1)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, ts_event_ns, trade_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `flow`.`bars`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `clock` LowCardinality(String),
    `bar_id` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `t0_ns` Int64 CODEC(Delta, ZSTD(1)),
    `t1_ns` Int64 CODEC(Delta, ZSTD(1)),
    `open_ticks` Int64 CODEC(Delta, ZSTD(1)),
    `high_ticks` Int64 CODEC(Delta, ZSTD(1)),
    `low_ticks` Int64 CODEC(Delta, ZSTD(1)),
    `close_ticks` Int64 CODEC(Delta, ZSTD(1)),
    `volume_lots` Int64 CODEC(T64, ZSTD(1)),
    `buy_lots` Int64 CODEC(T64, ZSTD(1)),
    `sell_lots` Int64 CODEC(T64, ZSTD(1)),
    `unsigned_lots` Int64 CODEC(T64, ZSTD(1)),
    `n_trades` Int64 CODEC(T64, ZSTD(1)),
    `n_buy` Int64 CODEC(T64, ZSTD(1)),
    `n_sell` Int64 CODEC(T64, ZSTD(1)),
    `delta_lots` Int64 CODEC(T64, ZSTD(1)),
    `min_delta_lots` Int64 CODEC(T64, ZSTD(1)),
    `max_delta_lots` Int64 CODEC(T64, ZSTD(1)),
    `cvd_open_lots` Int64 CODEC(Delta, ZSTD(1)),
    `cvd_high_lots` Int64 CODEC(Delta, ZSTD(1)),
    `cvd_low_lots` Int64 CODEC(Delta, ZSTD(1)),
    `cvd_close_lots` Int64 CODEC(Delta, ZSTD(1)),
    `vwap_ticks` Float64 CODEC(ZSTD(1)),
    `vwap_sd_ticks` Float64 CODEC(ZSTD(1)),
    CONSTRAINT volume_conserved CHECK volume_lots = buy_lots + sell_lots + unsigned_lots,
    CONSTRAINT delta_is_difference CHECK delta_lots = buy_lots - sell_lots,
    CONSTRAINT range_holds CHECK low_ticks <= least(open_ticks, close_ticks) AND high_ticks >= greatest(open_ticks, close_ticks),
    CONSTRAINT time_forward CHECK t1_ns >= t0_ns
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, clock, bar_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `flow`.`footprint`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `clock` LowCardinality(String),
    `bar_id` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `t0_ns` Int64 CODEC(Delta, ZSTD(1)),
    `price_tick` Int64 CODEC(Delta, ZSTD(1)),
    `ticks_per_row` Int64 CODEC(T64, ZSTD(1)),
    `bid_lots` Int64 CODEC(T64, ZSTD(1)),
    `ask_lots` Int64 CODEC(T64, ZSTD(1)),
    `unsigned_lots` Int64 CODEC(T64, ZSTD(1)),
    `n_bid` Int64 CODEC(T64, ZSTD(1)),
    `n_ask` Int64 CODEC(T64, ZSTD(1)),
    `n_unsigned` Int64 CODEC(T64, ZSTD(1)),
    `is_buy_imbalance` Int8 CODEC(T64, ZSTD(1)),
    `is_sell_imbalance` Int8 CODEC(T64, ZSTD(1)),
    CONSTRAINT lots_not_negative CHECK bid_lots >= 0 AND ask_lots >= 0 AND unsigned_lots >= 0,
    CONSTRAINT row_height_positive CHECK ticks_per_row > 0,
    CONSTRAINT flag_domain CHECK is_buy_imbalance IN (0, 1) AND is_sell_imbalance IN (0, 1)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, clock, bar_id, price_tick)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `flow`.`volume_profile`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `ticks_per_row` Int64 CODEC(T64, ZSTD(1)),
    `price_tick` Int64 CODEC(Delta, ZSTD(1)),
    `bid_lots` Int64 CODEC(T64, ZSTD(1)),
    `ask_lots` Int64 CODEC(T64, ZSTD(1)),
    `unsigned_lots` Int64 CODEC(T64, ZSTD(1)),
    CONSTRAINT lots_not_negative CHECK bid_lots >= 0 AND ask_lots >= 0 AND unsigned_lots >= 0,
    CONSTRAINT row_height_positive CHECK ticks_per_row > 0
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, price_tick)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `flow`.`events`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `ts_event_ns` Int64 CODEC(Delta, ZSTD(1)),
    `kind` LowCardinality(String),
    `bar_id` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `price_tick` Int64 CODEC(Delta, ZSTD(1)),
    `sign` Int8 CODEC(T64, ZSTD(1)),
    `qty_lots` Int64 CODEC(T64, ZSTD(1)),
    `value` Float64 CODEC(ZSTD(1)),
    CONSTRAINT sign_domain CHECK sign IN (-1, 0, 1)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, ts_event_ns, kind, price_tick)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `research`.`features`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `clock` LowCardinality(String),
    `t0_ns` Int64 CODEC(Delta, ZSTD(1)),
    `decision_id` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `buy_lots_60s` Float64 CODEC(ZSTD(1)),
    `sell_lots_60s` Float64 CODEC(ZSTD(1)),
    `n_buy_60s` Float64 CODEC(ZSTD(1)),
    `n_sell_60s` Float64 CODEC(ZSTD(1)),
    `imbalance_60s` Float64 CODEC(ZSTD(1)),
    `avg_buy_lots_60s` Float64 CODEC(ZSTD(1)),
    `avg_sell_lots_60s` Float64 CODEC(ZSTD(1)),
    `large_buy_ratio_60s` Float64 CODEC(ZSTD(1)),
    `large_sell_ratio_60s` Float64 CODEC(ZSTD(1)),
    `cvd_lots` Float64 CODEC(ZSTD(1)),
    `vwap_dev_sd` Float64 CODEC(ZSTD(1)),
    `return_1s_ticks` Float64 CODEC(ZSTD(1)),
    `return_10s_ticks` Float64 CODEC(ZSTD(1)),
    `return_60s_ticks` Float64 CODEC(ZSTD(1)),
    `volatility_60s_ticks` Float64 CODEC(ZSTD(1)),
    `last_tick_sign` Float64 CODEC(ZSTD(1)),
    `sweep_sign` Float64 CODEC(ZSTD(1)),
    `sweep_lots` Float64 CODEC(ZSTD(1)),
    `sweep_n_fills` Float64 CODEC(ZSTD(1)),
    `sweep_sign_lag1` Float64 CODEC(ZSTD(1)),
    `sweep_sign_lag2` Float64 CODEC(ZSTD(1)),
    `sweeps_10s` Float64 CODEC(ZSTD(1)),
    `spread_ticks` Float64 CODEC(ZSTD(1)),
    `queue_imbalance` Float64 CODEC(ZSTD(1)),
    `microprice_dev_ticks` Float64 CODEC(ZSTD(1)),
    `mid_dev_ticks` Float64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, clock, t0_ns, decision_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `research`.`labels`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `clock` LowCardinality(String),
    `task` LowCardinality(String),
    `t0_ns` Int64 CODEC(Delta, ZSTD(1)),
    `t1_ns` Int64 CODEC(Delta, ZSTD(1)),
    `decision_id` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `label` Float64 CODEC(ZSTD(1)),
    `mid_proxy` LowCardinality(String),
    CONSTRAINT known_after_decision CHECK t1_ns >= t0_ns
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, clock, task, t0_ns, decision_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `research`.`predictions`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `clock` LowCardinality(String),
    `task` LowCardinality(String),
    `t0_ns` Int64 CODEC(Delta, ZSTD(1)),
    `t1_ns` Int64 CODEC(Delta, ZSTD(1)),
    `decision_id` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `rung` LowCardinality(String),
    `model_version` String CODEC(ZSTD(1)),
    `fold` Int64 CODEC(T64, ZSTD(1)),
    `role` LowCardinality(String),
    `train_end_ns` Int64 CODEC(Delta, ZSTD(1)),
    `p_down` Float64 CODEC(ZSTD(1)),
    `p_flat` Float64 CODEC(ZSTD(1)),
    `p_up` Float64 CODEC(ZSTD(1)),
    `value` Float64 CODEC(ZSTD(1)),
    CONSTRAINT trained_before_decision CHECK train_end_ns < t0_ns
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, clock, task, rung, t0_ns, decision_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `backtest`.`direction_signal`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `kind` LowCardinality(String),
    `ts_event_ns` Int64 CODEC(Delta, ZSTD(1)),
    `seq` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `sign` Int8 CODEC(T64, ZSTD(1)),
    `qty_lots` Int64 CODEC(T64, ZSTD(1)),
    `price_ticks` Int64 CODEC(Delta, ZSTD(1)),
    `position_lots` Int64 CODEC(T64, ZSTD(1)),
    `fee` Float64 CODEC(ZSTD(1)),
    `equity` Float64 CODEC(ZSTD(1)),
    `benchmark_equity` Float64 CODEC(ZSTD(1)),
    CONSTRAINT sign_domain CHECK sign IN (-1, 0, 1)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, ts_event_ns, kind, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `backtest`.`direction_summary`
(
    `symbol` LowCardinality(String),
    `trading_day` Date CODEC(ZSTD(1)),
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `metric` LowCardinality(String),
    `seq` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `value` Float64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(trading_day)
ORDER BY (symbol, trading_day, generation, metric, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Which generations are published. The deduplication window makes two inserts of one publication
-- number into one: the store keeps the first, and its writer reads itself back.
CREATE TABLE IF NOT EXISTS `meta`.`manifest`
(
    `seq` Int64 CODEC(Delta, ZSTD(1)),
    `table` LowCardinality(String),
    `symbol` LowCardinality(String),
    `trading_day` Date,
    `generation` Int64 CODEC(Delta, ZSTD(1)),
    `replaces` Array(Int64),
    `unit` String,
    `rows` Int64,
    `hash` String,
    `inputs` Array(Tuple(`table` String, `trading_day` Date, `hash` String)),
    `code_version` String,
    `run_id` String,
    `published_at` Int64,
    CONSTRAINT rows_not_negative CHECK rows >= 0,
    CONSTRAINT seq_positive CHECK seq > 0
)
ENGINE = MergeTree
ORDER BY (`table`, symbol, trading_day, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000;
