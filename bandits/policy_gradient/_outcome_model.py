"""What the doubly robust gradient expects of every arm: ridge regressions of what was seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits.linear._posterior import GaussianPosterior

__all__ = ["OutcomeModel"]

Array = NDArray[np.float64]


class OutcomeModel:
    """Ridge regressions of every outcome for every arm, about the mean of the first feedback.

    Parameters
    ----------
    n_features, n_arms, n_outcomes : int
    penalty : float
        Of every coefficient, the intercept's too: an arm that was never seen is expected to be
        like all.
    discount : float
        What the evidence is multiplied by with every row of `learn`.
    """

    def __init__(
        self, n_features: int, n_arms: int, n_outcomes: int, penalty: float, discount: float
    ) -> None:
        self.posterior = GaussianPosterior(n_features + 1, n_arms, n_outcomes, penalty)
        self.discount = discount
        self.centre = np.zeros(n_outcomes)
        self.knows_something = False

    def predict(self, X: Array) -> Array:
        """Return the outcomes to expect, shape (n, n_arms, n_outcomes)."""
        return self.centre + self.posterior.means(_with_intercept(X))

    def learn(self, X: Array, arm: NDArray[np.intp], outcomes: Array) -> None:
        """Learn the outcomes of chosen arms; older ones fade."""
        if self.discount < 1:
            self.posterior.discount(self.discount ** len(X))
        self.add(X, arm, outcomes)

    def add(self, X: Array, arm: NDArray[np.intp], outcomes: Array) -> None:
        """Learn, and let nothing fade."""
        if not self.knows_something:
            self.centre, self.knows_something = outcomes.mean(axis=0), True
        self.posterior.update_rows(_with_intercept(X), arm, outcomes - self.centre)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was learned."""
        knows = np.array(self.knows_something)
        return {**self.posterior.arrays(), "centre": self.centre, "knows_something": knows}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        self.posterior.set_arrays(arrays)
        self.centre, self.knows_something = arrays["centre"], bool(arrays["knows_something"])


def _with_intercept(X: Array) -> Array:
    return np.column_stack([X, np.ones(len(X))])
