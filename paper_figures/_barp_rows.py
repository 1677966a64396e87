"""What routers brought on the test queries of all seeds, averaged over tasks as in BaRP."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandits.evaluation import BanditStudyResult
from bandits.evaluation._outcomes import oracle_probability
from metarouter.evaluation import Estimates, clustered_means
from metarouter.routing.preference_reward import reward

__all__ = ["TestedQueries", "tested_queries"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class TestedQueries:
    """Test queries of all seeds, one under the other, with the arm that each router called."""

    task: NDArray[np.object_]  # (n,)
    groups: NDArray[np.intp]  # (n, 2) seed and text, by which errors are clustered
    quality: FloatArray  # (n, n_models)
    cost: FloatArray  # (n, n_models)
    arms: dict[str, NDArray[np.intp]]  # (n,) columns

    def of(self, table: FloatArray, router: str) -> FloatArray:
        """Return the outcomes in a table of the arms that a router called, shape (n,)."""
        return table[np.arange(len(table)), self.arms[router]]

    def mean(self, values: FloatArray, task: str) -> Estimates:
        """Return the mean of one task."""
        here = self.task == task
        return clustered_means(values[here], self.groups[here])

    def average(self, values: FloatArray) -> Estimates:
        """Return the mean over tasks of the means of tasks.

        Notes
        -----
        The standard error is that of the mean of the pseudo-values, average plus influence of the
        query, which is its deviation from the mean of its task, times the number of queries over
        the number of tasks and that of queries of its task.
        """
        average, influence = self.influence(values)
        return clustered_means(average + influence, self.groups)

    def influence(self, values: FloatArray) -> tuple[float, FloatArray]:
        """Return the average over tasks, and the influence of each query on it."""
        tasks, position = np.unique(self.task, return_inverse=True)
        count = np.bincount(position)
        means = np.bincount(position, weights=values) / count
        weight = len(values) / (len(tasks) * count)
        return float(means.mean()), weight[position] * (values - means[position])

    def relative(self, values: FloatArray, reference: FloatArray) -> Estimates:
        """Return by how many per cent one average lies above another, paired query by query."""
        (value, pull), (base, pull_of_base) = self.influence(values), self.influence(reference)
        ratio = value / base
        influence = (pull - ratio * pull_of_base) / base
        return clustered_means(100.0 * (ratio - 1.0 + influence), self.groups)


def tested_queries(result: BanditStudyResult, w_cost: float, *splits: str) -> TestedQueries:
    """Return the test queries of some splits, and what was called at one setting of the dial."""
    matrix, j = result.matrix, result.dial.index(w_cost)
    kept = [
        np.isin(np.where(s.outside, "out_of_distribution", "in_distribution"), splits)
        for s in result.seeds
    ]
    parts = list(zip(result.seeds, kept, strict=True))
    rows = np.concatenate([seed.test[keep] for seed, keep in parts])
    number = np.repeat(np.arange(len(parts)), [int(keep.sum()) for keep in kept])
    quality, cost = matrix.quality[rows], np.asarray(matrix.cost)[rows]
    arms = {
        name: np.concatenate([seed.chosen[k, j, keep] for seed, keep in parts])
        for k, name in enumerate(result.routers)
    }
    arms["best_constant"] = np.concatenate(
        [np.full(int(keep.sum()), seed.best_constant[j]) for seed, keep in parts]
    )
    rewards = reward(quality, cost, np.array([1 - w_cost, w_cost]), result.cost_cap)
    arms["oracle"] = oracle_probability(rewards, cost).argmax(axis=1)
    groups = np.column_stack([number, result.query[rows]])
    return TestedQueries(matrix.task[rows], groups, quality, cost, arms)
