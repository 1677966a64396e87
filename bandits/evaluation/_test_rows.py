"""Choices on the test rows of a study: of one seed, and of all seeds one under the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["RouterOutcome", "Rows", "SeedOutcome", "TestRows"]

Rows = NDArray[np.intp]


class RouterOutcome(NamedTuple):
    """What one router did on the test rows of one seed."""

    chosen: Rows  # (n_dial, n_test) columns of the models
    predicted_gain: NDArray[np.float64]  # (n_test,) of the strong over the weak model
    n_revealed: int  # outcomes that it has seen in training


@dataclass(frozen=True)
class SeedOutcome:
    """What one seed left: the choices of its routers on its test rows."""

    test: Rows  # (n_test,) rows of the table
    outside: NDArray[np.bool_]  # (n_test,) whether the row is out of distribution
    chosen: Rows  # (n_routers, n_dial, n_test) columns of the models
    best_constant: Rows  # (n_dial,) the model with the highest mean reward on the training rows
    predicted_gain: NDArray[np.float64]  # (n_routers, n_test) of the strong over the weak model
    n_train: int
    n_revealed: tuple[int, ...]  # outcomes that each router has seen that was played


@dataclass(frozen=True)
class TestRows:
    """Test rows of all seeds, one under the other."""

    table: Rows  # (n,) rows of the table
    seed: Rows  # (n,)
    query: Rows  # (n,) number of the text
    chosen: Rows  # (n_routers, n_dial, n)
    best_constant: Rows  # (n_dial, n)
    predicted_gain: NDArray[np.float64]  # (n_routers, n)

    @classmethod
    def of(cls, number: int, seed: SeedOutcome, kept: NDArray[np.bool_], query: Rows) -> TestRows:
        table = seed.test[kept]
        return cls(
            table=table,
            seed=np.full(table.size, number),
            query=query[table],
            chosen=seed.chosen[:, :, kept],
            best_constant=np.repeat(seed.best_constant[:, None], table.size, axis=1),
            predicted_gain=seed.predicted_gain[:, kept],
        )

    @classmethod
    def stacked(cls, parts: list[TestRows]) -> TestRows:
        names = cls.__dataclass_fields__
        return cls(**{n: np.concatenate([getattr(p, n) for p in parts], axis=-1) for n in names})

    @property
    def groups(self) -> Rows:
        """Seed and query of each row."""
        return np.column_stack([self.seed, self.query])
