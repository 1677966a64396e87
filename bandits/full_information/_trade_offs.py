"""Routers that are trained for one trade-off between quality and cost, or for a few."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler

from bandits._logs import Logs
from bandits.full_information.base import FullInformationRouter
from metarouter.exceptions import DataError
from metarouter.utils.devices import require_torch
from metarouter.utils.parameters import number, several, whole

__all__ = [
    "Queries",
    "Split",
    "TradeOffRouter",
    "clusters_of",
    "utility_of",
]

Array = NDArray[np.float64]
Learned = dict[str, NDArray[np.float32]]


class Queries(NamedTuple):
    """Queries with the utility of every arm."""

    X: Array  # (n, n_features)
    utility: Array  # (n, n_arms)
    quality: Array  # (n, n_arms)
    cost: Array  # (n, n_arms) share of the cap

    def rows(self, rows: NDArray[np.intp]) -> Queries:
        """Keep some rows."""
        return Queries(*(table[rows] for table in self))


class Split(NamedTuple):
    """Queries to take gradients on, and others to choose the checkpoint by."""

    train: Queries
    held_back: Queries


class TradeOffRouter(FullInformationRouter):
    """Base of the routers whose training fixes the trade-off (`_train`, `_arm_scores`).

    One network is trained per weight in `w_cost`. A query is answered by the network whose weight
    is nearest to the one that is asked for; with a single weight the preference changes nothing.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "w_cost": [number(at_least=0, below=1), several(number(at_least=0, below=1))],
        "learning_rate": [number(above=0)],
        "max_epochs": [whole()],
        "patience": [whole()],
        "validation_share": [number(at_least=0, below=1)],
    }

    def __init__(
        self,
        *,
        w_cost: float | tuple[float, ...],
        learning_rate: float,
        max_epochs: int,
        patience: int,
        validation_share: float,
        arms: Iterable[Any] | None,
        cost_cap: float | None,
        random_state: int | np.random.RandomState | None,
    ) -> None:
        super().__init__(arms=arms, cost_cap=cost_cap, random_state=random_state)
        self.w_cost = w_cost
        self.learning_rate = learning_rate
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_share = validation_share

    @abstractmethod
    def _train(self, split: Split) -> Learned:
        """Train for one trade-off and return what was learned."""

    @abstractmethod
    def _arm_scores(self, X: Array, learned: Learned) -> Array:
        """Return how good every arm is thought to be, shape (n, n_arms)."""

    @abstractmethod
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of everything that `_train` returns, by name."""

    def _arrays(self) -> dict[str, NDArray[Any]]:
        learned = {
            f"learned_{name}": np.stack([network[name] for network in self.learned_])
            for name in self.learned_[0]
        }
        return {
            "w_cost": self.w_cost_,
            "mean": self.scaler_.mean_,
            "variance": self.scaler_.var_,
            **learned,
        }

    def _expected_arrays(self, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        n_networks, n_features = len(np.unique(arrays["w_cost"])), self.n_features_in_
        return {
            "w_cost": np.zeros(n_networks),
            "mean": np.zeros(n_features),
            "variance": np.zeros(n_features),
            **{
                f"learned_{name}": np.zeros((n_networks, *shape), dtype=np.float32)
                for name, shape in self._shapes().items()
            },
        }

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        if (arrays["variance"] < 0).any() or (np.abs(arrays["w_cost"] - 0.5) > 0.5).any():
            raise ValueError("a variance or a weight of cost is off its range")
        self.w_cost_ = arrays["w_cost"]
        self.scaler_ = scaler_of(arrays["mean"], arrays["variance"])
        self.learned_ = [
            {name: arrays[f"learned_{name}"][k] for name in self._shapes()}
            for k in range(len(self.w_cost_))
        ]

    def _learn(self, X: Array, logs: Logs) -> None:
        if self.has_latency_:
            raise DataError(
                f"{type(self).__name__} is trained for trade-offs of quality and cost: leave out "
                "latency=, or take a RegressionRouter."
            )
        require_torch(type(self).__name__)
        free = np.zeros_like(logs.quality)
        cost = free if logs.cost is None else np.minimum(logs.cost / self.cost_cap_, 1.0)
        self.w_cost_ = np.unique(self.w_cost) if self.has_cost_ else np.zeros(1)
        train, held_back = held_back_rows(len(X), self.validation_share, self._seed)
        self.scaler_ = StandardScaler().fit(X[train])
        X = self._scaled(X)
        self.learned_ = []
        for w_cost in self.w_cost_:
            queries = Queries(X, utility_of(logs.quality, cost, w_cost), logs.quality, cost)
            self.learned_.append(self._train(Split(queries.rows(train), queries.rows(held_back))))

    def _scores(self, X: Array, preference: Array) -> Array:
        X = self._scaled(X)
        asked = np.broadcast_to(preference, (len(X), 2))[:, 1:]
        nearest = np.abs(asked - self.w_cost_).argmin(axis=1)
        scores = np.empty((len(X), len(self.arms_)))
        for k in np.unique(nearest):
            scores[nearest == k] = self._arm_scores(X[nearest == k], self.learned_[k])
        return scores

    def _scaled(self, X: Array) -> Array:
        # Of length about 1, as sentence embeddings are: what is common to all queries is then
        # learned first, and what tells them apart later.
        return np.asarray(self.scaler_.transform(X) / np.sqrt(X.shape[1]))


def utility_of(quality: Array, cost: Array, w_cost: float) -> Array:
    """Return q - (w_c / w_q) min(c / tau, 1): the reward in units of quality.

    Parameters
    ----------
    quality, cost : ndarray of shape (n, n_arms)
        Costs as shares of the cap.
    w_cost : float

    Notes
    -----
    RouterDC trains on RouterBench with scores minus a rate times costs, GraphRouter with a
    weighted difference of the two: this is either, with BaRP's preference as the rate.

    Examples
    --------
    >>> utility_of(np.array([[1.0, 1.0]]), np.array([[0.25, 1.0]]), 0.5).tolist()
    [[0.75, 0.0]]
    """
    return np.asarray(quality - w_cost / (1.0 - w_cost) * cost)


def scaler_of(mean: Array, variance: Array) -> StandardScaler:
    """Return the scaler of features with some means and variances."""
    scaler = StandardScaler()
    scaler.mean_, scaler.var_, scaler.n_features_in_ = mean, variance, len(mean)
    # As scikit-learn does it: a feature that does not vary stays as it is.
    scaler.scale_ = np.where(variance > 0, np.sqrt(variance), 1.0)
    return scaler


def held_back_rows(n: int, share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows to train on and rows to choose by: the same ones where nothing can be spared."""
    n_held = round(share * n)
    if n_held == 0 or n_held == n:
        return np.arange(n), np.arange(n)
    order = np.random.default_rng([seed, 0]).permutation(n)
    return order[n_held:], order[:n_held]


def clusters_of(X: Array, n_clusters: int, seed: int) -> KMeans:
    """Group queries by k-means, into fewer groups where there are fewer distinct queries."""
    n_distinct = len(np.unique(X, axis=0))
    return KMeans(min(n_clusters, n_distinct), n_init=3, random_state=seed).fit(X)
