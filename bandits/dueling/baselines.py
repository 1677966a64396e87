"""Duelists to be measured against: random pairs, the best so far, and confidence bounds.

All see queries and models as `FGTSRouter` does, phi(x, a), and differ in how they choose. With
u = <theta, phi> estimated by Bradley-Terry regression and |phi_i - phi_j| in the metric of V^{-1}:

==================== ===========================================================================
`RandomPairs`        two arms drawn from all
`BestSoFar`          the arm that has won most often, against itself or against a random one
`BradleyTerryRouter` argmax u against an arm drawn at random; refitted on all past duels
`DuelingLinUCB`      argmax over pairs of u_i + u_j + width |phi_i - phi_j|
`MaxInP`             of the arms that may be best, the pair with the largest |phi_i - phi_j|
`CoLSTIM`            argmax u_i + Gumbel |phi_i|, then argmax_j u_j + width |phi_i - phi_j|
==================== ===========================================================================

The radii of the papers' proofs grow as sqrt(d log T), which at the width of a text embedding means
random play for longer than any log here: `width` takes their place and is ours.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bandits._ties import argmax_with_ties
from bandits.dueling._regression import BradleyTerry
from bandits.dueling.base import Array, DuelingRouter, Duels, Positions
from metarouter.utils.parameters import number

__all__ = [
    "BestSoFar",
    "BradleyTerryRouter",
    "CoLSTIM",
    "DuelingLinUCB",
    "MaxInP",
    "RandomPairs",
    "RegressionDuelist",
]


class RandomPairs(DuelingRouter):
    """Draw both arms from all, and learn nothing.

    Parameters
    ----------
    embeddings, arms, cost, cost_cap, random_state
        As in `DuelingRouter`.

    Examples
    --------
    >>> router = RandomPairs(np.eye(2), random_state=0)
    >>> router.pair_probabilities([[1.0, 0.0]]).tolist()
    [[[0.25, 0.25], [0.25, 0.25]]]
    """

    def _start(self) -> None:
        pass

    def _learn(self, duels: Duels) -> None:
        pass

    def _utilities(self, X: Array) -> Array:
        return np.zeros((len(X), len(self.arms_)))

    def _pair_table(self, X: Array, weights: Array) -> Array:
        n_arms = len(self.arms_)
        return np.full((len(X), n_arms, n_arms), 1.0 / n_arms**2)


@dataclass(eq=False, repr=False, match_args=False)
class BestSoFar(DuelingRouter):
    """Call the arm with the highest share of duels won, whatever the query.

    Parameters
    ----------
    epsilon : float, default=0.1
        Share of rounds in which the second arm is drawn from all instead.
    embeddings, arms, cost, cost_cap, random_state
        As in `DuelingRouter`.

    Notes
    -----
    Shares are those of a uniform prior, (wins + 1) / (duels + 2), ties counting half.

    Examples
    --------
    >>> router = BestSoFar(np.eye(2), epsilon=0.0, random_state=0)
    >>> router.fit([[1.0, 0.0]], [1], [0], [1]).predict([[0.0, 1.0]]).tolist()
    [1]
    """

    epsilon: float = 0.1

    _parameter_constraints: ClassVar[dict[str, Any]] = {"epsilon": [number(at_least=0, at_most=1)]}

    def _start(self) -> None:
        self._record = np.zeros((len(self._known), 2))  # wins, duels

    def _learn(self, duels: Duels) -> None:
        first, second = self._identity[duels.first], self._identity[duels.second]
        apart = first != second
        for arm, won in ((first, duels.target), (second, 1.0 - duels.target)):
            np.add.at(self._record, (arm[apart], 0), won[apart])
            np.add.at(self._record, (arm[apart], 1), 1.0)

    def _utilities(self, X: Array) -> Array:
        wins, duels = self._record[self._identity].T
        share = (wins + 1.0) / (duels + 2.0)
        return np.tile(np.log(share / (1.0 - share)), (len(X), 1))

    def _pair_table(self, X: Array, weights: Array) -> Array:
        scores, n_arms = self._dial(self._utilities(X), weights), len(self.arms_)
        best = _one_hot(scores)
        second = (1.0 - self.epsilon) * best + self.epsilon / n_arms
        return np.asarray(best[:, :, None] * second[:, None, :])

    def _arms_changed(self) -> None:
        grown = np.zeros((len(self._known), 2))
        grown[: len(self._record)] = self._record
        self._record = grown

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"record": self._record}

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._record = arrays["record"].copy()


@dataclass(eq=False, repr=False, match_args=False)
class RegressionDuelist(DuelingRouter):
    """Base of the duelists that estimate utilities by Bradley-Terry regression.

    A subclass chooses the pair of one query (`_choose`).

    Parameters
    ----------
    width : float, default=0.5
        What |phi_i - phi_j| is multiplied by; the standard deviation of a difference of utilities
        is about twice it.
    prior_variance : float, default=1.0
        Of every coefficient, in squared log odds.
    embeddings, arms, cost, cost_cap, random_state
        As in `DuelingRouter`.
    """

    width: float = 0.5
    prior_variance: float = 1.0

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "width": [number(at_least=0)],
        "prior_variance": [number(above=0)],
    }

    @abstractmethod
    def _choose(self, features: Array, scores: Array) -> Array:
        """Return the probability of every pair, from features (n_arms, d) and dialled utilities."""

    def _start(self) -> None:
        self._regression = BradleyTerry(self.n_features_in_, 4.0 / self.prior_variance)

    def _learn(self, duels: Duels) -> None:
        for z, target in zip(duels.difference, duels.target, strict=True):
            self._regression.add(z, float(target))

    def _utilities(self, X: Array) -> Array:
        return np.asarray((X * self._regression.coef) @ self._scaled_arms.T)

    def _pair_table(self, X: Array, weights: Array) -> Array:
        scores, arms = self._dial(self._utilities(X), weights), self._scaled_arms
        return np.array([self._choose(x * arms, row) for x, row in zip(X, scores, strict=True)])

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return dict(self._regression.arrays())

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._regression.set_arrays(arrays)


@dataclass(eq=False, repr=False, match_args=False)
class BradleyTerryRouter(RegressionDuelist):
    """Call the best arm of a Bradley-Terry regression on all past duels against a random one.

    Supervised learning with no thought of exploration: with probability `epsilon` the second arm
    is drawn from all, else it is the best arm too.

    Parameters
    ----------
    epsilon : float, default=0.1
    prior_variance, embeddings, arms, cost, cost_cap, random_state
        As in `RegressionDuelist`.

    Examples
    --------
    >>> router = BradleyTerryRouter(np.eye(2), random_state=0)
    >>> router.fit([[1.0, 1.0]] * 9, [1] * 9, [0] * 9, [1] * 9).predict([[1.0, 1.0]]).tolist()
    [1]
    """

    epsilon: float = 0.1
    width: float = field(default=0.0, init=False)

    _parameter_constraints: ClassVar[dict[str, Any]] = {"epsilon": [number(at_least=0, at_most=1)]}

    def _choose(self, features: Array, scores: Array) -> Array:
        best = _one_hot(scores[None])[0]
        return np.outer(best, (1.0 - self.epsilon) * best + self.epsilon / len(scores))


class DuelingLinUCB(RegressionDuelist):
    """Call the pair with the highest sum of utilities plus a bonus for what it would teach.

    argmax_{i, j} u_i + u_j + width |phi_i - phi_j|, the symmetric choice of Di et al. (2024) in one
    layer ("MaxPairUCB" in their experiments).

    Parameters
    ----------
    width, prior_variance, embeddings, arms, cost, cost_cap, random_state
        As in `RegressionDuelist`.

    References
    ----------
    .. [1] Di, Jin, Wu, Zhao, Farnoud & Gu (2024), Variance-aware regret bounds for stochastic
       contextual dueling bandits, arXiv:2310.00968.

    Examples
    --------
    >>> router = DuelingLinUCB(np.eye(2), random_state=0)
    >>> router.pair_probabilities([[1.0, 1.0]])[0].diagonal().tolist()
    [0.0, 0.0]
    """

    def _choose(self, features: Array, scores: Array) -> Array:
        widths = self._regression.widths(features)
        return _one_pair(scores[:, None] + scores[None, :] + self.width * widths)


class MaxInP(RegressionDuelist):
    """Of the arms that may be best, call the two whose difference is least known (Saha 2021).

    An arm may be best if u_i - u_j + width |phi_i - phi_j| >= 0 for all j; of those, the pair with
    the largest |phi_i - phi_j| is called ("maximum informative pair").

    Parameters
    ----------
    width, prior_variance, embeddings, arms, cost, cost_cap, random_state
        As in `RegressionDuelist`.

    References
    ----------
    .. [1] Saha (2021), Optimal algorithms for stochastic contextual preference bandits, NeurIPS.

    Examples
    --------
    >>> router = MaxInP(np.eye(2), random_state=0)
    >>> router.pair_probabilities([[1.0, 1.0]])[0].diagonal().tolist()
    [0.0, 0.0]
    """

    def _choose(self, features: Array, scores: Array) -> Array:
        widths = self._regression.widths(features)
        gap = scores[:, None] - scores[None, :]
        may_be_best = np.all(gap + self.width * widths >= -1e-12, axis=1)
        allowed = np.logical_and.outer(may_be_best, may_be_best)
        return _one_pair(np.where(allowed, widths, -1.0))


@dataclass(eq=False, repr=False, match_args=False)
class CoLSTIM(RegressionDuelist):
    """Imitate the feedback: perturb utilities, then call the toughest rival (Bengs et al. 2022).

    The first arm is argmax u_i + g_i |phi_i| with Gumbel noise g, clipped to +-sqrt(d log T) in the
    paper and to +-`clip` here; with probability min(1, d log(d t) / sqrt(t)) in round t, all arms
    share one g. That is 1 throughout any log of these widths, so that the noise never reorders arms
    of equal length; `shared` sets the probability instead. The second arm is argmax_{j != i}
    u_j + width |phi_i - phi_j|.

    The probability of a pair is an integral without a closed form: pairs are drawn, and their
    propensities are not known (NaN).

    Parameters
    ----------
    shared : float, default=0.0
        Probability that all arms share one perturbation.
    clip : float, default=4.0
        Largest size of a perturbation.
    width, prior_variance, embeddings, arms, cost, cost_cap, random_state
        As in `RegressionDuelist`.

    References
    ----------
    .. [1] Bengs, Saha & Huellermeier (2022), Stochastic contextual dueling bandits under linear
       stochastic transitivity models, ICML.

    Examples
    --------
    >>> router = CoLSTIM(np.eye(3), random_state=0)
    >>> first, second, propensity = router.sample_pair([[1.0, 1.0, 1.0]])
    >>> bool(first[0] != second[0]), propensity.tolist()
    (True, [nan])
    """

    _has_propensities: ClassVar[bool] = False

    shared: float = 0.0
    clip: float = 4.0

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "shared": [number(at_least=0, at_most=1)],
        "clip": [number(above=0)],
    }

    def _draw(self, X: Array, weights: Array) -> tuple[Positions, Positions]:
        scores, arms = self._dial(self._utilities(X), weights), self._scaled_arms
        pairs = [self._draw_one(x * arms, row) for x, row in zip(X, scores, strict=True)]
        first, second = np.array(pairs, dtype=np.intp).T
        return first, second

    def _draw_one(self, features: Array, scores: Array) -> tuple[int, int]:
        rng = self._exploration
        gumbel = rng.gumbel(size=len(scores))
        if rng.random() < self.shared:
            gumbel[:] = gumbel[0]
        noise = np.clip(gumbel, -self.clip, self.clip) * self._regression.lengths(features)
        first = int((scores + noise).argmax())
        rival = scores + self.width * self._regression.widths(features)[first]
        rival[first] = -np.inf
        return first, int(argmax_with_ties(rival[None], rng.random(1))[0])

    def _choose(self, features: Array, scores: Array) -> Array:
        return np.full((len(scores), len(scores)), np.nan)


def _one_hot(scores: Array) -> Array:
    """Return 1 at the best arm of each row, shared by ties."""
    tied = scores >= scores.max(axis=1, keepdims=True) - 1e-12
    return np.asarray(tied / tied.sum(axis=1, keepdims=True))


def _one_pair(value: Array) -> Array:
    """Return 1 at the best pair, shared by ties."""
    tied = value >= value.max() - 1e-12
    return np.asarray(tied / tied.sum())
