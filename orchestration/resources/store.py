"""The store as a Dagster resource."""

import dagster as dg

from orchestration.runtime import open_store
from orchestration.storage.store import Store


class StoreResource(dg.ConfigurableResource):
    """Hands out the one store of this process, configured by `Settings`."""

    def get(self) -> Store:
        """Return the store; it stays open until the process ends."""
        return open_store()
