"""Play dueling routers on published outcomes, with embeddings from a few offline queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bandits.dueling import (
    VACDB,
    BestSoFar,
    BradleyTerryRouter,
    CategoryEncoder,
    CoLSTIM,
    DuelingLinUCB,
    DuelingReplay,
    DuelingRouter,
    FGTSRouter,
    MaxInP,
    ModelEmbeddings,
    RandomPairs,
    category_means,
    play_duels,
)
from bandits.linear import LinTS
from metarouter.datasets import ModelMatrix
from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_parameter, check_whole

__all__ = ["DUELISTS", "SINGLE_ANSWER", "DuelingStudy", "DuelingStudyResult", "OfflineEmbeddings"]

Array = NDArray[np.float64]
Positions = NDArray[np.intp]

# The prior of FGTS on embeddings made of categories.
_CCFT_PRIOR: dict[str, Any] = {"prior_variance": 0.3, "prior_similarity": 2.0}
_MAIN = "excel_perf_cost"

SINGLE_ANSWER = ("lints", "lints_narrow")

# name -> (how models are embedded, router)
DUELISTS: dict[str, tuple[str, type[DuelingRouter], dict[str, Any]]] = {
    "perf": ("perf", FGTSRouter, _CCFT_PRIOR),
    "perf_cost": ("perf_cost", FGTSRouter, _CCFT_PRIOR),
    "excel_perf_cost": (_MAIN, FGTSRouter, _CCFT_PRIOR),
    "excel_mask": ("excel_mask", FGTSRouter, _CCFT_PRIOR),
    "excel_mask_hard": ("excel_mask_hard", FGTSRouter, _CCFT_PRIOR),
    "prior_at_zero": (_MAIN, FGTSRouter, {"prior_variance": 0.3}),
    "generic": ("generic", FGTSRouter, _CCFT_PRIOR),
    "no_offline_data": ("random", FGTSRouter, {"prior_variance": 0.3}),
    "random_pairs": (_MAIN, RandomPairs, {}),
    "best_so_far": (_MAIN, BestSoFar, {}),
    "bradley_terry": (_MAIN, BradleyTerryRouter, {}),
    "dueling_linucb": (_MAIN, DuelingLinUCB, {}),
    "maxinp": (_MAIN, MaxInP, {}),
    "colstim": (_MAIN, CoLSTIM, {}),
    "vacdb": (_MAIN, VACDB, {}),
}


class OfflineEmbeddings:
    """Encoder and model embeddings from a few offline queries per category.

    Parameters
    ----------
    X, quality, cost : ndarray of shape (n, d), (n, n_models), (n, n_models)
        Offline queries; costs in units of the cap.
    labels : ndarray of shape (n,)
        Their categories.
    cost_weight : float
        lambda.
    n_components : int
        Width of the encoded queries.
    seed : int
    """

    def __init__(
        self,
        X: NDArray[np.floating[Any]],
        quality: Array,
        cost: Array,
        labels: NDArray[Any],
        *,
        cost_weight: float,
        n_components: int,
        seed: int,
    ) -> None:
        self.cost_weight, self.seed = cost_weight, seed
        self.tuned = CategoryEncoder(n_components, random_state=seed).fit(X, labels)
        self.generic = CategoryEncoder(n_components, epochs=0, random_state=seed).fit(X, labels)
        self._performance = category_means(quality, labels, self.tuned.categories_).T
        self._cost = category_means(cost, labels, self.tuned.categories_).T

    def of_models(self, kind: str) -> Array:
        """Return the embeddings of the models, shape (n_models, n_components)."""
        if kind == "random":
            shape = (len(self._performance), self.tuned.head_.shape[1])
            return np.random.default_rng([self.seed, 3]).standard_normal(shape)
        encoder = self.generic if kind == "generic" else self.tuned
        weighting: Any = {"generic": _MAIN, "excel_mask_hard": "excel_mask"}.get(kind, kind)
        model = ModelEmbeddings(
            weighting, cost_weight=self.cost_weight, hard=kind == "excel_mask_hard"
        )
        model.fit(encoder.category_embeddings_, self._performance, self._cost)
        return np.asarray(model.embeddings_)

    def of_queries(self, kind: str, X: NDArray[np.floating[Any]]) -> Array:
        """Return encoded queries, shape (n, n_components)."""
        encoder = self.generic if kind == "generic" else self.tuned
        return np.asarray(encoder.transform(X))


@dataclass(frozen=True)
class DuelingStudyResult:
    """Regret of every router, round and seed.

    Attributes
    ----------
    regret : dict of str to ndarray of shape (n_seeds, n_rounds)
        r*(x, a*) - (r*(x, first) + r*(x, second)) / 2, with r* the logged utility of each answer.
    task_regret : dict of the same shapes
        The same with r* the mean utility of each model in the task of the query.
    per_call : dict of str to ndarray of shape (n_seeds, 2 n_rounds)
        `task_regret` per model call; a duel makes two calls.
    task : ndarray of shape (n_seeds, n_rounds)
        Where each query came from.
    """

    regret: dict[str, Array]
    task_regret: dict[str, Array]
    per_call: dict[str, Array]
    task: NDArray[Any]

    def table(self, reference: str = _MAIN, tasks: Iterable[str] | None = None) -> pd.DataFrame:
        """Return cumulative regrets with standard errors, and paired differences from one router.

        Parameters
        ----------
        reference : str
        tasks : iterable of str, optional
            Count the rounds of these tasks alone.
        """
        kept = np.ones(self.task.shape, bool) if tasks is None else np.isin(self.task, list(tasks))
        total = {name: (regret * kept).sum(axis=1) for name, regret in self.regret.items()}
        by_task = {name: (regret * kept).sum(axis=1) for name, regret in self.task_regret.items()}
        rows = []
        for name, values in by_task.items():
            difference = values - by_task[reference]
            rows.append(
                {
                    "router": name,
                    "regret": total[name].mean(),
                    "regret_se": _error(total[name]),
                    "task_regret": values.mean(),
                    "task_regret_se": _error(values),
                    "minus_reference": difference.mean(),
                    "minus_reference_se": _error(difference),
                }
            )
        return pd.DataFrame(rows).set_index("router").sort_values("task_regret")

    def calls_table(self) -> pd.DataFrame:
        """Return the mean regret per model call, early and late, of duels and single answers."""
        rows = []
        for name, regret in self.per_call.items():
            whole, late = regret.mean(axis=1), regret[:, -regret.shape[1] // 5 :].mean(axis=1)
            rows.append(
                {
                    "router": name,
                    "per_call": whole.mean(),
                    "per_call_se": _error(whole),
                    "last_fifth": late.mean(),
                    "last_fifth_se": _error(late),
                }
            )
        return pd.DataFrame(rows).set_index("router").sort_values("per_call")


class DuelingStudy:
    """Play dueling routers on published outcomes, once per seed.

    Each seed draws offline queries from every category (none of the held-out ones), makes the
    encoder and the embeddings from them, and plays the routers on one order of the other queries.
    Who wins is drawn by Bradley-Terry choice from utility = quality - lambda cost / cap. The
    paper's horizons, sizes of the offline data, encoder widths, priors and sampler settings are
    not public; all defaults here are ours.

    Parameters
    ----------
    routers : tuple of str
        Of `DUELISTS` and `SINGLE_ANSWER`; the latter see the utility itself, of one answer to each
        of twice as many queries.
    cost_weight : float, default=0.5
        lambda.
    scale : float, default=5.0
        Log odds per unit of utility: a right answer is preferred to a wrong one of the same cost
        in 993 of 1000 duels.
    n_offline : int, default=20
        Offline queries per category.
    n_components : int, default=32
        Width of the encoded queries.
    rounds : int, default=600
    batch : int, default=10
        Rounds that are decided before who won is learned, of all routers alike.
    held_out : tuple of str
        Categories without offline queries.
    seeds : int, default=20
    random_state : int, default=0
    """

    def __init__(
        self,
        routers: tuple[str, ...] = (*DUELISTS, *SINGLE_ANSWER),
        *,
        cost_weight: float = 0.5,
        scale: float = 5.0,
        n_offline: int = 20,
        n_components: int = 32,
        rounds: int = 600,
        batch: int = 10,
        held_out: tuple[str, ...] = (),
        seeds: int = 20,
        random_state: int = 0,
    ) -> None:
        self.routers = routers
        self.cost_weight = cost_weight
        self.scale = scale
        self.n_offline = n_offline
        self.n_components = n_components
        self.rounds = rounds
        self.batch = batch
        self.held_out = held_out
        self.seeds = seeds
        self.random_state = random_state

    def run(
        self,
        matrix: ModelMatrix,
        *,
        n_jobs: int | None = None,
        advance: Callable[[], None] | None = None,
    ) -> DuelingStudyResult:
        """Play every router over all seeds.

        Parameters
        ----------
        matrix : ModelMatrix
            With costs, unless `cost_weight` is 0.
        n_jobs : int, optional
            Workers, as in joblib; the numbers do not depend on it.
        advance : callable, optional
            Called whenever a seed has been played.

        Raises
        ------
        DataError
            If a setting makes no sense, or the table has too few queries.
        """
        self.check(matrix)
        seeds = np.random.SeedSequence(self.random_state).generate_state(self.seeds)
        played = []
        for one in joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
            joblib.delayed(self.play_seed)(matrix, int(seed)) for seed in seeds
        ):
            played.append(one)
            if advance is not None:
                advance()

        def stacked(part: int) -> dict[str, Array]:
            return {
                name: np.array([seed[part][name] for seed in played]) for name in played[0][part]
            }

        return DuelingStudyResult(
            stacked(0), stacked(1), stacked(2), np.array([seed[3] for seed in played])
        )

    def play_seed(
        self, matrix: ModelMatrix, seed: int
    ) -> tuple[Mapping[str, Array], Mapping[str, Array], Mapping[str, Array], NDArray[Any]]:
        """Play every router once; see `DuelingStudyResult`."""
        rng = np.random.default_rng(seed)
        utility, cost = self.utility(matrix), self.scaled_cost(matrix)
        offline, online = self.split(matrix, rng)
        embedded = OfflineEmbeddings(
            matrix.X[offline],
            matrix.quality[offline],
            cost[offline],
            np.asarray(matrix.task)[offline].astype(str),
            cost_weight=self.cost_weight,
            n_components=self.n_components,
            seed=seed,
        )
        task = np.asarray(matrix.task)[online]
        means = {t: utility[online][task == t].mean(axis=0) for t in np.unique(task)}
        expected = np.array([means[t] for t in task])
        X, logged = matrix.X[online], utility[online]
        regret, task_regret, per_call = {}, {}, {}
        for name in self.routers:
            if name in SINGLE_ANSWER:
                encoded = embedded.of_queries(_MAIN, X)
                per_call[name] = self._single_answers(name, encoded, logged, expected, seed)
                continue
            kind, router_class, settings = DUELISTS[name]
            router = router_class(embedded.of_models(kind), random_state=seed % 2**31, **settings)
            n = self.rounds
            replay = DuelingReplay(
                embedded.of_queries(kind, X[:n]), logged[:n], scale=self.scale, random_state=seed
            )
            log = play_duels(router, replay, batch=self.batch)
            regret[name] = _regret(logged[:n], log["first"], log["second"])
            task_regret[name] = _regret(expected[:n], log["first"], log["second"])
            per_call[name] = np.repeat(task_regret[name], 2)
        n = self.rounds
        constant = int(logged[:n].mean(axis=0).argmax())
        for name, arm in (
            ("best_constant", np.full(n, constant)),
            ("best_per_task", expected[:n].argmax(1)),
        ):
            regret[name] = _regret(logged[:n], arm, arm)
            task_regret[name] = _regret(expected[:n], arm, arm)
        return regret, task_regret, per_call, task[:n].astype(str)

    def check(self, matrix: ModelMatrix) -> None:
        """Refuse what cannot be studied, before any work is done.

        Raises
        ------
        DataError
        """
        unknown = [n for n in self.routers if n not in DUELISTS and n not in SINGLE_ANSWER]
        if unknown or not self.routers:
            raise DataError(
                f"There is no router {unknown[0] if unknown else ''!r}: choose from "
                f"{', '.join((*DUELISTS, *SINGLE_ANSWER))}."
            )
        check_parameter("cost_weight", self.cost_weight, lambda v: v >= 0, "a number of at least 0")
        for name in ("n_offline", "n_components", "rounds", "batch", "seeds"):
            check_whole(name, getattr(self, name))
        if self.cost_weight and matrix.cost is None:
            raise DataError(f"{matrix.name} has no costs: set cost_weight to 0.")
        tasks, counts = np.unique(np.asarray(matrix.task), return_counts=True)
        missing = [task for task in self.held_out if task not in tasks]
        if missing:
            raise DataError(
                f"{matrix.name} has no task {missing[0]!r}: choose from {', '.join(tasks)}."
            )
        learned = len(tasks) - len(set(self.held_out))
        if learned < 2 or counts.min() <= self.n_offline:
            raise DataError(
                f"{matrix.name} has {learned} categories to learn from, the smallest with "
                f"{counts.min()} queries; give at least two, each with more than n_offline = "
                f"{self.n_offline} queries."
            )
        needed = self.rounds * (2 if set(self.routers) & set(SINGLE_ANSWER) else 1)
        left = matrix.n_queries - learned * self.n_offline
        if left < needed:
            raise DataError(
                f"{needed} rounds are to be played but {left} queries are left of "
                f"{matrix.n_queries}; set rounds lower."
            )

    def scaled_cost(self, matrix: ModelMatrix) -> Array:
        """Return costs over their 0.95 quantile, shape (n, n_models); 0 without costs."""
        if matrix.cost is None:
            return np.zeros_like(matrix.quality)
        return np.asarray(matrix.cost / np.quantile(matrix.cost, 0.95))

    def utility(self, matrix: ModelMatrix) -> Array:
        """Return quality - lambda cost / cap, shape (n, n_models)."""
        return np.asarray(matrix.quality - self.cost_weight * self.scaled_cost(matrix))

    def split(self, matrix: ModelMatrix, rng: np.random.Generator) -> tuple[Positions, Positions]:
        """Draw the rows of the offline queries, and those of all others in random order."""
        task = np.asarray(matrix.task)
        offline = np.concatenate(
            [
                rng.choice(np.flatnonzero(task == name), self.n_offline, replace=False)
                for name in np.unique(task)
                if name not in self.held_out
            ]
        )
        return offline, rng.permutation(np.setdiff1d(np.arange(len(task)), offline))

    def _single_answers(
        self, name: str, X: Array, logged: Array, expected: Array, seed: int
    ) -> Array:
        """Return the regret of every call of a bandit that is told the utility of its answer."""
        n_calls, n_arms = 2 * self.rounds, logged.shape[1]
        scale = 1.0 if name == "lints" else 0.2
        router = LinTS(scale, arms=range(n_arms), random_state=seed % 2**31)
        router.partial_fit(X[:1], [0], logged[:1, 0])
        regret = np.empty(n_calls)
        for start in range(0, n_calls, self.batch):
            rows = np.arange(start, min(start + self.batch, n_calls))
            arm, _ = router.sample(X[rows])
            router.partial_fit(X[rows], arm, logged[rows, arm])
            regret[rows] = expected[rows].max(axis=1) - expected[rows, arm]
        return regret


def _regret(utility: Array, first: Positions, second: Positions) -> Array:
    """Return the utility of the best arm minus the mean of the pair's, shape (n,)."""
    rows = np.arange(len(utility))
    return np.asarray(utility.max(axis=1) - (utility[rows, first] + utility[rows, second]) / 2.0)


def _error(values: Array) -> float:
    """Return the standard error of a mean over seeds."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
