"""The schema on a cluster, from the same migrations: replicated tables, and distributed ones over them.

A published table becomes two: ``raw.trades_local`` on every node, replicated within its shard, and
``raw.trades`` over them, which sends a row to the shard of its symbol and reads from all. So every
query stays as it is. Tables of ``meta`` are whole on every node: one manifest decides for all shards.
"""

import re

from orchestration.storage.errors import SchemaError

# In a cluster a lost answer may be asked for again for a week. Keeper holds the tokens.
_WINDOW = (
    "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800"
)
_NAME = r"`?(?P<database>\w+)`?\.`?(?P<table>\w+)`?"
_CREATE_DATABASE = re.compile(r"CREATE DATABASE IF NOT EXISTS (?P<database>\w+)")
_CREATE_TABLE = re.compile(
    rf"CREATE TABLE IF NOT EXISTS {_NAME}\s*(?P<columns>\(.*\))\s*ENGINE = MergeTree\b(?P<rest>.*?)"
    r"\bSETTINGS (?P<settings>[^()]*)",
    re.DOTALL,
)
# Repeated, both change nothing.
_CHANGE = r"(?:ADD COLUMN IF NOT EXISTS|MODIFY COLUMN IF EXISTS)"
_ALTER = re.compile(rf"ALTER TABLE {_NAME}\s+(?P<rest>{_CHANGE} .*)", re.DOTALL)

# An insert has returned when a majority of the replicas has it, and a read sees every such insert.
SETTINGS = {
    "insert_quorum": "auto",
    "insert_quorum_parallel": 0,
    "insert_quorum_timeout": 60_000,
    "select_sequential_consistency": 1,
    "distributed_foreground_insert": 1,
}


def require_cluster_name(cluster: str) -> str:
    """Return the name of a cluster; ValueError where it is none that can stand in a statement."""
    if not re.fullmatch(r"[A-Za-z_][\w.-]*", cluster, re.ASCII):
        raise ValueError(f"a cluster's name has letters, digits, '_', '.' and '-', got {cluster!r}")
    return cluster


def statements_on(cluster: str, statement: str) -> list[str]:
    """Return what one statement of a migration is on a cluster.

    Parameters
    ----------
    cluster : str
        As the servers' ``remote_servers`` names it.
    statement : str
        CREATE DATABASE, CREATE TABLE of a MergeTree, or ALTER TABLE ... ADD or MODIFY COLUMN.

    Raises
    ------
    SchemaError
        It is another one: what it means on a cluster has to be said here first.
    """
    on = f"ON CLUSTER '{require_cluster_name(cluster)}'"
    if found := _CREATE_DATABASE.fullmatch(statement):
        return [f"CREATE DATABASE IF NOT EXISTS {found['database']} {on}"]
    if found := _CREATE_TABLE.fullmatch(statement):
        return _created(cluster, on, found)
    if found := _ALTER.fullmatch(statement):
        return [
            f"ALTER TABLE `{found['database']}`.`{name}` {on} {found['rest']}"
            for name in _both(found["database"], found["table"])
        ]
    raise SchemaError(f"no rule for a cluster: {statement[:60]!r}")


def stored_in(cluster: str, database: str, table: str) -> str:
    """Return the table that holds the rows, with ON CLUSTER, as ALTER TABLE wants it."""
    return (
        f"`{database}`.`{_both(database, table)[0]}` ON CLUSTER '{require_cluster_name(cluster)}'"
    )


def _both(database: str, table: str) -> list[str]:
    # The table that holds the rows, then the one over it where there is one.
    return [table] if database == "meta" else [f"{table}_local", table]


def _created(cluster: str, on: str, found: re.Match[str]) -> list[str]:
    database, table = found["database"], found["table"]
    names = _both(database, table)
    # Of meta each node is a replica; of the others the nodes of one shard.
    place, node = ("all", "{shard}-{replica}") if len(names) == 1 else ("{shard}", "{replica}")
    settings = [
        setting
        for setting in found["settings"].strip().split(", ")
        if not setting.startswith("non_replicated_deduplication_window")
    ]
    local = (
        f"CREATE TABLE IF NOT EXISTS `{database}`.`{names[0]}` {on}\n{found['columns']}\n"
        f"ENGINE = ReplicatedMergeTree('/clickhouse/tables/{place}/{database}/{table}', '{node}')"
        f"{found['rest']}SETTINGS {', '.join([*settings, _WINDOW])}"
    )
    if len(names) == 1:
        return [local]
    over = (
        f"CREATE TABLE IF NOT EXISTS `{database}`.`{table}` {on}\n"
        f"AS `{database}`.`{names[0]}`\n"
        f"ENGINE = Distributed('{cluster}', '{database}', '{names[0]}', cityHash64(symbol))"
    )
    return [local, over]
