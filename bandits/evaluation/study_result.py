"""What a study of bandit routers found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bandits.evaluation._outcomes import oracle_probability
from bandits.evaluation._test_rows import Rows, SeedOutcome, TestRows
from bandits.evaluation.router_table import RouterTable, router_table
from metarouter.datasets import ModelMatrix
from metarouter.evaluation import (
    CostQualityCurve,
    Estimates,
    average_gap,
    clustered_means,
    cost_quality_curve,
)
from metarouter.routing.preference_reward import reward as preference_reward

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ALL", "FULL_INFORMATION", "MIXTURE", "SPLITS", "BanditStudyResult"]

SPLITS = ("in_distribution", "out_of_distribution")
ALL = "all"
FULL_INFORMATION = "full_information"
MIXTURE = "mixture"
_TABLE_COLUMNS = ["router", "task", "split", "w_cost", "score", "cost", "reward", "regret"]


@dataclass(frozen=True)
class BanditStudyResult:
    """Choices of all routers on the test rows of all seeds, and the tables made of them.

    Parameters
    ----------
    matrix : ModelMatrix
    routers : tuple of str
        Those that were played, and ``full_information``.
    in_distribution, out_of_distribution : tuple of str
        Tasks.
    w_cost : tuple of float
        Weights of cost that are tabulated.
    dial : tuple of float
        Weights of cost of the curves, those tabulated among them.
    cost_cap : float
    pair : (str, str) or None
        The strong and the weak model of the performance gap.
    seeds : tuple of SeedOutcome
    query : ndarray of int of shape (n_queries,)
        Number of each row's text, which errors are clustered by.

    Notes
    -----
    Beside the routers that were played there are baselines: ``full_information``, which routes by
    ridge regressions on the outcomes of all models on the training rows (no bandit sees these: it
    shows what there is to learn for a linear router); ``constant:MODEL`` for each model;
    ``best_constant``, which sends everything to the model with the highest mean reward on the
    training rows of the seed (it sees all outcomes of all models there); ``random``, in
    expectation; and ``oracle``, which knows every reward of the test rows.
    """

    matrix: ModelMatrix
    routers: tuple[str, ...]
    in_distribution: tuple[str, ...]
    out_of_distribution: tuple[str, ...]
    w_cost: tuple[float, ...]
    dial: tuple[float, ...]
    cost_cap: float
    pair: tuple[str, str] | None
    seeds: tuple[SeedOutcome, ...]
    query: Rows

    def router_table(
        self, split: str, w_cost: float, task: str = ALL, reference: str = "best_constant"
    ) -> RouterTable:
        """Table of all routers on one part of the test rows, at one setting of the dial.

        Parameters
        ----------
        split : {"in_distribution", "out_of_distribution"}
        w_cost : float
            One of `dial`.
        task : str, default="all"
            A task, or all of the split.
        reference : str, default="best_constant"

        Returns
        -------
        RouterTable
            Its standard errors are clustered by seed and by query.
        """
        rows = self._rows(split, task)
        table, cost, j = rows.table, self._cost(rows.table), self.dial.index(w_cost)
        eye = np.eye(len(self.matrix.models))
        choices = {name: eye[rows.chosen[k, j]] for k, name in enumerate(self.routers)}
        choices["best_constant"] = eye[rows.best_constant[j]]
        choices["random"] = np.full((table.size, len(eye)), 1 / len(eye))
        choices["oracle"] = self._oracle(table, w_cost)
        for k, model in enumerate(self.matrix.models):
            choices[f"constant:{model}"] = np.broadcast_to(eye[k], (table.size, len(eye)))
        return router_table(
            choices,
            None,
            self.matrix.quality[table],
            cost,
            preference=(1 - w_cost, w_cost),
            cost_cap=self.cost_cap,
            groups=rows.groups,
            reference=reference,
            arms=self.matrix.models,
        )

    def to_frame(self) -> pd.DataFrame:
        """Return all tables, one row per router, task, split and weight of cost.

        Returns
        -------
        DataFrame
            Columns ``router``, ``task``, ``split``, ``w_cost``, ``score``, ``cost``, ``reward``,
            ``regret``, ``se_reward``, then the other standard errors, ``difference`` (reward minus
            that of ``best_constant``) with its interval, ``n_rows``, and ``best_here``: whether
            this is the constant model with the highest reward on these very test rows.
        """
        import pandas as pd

        frames = []
        for split, task in self._parts():
            for w_cost in self.w_cost:
                table = self.router_table(split, w_cost, task)
                frame = table.to_frame()
                frame.insert(1, "task", task)
                frame.insert(2, "split", split)
                frame.insert(3, "w_cost", w_cost)
                constant = frame["router"].str.startswith("constant:")
                best = frame["reward"].where(constant).idxmax()
                frames.append(frame.assign(n_rows=table.n, best_here=frame.index == best))
        frame = pd.concat(frames, ignore_index=True)
        first = [*_TABLE_COLUMNS, "se_reward"]
        return frame[[*first, *(name for name in frame.columns if name not in first)]]

    def shares(self) -> pd.DataFrame:
        """Share of queries that each router sends to each model, on all rows of each split."""
        import pandas as pd

        frames = []
        for split, task in self._parts():
            for w_cost in self.w_cost if task == ALL else ():
                frame = self.router_table(split, w_cost).shares_frame()
                frame = frame[~frame["router"].str.startswith("constant:")]
                frames.append(frame.assign(split=split, w_cost=w_cost))
        return pd.concat(frames, ignore_index=True)

    def curves(self, split: str) -> dict[str, CostQualityCurve]:
        """Cost-quality curve of every router, of the oracle, and of the mixtures of models.

        Parameters
        ----------
        split : {"in_distribution", "out_of_distribution"}

        Returns
        -------
        dict of str to CostQualityCurve
            Over the range of the models' mean costs. ``mixture`` is the hull of the single models,
            RouterBench's "Zero router": what tossing a coin between models reaches.
        """
        rows = self._rows(split, ALL)
        quality, cost = self.matrix.quality[rows.table], self._cost(rows.table)
        means = cost.mean(axis=0)
        limits = (float(means.min()), float(means.max()))
        oracle = [self._oracle(rows.table, w).argmax(axis=1) for w in self.dial]
        chosen = dict(zip(self.routers, rows.chosen, strict=True)) | {"oracle": np.array(oracle)}
        curves = {
            name: cost_quality_curve(
                np.take_along_axis(cost, arms.T, axis=1),
                np.take_along_axis(quality, arms.T, axis=1),
                cost_range=limits,
                groups=rows.groups,
            )
            for name, arms in chosen.items()
        }
        curves[MIXTURE] = cost_quality_curve(cost, quality, cost_range=limits, groups=rows.groups)
        return curves

    def apgr(self, split: str) -> dict[str, Estimates]:
        """Average performance gap recovered between the models of the pair (RouteLLM).

        Parameters
        ----------
        split : {"in_distribution", "out_of_distribution"}

        Returns
        -------
        dict of str to Estimates
            Mean over seeds, for every router that predicts quality; queries are sent to the strong
            model in the order of the predicted gain. Empty without a pair, or where both of its
            models are equally good on the test queries of a seed.

        Notes
        -----
        Scores of different seeds are not comparable, so queries are ranked within each seed. The
        standard error is that of the mean of the pseudo-values, APGR of the seed plus influence of
        the query, clustered by seed and by query.
        """
        if self.pair is None:
            return {}
        rows = self._rows(split, ALL)
        strong, weak = (self.matrix.models.index(model) for model in self.pair)
        gain = self.matrix.quality[rows.table, strong] - self.matrix.quality[rows.table, weak]
        found: dict[str, Estimates] = {}
        if any(gain[rows.seed == seed].mean() == 0 for seed in np.unique(rows.seed)):
            return found
        for name, predicted in zip(self.routers, rows.predicted_gain, strict=True):
            if np.isfinite(predicted).all():
                pseudo = np.empty(gain.size)
                for seed in np.unique(rows.seed):
                    here = rows.seed == seed
                    apgr, influence = average_gap(gain[here], predicted[here])
                    pseudo[here] = apgr + influence
                found[name] = clustered_means(pseudo, rows.groups)
        return found

    def _parts(self) -> Iterator[tuple[str, str]]:
        """Yield every split with each of its tasks, and with all of them."""
        for split, tasks in zip(
            SPLITS, (self.in_distribution, self.out_of_distribution), strict=True
        ):
            for task in (*tasks, ALL) if tasks else ():
                yield split, task

    def _rows(self, split: str, task: str) -> TestRows:
        parts = [
            TestRows.of(number, seed, self._kept(seed, split, task), self.query)
            for number, seed in enumerate(self.seeds)
        ]
        return TestRows.stacked(parts)

    def _kept(self, seed: SeedOutcome, split: str, task: str) -> NDArray[np.bool_]:
        kept = seed.outside == (split == SPLITS[1])
        return kept if task == ALL else kept & (self.matrix.task[seed.test] == task)

    def _cost(self, table: Rows) -> NDArray[np.float64]:
        assert self.matrix.cost is not None  # the study has refused such a table
        return self.matrix.cost[table]

    def _oracle(self, table: Rows, w_cost: float) -> NDArray[np.float64]:
        cost = self._cost(table)
        rewards = preference_reward(
            self.matrix.quality[table], cost, np.array([1 - w_cost, w_cost]), self.cost_cap
        )
        return oracle_probability(rewards, cost)
