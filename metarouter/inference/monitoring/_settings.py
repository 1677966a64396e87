"""What a monitor is told once, before it sees a query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metarouter.exceptions import MetaRouterError
from metarouter.routing._cost_model import is_real
from metarouter.utils.columns import as_level

__all__ = ["N_ALARMS", "PROMISES", "MonitorSettings"]

N_ALARMS = 4  # embeddings, predictions, cost, quality
PROMISES = {
    "max_share": "at most",
    "max_cost": "at most",
    "min_saving": "at least",
    "min_gain": "at least",
    "max_loss": "at most",
}


@dataclass(frozen=True)
class MonitorSettings:
    """Settings of `RouterMonitor`, checked.

    Raises
    ------
    MetaRouterError
        If one of them is out of its range.
    """

    max_share: float | None
    max_cost: float | None
    min_saving: float | None
    min_gain: float | None
    max_loss: float | None
    level: float
    alarm_level: float
    window: int
    horizon: int
    burn_in: int
    n_components: int
    seed: int

    def __post_init__(self) -> None:
        as_level(self.level)
        for name in PROMISES:
            bound = getattr(self, name)
            if bound is not None and not is_real(bound):
                raise MetaRouterError(f"{name} is {bound!r}: give a finite number.")
        if not (is_real(self.alarm_level) and 0 < self.alarm_level <= 0.5):
            raise MetaRouterError(
                f"alarm_level is {self.alarm_level}: give the chance of a false alarm that you "
                "accept, above 0 and at most 0.5."
            )
        if self.max_share is not None and not 0 <= self.max_share <= 1:
            raise MetaRouterError(f"max_share is {self.max_share}: give a share from 0 to 1.")
        if self.min_saving is not None and not self.min_saving <= 1:
            raise MetaRouterError(
                f"min_saving is {self.min_saving}: give a share of what always calling the primary "
                "model costs, at most 1."
            )
        for name, least in (("window", 10), ("horizon", 10), ("burn_in", 20), ("n_components", 1)):
            value = getattr(self, name)
            if not (isinstance(value, int | np.integer) and value >= least):
                raise MetaRouterError(f"{name} is {value}: give a whole number from {least} up.")

    @property
    def level_per_alarm(self) -> float:
        """Chance of a false alarm of each alarm, which add up to `alarm_level` (Bonferroni)."""
        return self.alarm_level / N_ALARMS

    @property
    def alpha(self) -> float:
        """Chance that a confidence sequence ever fails."""
        return 1.0 - self.level
