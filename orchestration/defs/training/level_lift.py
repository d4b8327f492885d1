"""How much more often the levels of a symbol held than random ones as far from price."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from models.levels import TouchLift, touch_lift
from models.tasks import Task
from orchestration.config import Settings
from orchestration.defs.features.level_tables import level_holds, level_terms
from orchestration.defs.training.level_rows import LEVEL_TABLES
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument
from orderflow_core.labels_levels import HoldLabels
from orderflow_core.types import Float64, Int64

N_RANDOM = 5  # for each real level


def lift_over_random(
    store: Store,
    instrument: Instrument,
    days: Sequence[date],
    task: Task,
    *,
    config: Settings,
    snapshot: int,
) -> TouchLift:
    """Return the lift over the given published days, touches that their own sweep decided left out.

    Random levels are drawn under the seed of the settings, those of each day anew.
    """
    terms = level_terms(config, instrument)
    own, others = [], []
    for number, day in enumerate(days):
        read = [
            store.read(name, instrument.symbol, day, snapshot=snapshot) for name in LEVEL_TABLES[:3]
        ]
        real, random = level_holds(
            *read, task=task.name, terms=terms, n_random=N_RANDOM, seed=config.seed + number
        )
        own.append(real)
        others.append(random)
    return touch_lift(
        _joined(own), _joined(others), cell_ns=terms.hold(task.name).horizon_ns, seed=config.seed
    )


def _joined(parts: Sequence[HoldLabels]) -> tuple[Int64, Float64]:
    nothing = (np.empty(0, np.int64), np.empty(0))
    t0_ns = [part.t0_ns for part in parts]
    label = [np.where(part.is_open, part.label, np.nan) for part in parts]
    return np.concatenate([nothing[0], *t0_ns]), np.concatenate([nothing[1], *label])
