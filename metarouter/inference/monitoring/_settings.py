"""Settings of a monitor, fixed before it sees a query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from metarouter.exceptions import BudgetError, MetaRouterError
from metarouter.inference.guarantees import Constraint, constraint_of
from metarouter.routing._cost_model import is_real
from metarouter.utils.columns import as_level

N_ALARMS = 4  # embeddings, predictions, cost, quality
WATCHED_CONSTRAINTS = ("max_share", "max_cost", "min_saving", "min_gain", "max_loss")


def limits_of(
    constraints: Constraint | Iterable[Constraint], named: Mapping[str, float | None]
) -> dict[str, float | None]:
    """Gather constraints that are given as objects and by name into limits by name.

    Raises
    ------
    BudgetError
        If one is given twice, or cannot be watched.
    """
    limits = dict(named)
    for constraint in (constraints,) if isinstance(constraints, Constraint) else constraints:
        name = getattr(constraint, "name", type(constraint).__name__)
        if name not in WATCHED_CONSTRAINTS:
            raise BudgetError(
                f"{name} cannot be watched; give some of {', '.join(WATCHED_CONSTRAINTS)}."
            )
        if limits[name] is not None:
            raise BudgetError(f"{name} is given twice; give each constraint once.")
        limits[name] = constraint.limit
    return limits


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
    gain_bounds: tuple[float, float] | None = None
    cost_bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        as_level(self.level)
        self.constraints()
        for name, bounds in (("gain_bounds", self.gain_bounds), ("cost_bounds", self.cost_bounds)):
            if bounds is None:
                continue
            low, high = bounds if len(bounds) == 2 else (None, None)
            if not (is_real(low) and is_real(high) and low < high):
                raise MetaRouterError(
                    f"{name} is {bounds!r}: give two finite numbers, (lowest, highest)."
                )
            object.__setattr__(self, name, (float(low), float(high)))
        if not (is_real(self.alarm_level) and 0 < self.alarm_level <= 0.5):
            raise MetaRouterError(
                f"alarm_level is {self.alarm_level}: give the chance of a false alarm that you "
                "accept, above 0 and at most 0.5."
            )
        for name, least in (("window", 10), ("horizon", 10), ("burn_in", 20), ("n_components", 1)):
            value = getattr(self, name)
            if not (isinstance(value, int | np.integer) and value >= least):
                raise MetaRouterError(f"{name} is {value}: give a whole number from {least} up.")

    def constraints(self) -> dict[str, Constraint]:
        """Return the constraints that were given, by name."""
        limits = {name: getattr(self, name) for name in WATCHED_CONSTRAINTS}
        return {
            name: constraint_of(name, limit) for name, limit in limits.items() if limit is not None
        }

    @property
    def level_per_alarm(self) -> float:
        """Chance of a false alarm of each alarm, which add up to `alarm_level` (Bonferroni)."""
        return self.alarm_level / N_ALARMS

    @property
    def alpha(self) -> float:
        """Chance that a confidence sequence ever fails."""
        return 1.0 - self.level
