"""The parameters of a policy-gradient router, checked when training starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from bandits.policy_gradient._trainer import Optimiser
from metarouter.utils.parameters import check_parameters

__all__ = ["ESTIMATORS", "PUBLISHED", "Settings"]

ESTIMATORS = ("reinforce", "doubly_robust")
# Section 3.4 of the paper, which averages nothing.
PUBLISHED: dict[str, Any] = {
    "head": "mlp",
    "estimator": "reinforce",
    "entropy": 0.05,
    "learning_rate": 1e-4,
    "weight_decay": 0.0,
    "averaging": 0.0,
    "epochs": 100,
    "batch_size": 32,
    "concentration": 1.0,
}


@dataclass(frozen=True)
class Settings:
    """The parameters of a router, checked: what training depends on besides its state."""

    optimiser: Optimiser
    batch_sizes: tuple[int, ...]
    head: str
    hidden_size: int
    preference_size: int
    estimator: str
    averaging: float
    epochs: int
    patience: int | None
    concentration: float
    clip: float
    outcome_penalty: float
    discount: float
    replay_buffer: int
    replay_steps: int
    cost_quantile: float | None
    device: str
    checkpoint_every: int
    verbose: bool

    @classmethod
    def of(cls, router: Any) -> Settings:
        """Return the parameters of a router.

        Raises
        ------
        DataError
            If one is off its range.
        """
        check_parameters(router)
        sizes = router.batch_size
        sizes = tuple(sizes) if isinstance(sizes, Sequence | np.ndarray) else (sizes,)
        optimiser = Optimiser(router.learning_rate, router.entropy, router.weight_decay)
        as_given = [field.name for field in fields(cls)][2:]
        values = {name: getattr(router, name) for name in as_given}
        return cls(optimiser, tuple(int(size) for size in sizes), **values)

    def batch_size(self, epoch: int) -> int:
        """Return the rows per step of an epoch, counted from 0."""
        return self.batch_sizes[min(epoch, len(self.batch_sizes) - 1)]
