"""Runs whose process was killed are closed by the next one that holds the store."""

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status

from orchestration.abandoned import HOLDS_STORE, close_abandoned_runs
from orchestration.definitions import defs


@dataclass
class Held:
    """A store that this process holds: a folder, or a server that others use as well."""

    path: Path | None


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def record(instance, status, tags):
    job = defs.resolve_job_def("training")
    return instance.create_run_for_job(job, status=status, tags=tags).run_id


def test_unfinished_runs_that_held_the_store_have_failed(instance, tmp_path):
    killed = {record(instance, s, HOLDS_STORE) for s in (Status.NOT_STARTED, Status.STARTED)}
    done = record(instance, Status.SUCCESS, HOLDS_STORE)
    assert set(close_abandoned_runs(instance, Held(tmp_path))) == killed
    assert {instance.get_run_by_id(run).status for run in killed} == {Status.FAILURE}
    assert instance.get_run_by_id(done).status is Status.SUCCESS
    assert close_abandoned_runs(instance, Held(tmp_path)) == []


def test_runs_of_the_daemon_are_left_alone(instance, tmp_path):
    # They take the store step by step: one that waits for it is not over.
    waiting = record(instance, Status.STARTED, {})
    assert close_abandoned_runs(instance, Held(tmp_path)) == []
    assert instance.get_run_by_id(waiting).status is Status.STARTED


def test_a_servers_store_proves_nothing(instance):
    run = record(instance, Status.STARTED, HOLDS_STORE)
    assert close_abandoned_runs(instance, Held(None)) == []
    assert instance.get_run_by_id(run).status is Status.STARTED
