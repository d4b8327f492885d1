"""The asset graph in words, one line a fact; refresh the golden copy after a wanted change with

python -m tests.orchestration.graph
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

GOLDEN = Path(__file__).parent.parent / "golden" / "graph.txt"


def describe(defs: dg.Definitions) -> str:
    """Return assets with their deps and checks, jobs, schedules and resources."""
    graph = defs.resolve_asset_graph()
    lines = [line for key in sorted(graph.get_all_asset_keys()) for line in _asset(graph, key)]
    lines += [line for job in sorted(defs.jobs, key=lambda j: j.name) for line in _job(defs, job)]
    for schedule in defs.schedules:
        status = schedule.default_status.value
        lines += ["", f"schedule {schedule.name}: {schedule.cron_schedule}, {status}"]
        lines += [f"  asks for {schedule.job_name}"]
    lines += ["", f"resources {' '.join(sorted(defs.resources))}"]
    return "\n".join(lines).lstrip() + "\n"


def _asset(graph: Any, key: dg.AssetKey) -> Iterator[str]:
    node = graph.get(key)
    yield ""
    # Settings that are part of a version may differ from one machine to another.
    version = node.code_version.partition(";")[0]
    yield f"asset {key.to_user_string()} ({node.group_name}, version {version})"
    yield f"  partitions {_partitions(node.partitions_def)}"
    for parent in sorted(node.parent_keys):
        mapping = type(node.partition_mappings.get(parent)).__name__
        across = "" if mapping == "NoneType" else f" ({mapping})"
        yield f"  reads {parent.to_user_string()}{across}"
    for check in sorted(node.check_keys, key=lambda c: c.name):
        kind = "blocking" if graph.get(check).blocking else "warning"
        yield f"  check {check.name} ({kind})"
    yield f"  pools {' '.join(sorted(node.pools or ())) or 'none'}"
    yield f"  freshness {'stated' if node.freshness_policy else 'not stated'}"


def _partitions(definition: dg.PartitionsDefinition | None) -> str:
    if isinstance(definition, dg.MultiPartitionsDefinition):
        return " x ".join(dimension.name for dimension in definition.partitions_defs)
    return "symbol" if isinstance(definition, dg.StaticPartitionsDefinition) else "none"


def _job(defs: dg.Definitions, job: dg.JobDefinition) -> Iterator[str]:
    resolved = defs.resolve_job_def(job.name)
    yield ""
    yield f"job {job.name}: {_partitions(resolved.partitions_def)}"
    for key in sorted(resolved.asset_layer.executable_asset_keys):
        yield f"  makes {key.to_user_string()}"


if __name__ == "__main__":
    from orchestration.definitions import defs as ours

    GOLDEN.write_text(describe(ours), encoding="utf-8")
