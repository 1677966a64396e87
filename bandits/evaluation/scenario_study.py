"""Routers side by side in worlds that change: who copes with what."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from bandits import Constant, RandomRouter, load_bandit
from bandits._caps import check_caps
from bandits._validation import preferences_to_play
from bandits.evaluation.scenario_result import Played, ScenarioResult
from bandits.play import PlayLog, play
from bandits.replay import Replay
from bandits.scenarios import standard_scenarios
from metarouter.datasets import ModelMatrix
from metarouter.exceptions import DataError
from metarouter.routing.preference_reward import reward
from metarouter.utils.columns import check_routers
from metarouter.utils.parameters import check_whole

__all__ = ["RANDOM", "RESTART", "STATIC", "ScenarioStudy"]

STATIC, RANDOM, RESTART = "static", "random", "restart"
_CAP_QUANTILE, _MOST_FOR_CAP, _CAP_STREAM = 0.95, 500, 7

Array = NDArray[np.float64]


class ScenarioStudy:
    """Play routers in the worlds of `bandits.scenarios.standard_scenarios`, over several seeds.

    Every seed draws queries, their order, the preferences, what changes in each world, and how
    routers explore; all routers of a seed live in the same worlds. Every world is played from the
    beginning, and rewards are earned before anything is learned from them. In the world
    ``restart`` nothing changes, but halfway the router is saved to a file, forgotten, and loaded.

    Beside the routers there are ``random``, and ``static``, which calls the model with the highest
    mean reward in the undisturbed outcomes of the very queries played, known in hindsight, and the
    next best where that one cannot be called.

    Parameters
    ----------
    routers : dict of str to router
        Unfitted; `arms`, `cost_cap` and `random_state` are set by the study.
    rounds : int, default=2000
        Queries of each play.
    batch_size : int, default=10
        Rounds that are decided before what arrived is learned.
    preference : pair, optional
        Weights of quality and cost; by default drawn uniformly for every round.
    cost_cap : float, optional
        The cost that counts as 1; by default the 0.95 quantile of the costs of all models on
        queries that are held back for it and never played, a tenth of the table and 500 at most.
    seeds : int, default=5
    random_state : int, default=0

    Examples
    --------
    >>> from bandits import LinUCB
    >>> from bandits.evaluation import study_table
    >>> matrix = study_table("synthetic").matrix
    >>> result = ScenarioStudy({"linucb": LinUCB()}, rounds=100, seeds=2).run(matrix)
    >>> result.scenarios[:4]
    ('stationary', 'drifting', 'dearer', 'cold_start')
    """

    def __init__(
        self,
        routers: Mapping[str, Any],
        *,
        rounds: int = 2000,
        batch_size: int = 10,
        preference: tuple[float, float] | None = None,
        cost_cap: float | None = None,
        seeds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.routers = routers
        self.rounds = rounds
        self.batch_size = batch_size
        self.preference = preference
        self.cost_cap = cost_cap
        self.seeds = seeds
        self.random_state = random_state

    def run(
        self, matrix: ModelMatrix, *, advance: Callable[[], None] | None = None
    ) -> ScenarioResult:
        """Play every router in every world, once per seed.

        Parameters
        ----------
        matrix : ModelMatrix
            With costs.
        advance : callable, optional
            Called whenever a router has been played in all worlds of a seed.

        Returns
        -------
        ScenarioResult

        Raises
        ------
        MetaRouterError
            If a setting makes no sense, or the table has no costs or one model only.
        """
        self.check(matrix)
        cap = self.cap(matrix)
        played = chain.from_iterable(
            self._seed(matrix, cap, np.random.SeedSequence([self.random_state, number]), advance)
            for number in range(self.seeds)
        )
        return ScenarioResult.of(
            played,
            name=matrix.name,
            reference=STATIC,
            seeds=self.seeds,
            rounds=min(self.rounds, matrix.n_queries - len(self._held_back(matrix))),
        )

    def cap(self, matrix: ModelMatrix) -> float:
        """Return the cost that counts as 1.

        Parameters
        ----------
        matrix : ModelMatrix
        """
        assert matrix.cost is not None  # check has refused such a table
        if self.cost_cap is not None:
            return self.cost_cap
        return float(np.quantile(matrix.cost[self._held_back(matrix)], _CAP_QUANTILE))

    def _held_back(self, matrix: ModelMatrix) -> NDArray[np.intp]:
        """Return the queries that the cap is made from, which no router is played on."""
        if self.cost_cap is not None:
            return np.empty(0, dtype=np.intp)
        n = min(_MOST_FOR_CAP, max(1, matrix.n_queries // 10))
        return np.random.default_rng([self.random_state, _CAP_STREAM]).permutation(
            matrix.n_queries
        )[:n]

    def check(self, matrix: ModelMatrix) -> None:
        """Refuse what cannot be studied, before any work is done.

        Parameters
        ----------
        matrix : ModelMatrix

        Raises
        ------
        MetaRouterError
            If a setting makes no sense, or the table has no costs or one model only.
        """
        check_routers(self.routers)
        check_caps(self.cost_cap, None)
        check_whole("rounds", self.rounds, 20)
        check_whole("batch_size", self.batch_size)
        check_whole("seeds", self.seeds, 2)
        if matrix.cost is None or len(matrix.models) < 2:
            raise DataError(f"{matrix.name} needs costs and two models or more, to be played.")

    def _seed(
        self,
        matrix: ModelMatrix,
        cap: float,
        seed: np.random.SeedSequence,
        advance: Callable[[], None] | None,
    ) -> Iterator[Played]:
        of_rows, of_worlds = seed.spawn(2)
        rng = np.random.default_rng(of_rows)
        rows = rng.permutation(matrix.n_queries)
        rows = rows[~np.isin(rows, self._held_back(matrix))][: self.rounds]
        pairs = preferences_to_play(self.preference, len(rows), 2, rng)
        world_seed = int(of_worlds.generate_state(1)[0])
        ranked = _ranked(matrix, rows, pairs, cap)
        for name, template in {**self.routers, RANDOM: RandomRouter(), STATIC: Constant()}.items():
            settings = {
                "arms": ranked if name == STATIC else list(matrix.models),
                "cost_cap": cap,
                "random_state": world_seed,
            }
            fresh = clone(template).set_params(**settings)
            replay = Replay.from_matrix(matrix, rows)
            for world, scenario in standard_scenarios(replay).items():
                log = play(
                    clone(fresh), replay, preference=pairs, batch_size=self.batch_size,
                    scenario=scenario, random_state=world_seed,
                )  # fmt: skip
                yield Played.of(name, world, [log])
                replay.reset()
            logs, sizes = self._restarted(clone(fresh), matrix, rows, pairs)
            yield Played.of(name, RESTART, logs, sizes)
            if advance is not None:
                advance()

    def _restarted(
        self, router: Any, matrix: ModelMatrix, rows: NDArray[np.intp], pairs: Array
    ) -> tuple[list[PlayLog], list[int]]:
        """Play in two halves, with nothing but a file between them; return its sizes as well."""
        middle = len(rows) // 2 // self.batch_size * self.batch_size
        logs: list[PlayLog] = []
        sizes: list[int] = []
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "router.npz"
            for half in (slice(middle), slice(middle, None)):
                router = load_bandit(file) if logs else router
                replay = Replay.from_matrix(matrix, rows[half])
                preference, size = pairs[half], self.batch_size
                logs.append(play(router, replay, preference=preference, batch_size=size))
                router.save(file)
                sizes.append(file.stat().st_size)
        return logs, sizes


def _ranked(matrix: ModelMatrix, rows: NDArray[np.intp], pairs: Array, cap: float) -> list[str]:
    """Return the models by falling mean reward on some rows."""
    assert matrix.cost is not None  # the study has refused such a table
    means = reward(matrix.quality[rows], matrix.cost[rows], pairs, cap).mean(axis=0)
    return [matrix.models[k] for k in np.argsort(-means)]
