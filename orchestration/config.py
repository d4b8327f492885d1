"""Every setting of the system, in one place.

Defaults, then ``orderflow.toml`` in the working directory, then environment variables with the
prefix ``ORDERFLOW_``. `orderflow doctor` prints the result, secrets masked.
"""

import tomllib
from datetime import date
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from models.tasks import LEVELS
from orchestration.task_names import (
    DirectionTasks,
    LevelTasks,
    MoveTasks,
    OrderTasks,
    ReturnTasks,
)
from orderflow_core.instrument import Instrument


class SettingsFileError(ValueError):
    """The settings file cannot be read; the message names it and what is wrong with it."""


class Settings(BaseSettings):
    """What the edges need to know; the core and the models take plain arguments."""

    model_config = SettingsConfigDict(
        env_prefix="ORDERFLOW_",
        toml_file="orderflow.toml",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,  # a misspelt key may hold a password
    )

    home: Path = Field(Path(".orderflow"), description="everything embedded lives here")
    clickhouse_url: SecretStr | None = Field(
        None, description="http(s)://user:password@host:port/; unset: embedded store under home"
    )
    clickhouse_cluster: str | None = Field(
        None,
        description="the server is a node of this cluster, as its remote_servers names it",
        pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$",
    )
    postgres_url: SecretStr | None = Field(
        None,
        description="postgresql://user:password@host:port/database; in place of ClickHouse",
    )
    store_lock_timeout_s: float = Field(30, description="how long a second process waits", ge=0)
    store_memory_gb: float = Field(
        4, description="memory limit of one query; on PostgreSQL of one sort", gt=0
    )
    store_query_timeout_s: int = Field(300, description="time limit of one query", gt=0)
    store_retry_s: float = Field(
        30, description="how long a call to a server is repeated when the connection is lost", ge=0
    )
    first_day: date = Field(date(2012, 1, 1), description="first trading day of the partitions")
    binance_urls: dict[str, str] = Field(
        {}, description="addresses in place of Binance's own, by name: spot_url, cm_stream_url, ..."
    )
    bar_seconds: int = Field(60, description="width of the stored time bars", gt=0)
    footprint_row_ticks: int = Field(
        1, description="quote ticks a footprint row is high, unless the symbol is named below", gt=0
    )
    footprint_row_ticks_by_symbol: dict[str, int] = Field(
        {"BTCUSDT": 100, "BTCUSDT.SPOT": 1000, "BTCUSD_PERP": 100, "BTCUSD.BITSTAMP": 10},
        description="the same for single symbols",
    )
    imbalance_min_lots: int = Field(
        30, description="a diagonal imbalance needs at least this on its side", ge=0
    )
    vpin_bucket_lots: int = Field(
        10_000, description="volume of a VPIN bucket, unless the symbol is named below", gt=0
    )
    vpin_bucket_lots_by_symbol: dict[str, int] = Field(
        {"ES": 20_000, "BTCUSDT": 5_000_000, "ETHUSDT": 50_000_000},
        description="the same for single symbols: about a fiftieth of a usual day",
    )
    direction_tasks: DirectionTasks = Field(
        ("direction_200",),
        description="labels of direction over sweeps, trades (direction_50t) or seconds, and of "
        "barriers (barrier_60s); the backtest trades the first",
    )
    direction_costs: bool = Field(
        False,
        description="whether a direction over sweeps or trades is flat within half a spread and a fee, as "
        "one over seconds always is; else any move counts",
    )
    return_tasks: ReturnTasks = Field(("return_60s",), description="labels of returns")
    move_tasks: MoveTasks = Field(("move_60s",), description="labels of significant moves")
    move_sigmas: float = Field(
        2, description="usual moves that make a significant one, and to a barrier", gt=0
    )
    sigma_window_seconds: int = Field(
        1800, description="trailing time over which the usual move is taken", gt=0
    )
    mid_without_quotes: Literal["half_spread_mid", "side_mid", "last_trade"] = Field(
        "half_spread_mid", description="what labels take for the mid where there are no quotes"
    )
    order_tasks: OrderTasks = Field(
        ("impact_10s", "slippage", "fill_10s", "adverse_10s"),
        description="labels of orders: of the sweep after a decision, of one left at the touch",
    )
    order_max_rows: int = Field(
        30_000, description="about how many rows the models of orders are trained on", ge=1000
    )
    level_tasks: LevelTasks = Field(
        ("level_300s",),
        description="labels of touched price levels, each with its time",
        min_length=1,
    )
    level_turn_rows: int = Field(
        4, description="a level held when price turned by so many footprint rows ...", gt=0
    )
    level_pass_rows: int = Field(
        4, description="... before it went so many rows beyond the level", gt=0
    )
    sizing_budget_bp: float = Field(
        1.0, description="impact that an order may have", allow_inf_nan=False
    )
    sizing_probability: float = Field(
        0.75, description="how surely it stays within that: 0.05, 0.25, 0.5, 0.75 or 0.95"
    )
    n_blocks: int = Field(
        5, description="time blocks of the walk-forward; folds = blocks - 1", ge=3
    )
    embargo_seconds: int = Field(60, description="gap between training and test rows", ge=1)
    n_tuning_trials: int = Field(
        0,
        description="configurations sought for each rung inside each training fold; 0: the fixed one",
        ge=0,
    )
    seed: int = Field(7, description="seed of training, bootstrap and nulls")
    signal_rung: Literal["naive", "linear", "lightgbm", "network"] = Field(
        "lightgbm", description="rung of the direction ladder that the backtest trades"
    )
    signal_threshold: float = Field(
        0.1, description="trade when |p_up - p_down| is at least this", ge=0, le=1
    )
    learning_curve: bool = Field(
        False, description="train on parts of the data as well, for the model card's learning curve"
    )
    combinatorial: bool = Field(
        False,
        description="judge each rung over combinatorial purged paths as well, for the model card",
    )
    latency_ms: float = Field(50, description="from decision to the venue", ge=0)
    slippage_ticks: int = Field(0, description="added to every fill, in quote ticks", ge=0)
    live_segment_s: float = Field(
        2, description="longest stretch of time of a segment of a live log", gt=0, le=10
    )
    live_sync_ms: float = Field(
        200, description="longest time that a live log's line waits for the disk", gt=0
    )
    live_settle_ms: float = Field(
        250, description="how much further a live stream must be before a trade is classified", ge=0
    )
    live_frozen_after_s: float = Field(
        60, description="a live feed without a record for this long is reported as frozen", gt=0
    )
    mlflow_port: int = Field(5000, description="port of the MLflow UI, on loopback", gt=0)
    dagster_port: int = Field(3000, description="port of the Dagster UI, on loopback", gt=0)
    dukascopy_api_url: str = Field(
        "https://jetta.dukascopy.com/v1", description="Dukascopy's JSON API"
    )
    dukascopy_files_url: str = Field(
        "https://datafeed.dukascopy.com/datafeed", description="Dukascopy's hourly files"
    )
    dukascopy_requests_per_s: float = Field(
        5, description="pace of requests; the vendor publishes no limit", gt=0
    )
    iqfeed_host: str = Field("127.0.0.1", description="where IQConnect runs")
    iqfeed_lookup_port: int = Field(9100, description="its port of history", gt=0)
    kinetick_folder: Path | None = Field(
        None, description="folder of NinjaTrader's exports: Kinetick itself has no download"
    )
    kinetick_export_timezone: str = Field(
        "UTC", description="zone of the stamps in NinjaTrader's text exports"
    )
    kinetick_replay_timezone: str = Field(
        "", description="zone of the PC that wrote market-replay dumps; without it they are refused"
    )
    kinetick_check_halt: bool = Field(
        True, description="refuse NinjaTrader's files with trades in the daily halt"
    )
    sierra_timezone: str = Field("UTC", description="zone of the stamps in Sierra Chart's texts")
    quote_proxy: bool = Field(
        False, description="let bars and footprints be made of quotes where there are no trades"
    )
    network: bool = Field(
        False,
        description="train and judge the network rung too, on the rows with a footprint window",
    )
    network_epochs: int = Field(
        20, description="passes over the rows in which a network is trained, at most", gt=0
    )
    n_null_runs: int = Field(200, description="backtests on a shuffled signal", ge=20)

    @field_validator("sizing_probability")
    @classmethod
    def _a_level(cls, value: float) -> float:
        if value not in LEVELS:
            raise ValueError(f"sizing_probability must be one of {LEVELS}, got {value}")
        return value

    @field_validator("kinetick_export_timezone", "kinetick_replay_timezone", "sierra_timezone")
    @classmethod
    def _a_zone(cls, value: str, info: ValidationInfo) -> str:
        if value or info.field_name != "kinetick_replay_timezone":
            try:
                ZoneInfo(value)
            except (OSError, ValueError, ZoneInfoNotFoundError) as error:
                raise ValueError(
                    f"must be a time zone such as America/New_York, got {value!r}"
                ) from error
        return value

    @model_validator(mode="after")
    def _one_server(self) -> Self:
        if self.clickhouse_url is not None and self.postgres_url is not None:
            raise ValueError("clickhouse_url and postgres_url are both set: one store, one server")
        is_postgres = (self.server_url or "").startswith(("postgresql://", "postgres://"))
        if self.clickhouse_cluster is not None and self.clickhouse_url is None:
            raise ValueError("clickhouse_cluster is a cluster of clickhouse_url, which is not set")
        if self.postgres_url is not None and not is_postgres:
            raise ValueError("postgres_url must be postgresql://user:password@host:port/database")
        if self.clickhouse_url is not None and is_postgres:
            raise ValueError("clickhouse_url must be http[s]://user:password@host:port/")
        return self

    @property
    def server_url(self) -> str | None:
        """Address of the server that holds the store, secrets included; None: it is embedded."""
        url = self.clickhouse_url or self.postgres_url
        return url.get_secret_value() if url else None

    @property
    def root(self) -> Path:
        """Absolute path of ``home``."""
        return self.home.expanduser().resolve()

    @property
    def store_path(self) -> Path:
        """Folder of the embedded store."""
        return self.root / "store"

    @property
    def samples_path(self) -> Path:
        """Cache of the sample files."""
        return self.root / "samples"

    @property
    def downloads_path(self) -> Path:
        """Cache of what vendors are asked for."""
        return self.root / "downloads"

    @property
    def reports_path(self) -> Path:
        """Where pages and pictures are written."""
        return self.root / "reports"

    @property
    def live_path(self) -> Path:
        """Where live logs are written."""
        return self.root / "live"

    @property
    def dagster_path(self) -> Path:
        """DAGSTER_HOME of the embedded instance."""
        return self.root / "dagster"

    def row_ticks(self, instrument: Instrument) -> int:
        """Height of a footprint row of this instrument, in ``price_ticks``."""
        rows = self.footprint_row_ticks_by_symbol.get(instrument.symbol, self.footprint_row_ticks)
        return rows * instrument.tick_steps

    def bucket_lots(self, instrument: Instrument) -> int:
        """Volume of a VPIN bucket of this instrument, in lots."""
        return self.vpin_bucket_lots_by_symbol.get(instrument.symbol, self.vpin_bucket_lots)

    @property
    def bar_clock(self) -> str:
        """Name of the stored time bars, the key column of the tables of bars."""
        return f"time:{self.bar_seconds}s"

    @property
    def direction_task(self) -> str:
        """Name of the first direction task, which the backtest trades."""
        return self.direction_tasks[0]

    @property
    def label_tasks(self) -> tuple[str, ...]:
        """Names of the tasks whose labels belong to a decision and to no order."""
        return self.direction_tasks + self.return_tasks + self.move_tasks

    @property
    def label_terms(self) -> str:
        """What besides the market decides the labels: part of their code version."""
        return (
            f"{' '.join(self.label_tasks + self.order_tasks + self.level_tasks)}; "
            f"{'directions beyond costs, ' if self.direction_costs else ''}"
            f"{self.move_sigmas:g} usual moves of {self.sigma_window_seconds} s, "
            f"{self.mid_without_quotes} without quotes, latency {self.latency_ms:g} ms, levels turn "
            f"at {self.level_turn_rows} rows and are passed at {self.level_pass_rows}"
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of precedence: arguments, environment, ``orderflow.toml``, defaults."""
        del dotenv_settings, file_secret_settings
        try:
            file = TomlConfigSettingsSource(settings_cls)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            name = Path(str(settings_cls.model_config["toml_file"])).resolve()
            raise SettingsFileError(f"{name} cannot be read: {error}") from error
        return init_settings, env_settings, file
