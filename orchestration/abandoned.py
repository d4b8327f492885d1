"""Runs that were killed: Dagster's record has them going on, and whatever queues behind them waits."""

from typing import TYPE_CHECKING

from dagster import DagsterRunStatus, RunsFilter

from orchestration.storage.store import Store

if TYPE_CHECKING:
    from dagster import DagsterInstance

# A run with this tag holds the store from before its start to its end.
HOLDS_STORE = {"orderflow/holds_store": "true"}
_UNFINISHED = (
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)


def close_abandoned_runs(instance: "DagsterInstance", store: Store) -> list[str]:
    """Report runs as failed whose process is gone, and return their ids.

    Parameters
    ----------
    instance : dagster.DagsterInstance
    store : Store
        The store that this process holds. One process at a time holds an embedded store: every
        other run that held it is over, whatever the record says. A server's store proves nothing,
        so then nothing is closed.
    """
    if store.path is None:
        return []
    wanted = RunsFilter(statuses=list(_UNFINISHED), tags=HOLDS_STORE)
    abandoned = instance.get_runs(wanted)
    for run in abandoned:
        instance.report_run_failed(run, "its process was killed; what it published stays published")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in abandoned]
