"""The servers' configuration: the engine reads it, and the containers are those that it names."""

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from tests.storage.conftest import in_own_process

INFRA = Path(__file__).parent.parent.parent / "infra"
CLUSTER = INFRA / "clickhouse" / "cluster" / "cluster.xml"


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load((INFRA / "compose" / "compose.yaml").read_text())["services"]


def _as_the_engine_reads_it(folder, settings):
    import chdb

    os.environ.update(settings)
    opened = chdb.connect(f"{folder}?config-file={CLUSTER}")
    sql = (
        "SELECT cluster, shard_num, replica_num, host_name, port FROM system.clusters ORDER BY ALL"
    )
    nodes = str(opened.query(sql, "TabSeparated")).split("\n")
    macros = str(opened.query("SELECT * FROM system.macros ORDER BY ALL", "TabSeparated"))
    return [node.split("\t") for node in nodes if node], macros


def test_the_engine_finds_two_shards_of_two_replicas_and_every_node_its_place(tmp_path, services):
    own = {"SHARD": "2", "REPLICA": "b", "CLUSTER_SECRET": "x"}
    nodes, macros = in_own_process(_as_the_engine_reads_it, tmp_path, own)
    expected = [
        ["orderflow", str(shard), str(number), f"clickhouse-{shard}-{replica}", "9000"]
        for shard in (1, 2)
        for number, replica in ((1, "a"), (2, "b"))
    ]
    assert nodes == expected
    assert macros.split() == ["replica", "b", "shard", "2"]
    for _, shard, _, host, _ in nodes:
        environment = services[host]["environment"]
        assert (environment["SHARD"], f"clickhouse-{shard}-{environment['REPLICA']}") == (
            shard,
            host,
        )


def test_three_keepers_know_each_other_and_the_nodes_know_them(services):
    keeper = ET.parse(INFRA / "clickhouse" / "keeper" / "keeper.xml").getroot()  # noqa: S314
    members = {
        server.findtext("hostname"): server.findtext("id") for server in keeper.iter("server")
    }
    assert len(members) == 3
    asked = ET.parse(CLUSTER).getroot().iter("node")  # noqa: S314
    assert {node.findtext("host") for node in asked} == set(members)
    for host, number in members.items():
        assert services[host]["environment"]["KEEPER_ID"] == number
        assert services[host]["profiles"] == ["cluster"]


def test_what_is_mounted_exists_and_ports_are_on_loopback(services):
    for name, service in services.items():
        mounted = [v.split(":")[0] for v in service["volumes"] if v.startswith("..")]
        assert mounted, name
        for path in mounted:
            assert (INFRA / "compose" / path).is_file(), path
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert "profiles" not in services["clickhouse"]


def test_no_secret_stands_in_a_file():
    for path in INFRA.rglob("*"):
        if path.suffix in (".xml", ".yaml"):
            text = path.read_text()
            assert "<password>" not in text, path
            assert "<secret>" not in text, path
    text = (INFRA / "compose" / "compose.yaml").read_text()
    assert text.count('  CLICKHOUSE_PASSWORD: "${ORDERFLOW_CLICKHOUSE_PASSWORD:?') == 1
