"""The model registry as a Dagster resource."""

import dagster as dg

from orchestration.runtime import open_tracking
from orchestration.tracking.tracking import Tracking


class TrackingResource(dg.ConfigurableResource):
    """Hands out the one tracker of this process, configured by `Settings`."""

    def get(self) -> Tracking:
        """Return the tracker of runs and registered models."""
        return open_tracking()
