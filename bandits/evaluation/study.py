"""Train bandit routers on one part of a table over several seeds, and test them on the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial, reduce
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from bandits.evaluation._parts import PartsFolder, key_of
from bandits.evaluation._seed_play import SeedPlay
from bandits.evaluation._split import StudySplit, numbered_texts, split_by_task
from bandits.evaluation._test_rows import RouterOutcome
from bandits.evaluation.study_result import FULL_INFORMATION, BanditStudyResult
from bandits.full_information import RegressionRouter
from metarouter.datasets import ModelMatrix
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.utils.columns import check_routers

__all__ = ["DIAL", "BanditStudy"]

# Settings of w_cost for the curves, finer where little weight on cost begins to matter.
DIAL = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_CAP_QUANTILE = 0.95

FloatArray = NDArray[np.float64]


class BanditStudy:
    """Play routers on the training rows of a table, once per seed, and dial them on the rest.

    Every seed draws a new split, a new order of play, and new seeds for the routers. A router is
    played once per seed, ``fit(X, quality, cost)``, with a preference drawn uniformly for each
    round, and sees one outcome per round. It is then asked at every setting of the dial without
    being trained again.

    Parameters
    ----------
    routers : dict of str to router
        Unfitted; `arms`, `cost_cap` and `random_state` are set by the study.
    in_distribution, out_of_distribution : tuple of str
        Tasks to learn from (of which a share is held back for testing), and to test on only.
    w_cost : tuple of float, default=(0.2, 0.4, 0.5, 0.6, 0.8)
        Weights of cost to tabulate; that of quality is one minus it.
    cost_cap : float, optional
        The cost that counts as 1 in the reward, the same for all routers, tasks and seeds. By
        default the 0.95 quantile of the costs of all models on the queries that every seed learns
        from, so that no test outcome enters it.
    pair : (str, str), optional
        A strong and a weak model, for the performance gap that a router recovers between them.
    seeds : int, default=5
    test_share : float, default=0.2
        Share of the queries of each task that is held back.
    random_state : int, default=0

    Notes
    -----
    The cap is a statement of taste, made before any routing: at equal weights, a call of that cost
    and a right answer are worth as much as no call and no answer. An operator knows prices and the
    lengths of prompts beforehand, so that taking it from the costs of all models hands no outcome
    to a router. A high quantile instead of the maximum keeps one long answer from setting the
    scale: on RouterBench it is about what a call of the model with the largest cost costs.

    Examples
    --------
    >>> from bandits import LinUCB
    >>> study = BanditStudy({"linucb": LinUCB()}, in_distribution=("math",), seeds=2)
    >>> study.seeds
    2
    """

    def __init__(
        self,
        routers: Mapping[str, Any],
        *,
        in_distribution: tuple[str, ...],
        out_of_distribution: tuple[str, ...] = (),
        w_cost: tuple[float, ...] = (0.2, 0.4, 0.5, 0.6, 0.8),
        cost_cap: float | None = None,
        pair: tuple[str, str] | None = None,
        seeds: int = 5,
        test_share: float = 0.2,
        random_state: int = 0,
    ) -> None:
        self.routers = routers
        self.in_distribution = in_distribution
        self.out_of_distribution = out_of_distribution
        self.w_cost = w_cost
        self.cost_cap = cost_cap
        self.pair = pair
        self.seeds = seeds
        self.test_share = test_share
        self.random_state = random_state

    def run(
        self,
        matrix: ModelMatrix,
        *,
        advance: Callable[[], None] | None = None,
        parts: str | os.PathLike[str] | None = None,
    ) -> BanditStudyResult:
        """Play, dial and test every router over all seeds.

        Parameters
        ----------
        matrix : ModelMatrix
            With costs.
        advance : callable, optional
            Called whenever a router has been played and tested, as by a progress bar.
        parts : path-like, optional
            A folder for what each router did under each seed. What another run with the same data
            and settings has finished there is taken over, so that a study that was killed goes on
            where it stopped, and one with another router or seed plays that one alone.

        Returns
        -------
        BanditStudyResult

        Raises
        ------
        DataError
            If the table has no costs, or lacks a task or a model.
        MetaRouterError
            If a setting makes no sense.
        """
        self.check(matrix)
        dial = tuple(sorted({*DIAL, *self.w_cost}))
        texts = numbered_texts(matrix.text)
        table = joblib.hash((matrix.X, matrix.quality, matrix.cost, matrix.task, texts))
        folder, outcomes = PartsFolder(parts, RouterOutcome), []
        chance = [
            seed.spawn(2) for seed in np.random.SeedSequence(self.random_state).spawn(self.seeds)
        ]
        splits = [
            split_by_task(
                matrix.task,
                texts,
                self.in_distribution,
                self.out_of_distribution,
                self.test_share,
                np.random.default_rng(of_split),
            )
            for of_split, _ in chance
        ]
        cap = self._cap(matrix, splits)
        for split, (_, of_routers) in zip(splits, chance, strict=True):
            # One seed for all: a router's numbers do not depend on which others are played.
            router_seed = int(of_routers.generate_state(1)[0])
            played = SeedPlay(matrix, split, cap, dial, router_seed, self.pair)
            routers = {**self.routers, FULL_INFORMATION: RegressionRouter()}
            done = []
            for name, router in routers.items():
                key = key_of(clone(router), table, *split, cap, dial, router_seed, self.pair)
                done.append(folder.recall(name, key, partial(played.outcome, router)))
                if advance is not None and name in self.routers:
                    advance()
            outcomes.append(played.together(done))
        return BanditStudyResult(
            matrix=matrix,
            routers=(*self.routers, FULL_INFORMATION),
            in_distribution=self.in_distribution,
            out_of_distribution=self.out_of_distribution,
            w_cost=tuple(sorted(set(self.w_cost))),
            dial=dial,
            cost_cap=cap,
            pair=self.pair,
            seeds=tuple(outcomes),
            query=texts,
        )

    def _cap(self, matrix: ModelMatrix, splits: list[StudySplit]) -> float:
        """Return the cost that counts as 1, from rows that no seed is tested on."""
        if self.cost_cap is not None:
            return self.cost_cap
        assert matrix.cost is not None
        rows = reduce(np.intersect1d, [split.train for split in splits])
        if not len(rows):
            raise MetaRouterError(
                f"Every query is a test query of one of {self.seeds} seeds, so that no cost is "
                "left to take the cap from: give cost_cap, or fewer seeds."
            )
        return float(np.quantile(matrix.cost[rows], _CAP_QUANTILE))

    def check(self, matrix: ModelMatrix) -> None:
        """Refuse what cannot be studied, before any work is done.

        Parameters
        ----------
        matrix : ModelMatrix

        Raises
        ------
        DataError
            If the table has no costs, or lacks a task or a model.
        MetaRouterError
            If a setting makes no sense.
        """
        check_routers(self.routers)
        if matrix.cost is None:
            raise DataError(
                f"{matrix.name} has no costs: give a table with the cost of every call."
            )
        tasks = (*self.in_distribution, *self.out_of_distribution)
        unknown = [task for task in tasks if task not in set(matrix.task)]
        if unknown:
            known = ", ".join(sorted(set(matrix.task)))
            raise DataError(f"{matrix.name} has no task {unknown[0]!r}: choose from {known}.")
        both = set(self.in_distribution) & set(self.out_of_distribution)
        if both or not self.in_distribution:
            what = f"{min(both)!r} is to be learned and held out" if both else "No task is learned"
            raise MetaRouterError(f"{what}: name tasks to learn from, and others to hold out.")
        if self.pair is not None and not set(self.pair) <= set(matrix.models):
            raise DataError(
                f"{matrix.name} lacks a model of the pair {' '.join(self.pair)!r}: choose from "
                f"{', '.join(matrix.models)}."
            )
        if not self.w_cost or min(self.w_cost) < 0 or max(self.w_cost) > 1:
            raise MetaRouterError(
                f"w_cost is {self.w_cost}: give weights of cost from 0 to 1, at least one."
            )
        if not 0 < self.test_share < 1 or self.seeds < 1:
            raise MetaRouterError(
                f"test_share is {self.test_share:g} and seeds is {self.seeds}: give a share "
                "between 0 and 1 and at least one seed."
            )
        if self.cost_cap is not None and not 0 < self.cost_cap < np.inf:
            raise MetaRouterError(f"cost_cap is {self.cost_cap:g}: give a cost above 0.")
