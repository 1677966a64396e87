"""Feel-Good Thompson sampling for contextual dueling bandits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bandits.dueling._langevin import DuelPosterior, Sampler
from bandits.dueling.base import Array, DuelingRouter, Duels, Positions
from metarouter.utils.parameters import number, one_of, whole

__all__ = ["FGTSRouter"]

_MOST_ROUNDS = 20  # of steps after a batch of duels, however long


@dataclass(eq=False, repr=False, match_args=False)
class FGTSRouter(DuelingRouter):
    """Draw two utilities from two posteriors and call the best model under each (FGTS.CDB).

    The two posteriors are those of Li, Zhao & Gu (2024), with the logistic loss as sigma. Each is
    represented by `n_samples` samples, kept up to date by minibatch Langevin steps from where they
    were. For a query, one sample of each is picked at random, and with probability `uniform` the
    pair is drawn from all pairs instead. The probability of a pair is thus a finite sum and
    exactly known; under the posterior itself it would be an integral without a closed form. With
    ``n_samples=1`` and ``uniform=0`` this is the algorithm of the paper.

    Parameters
    ----------
    embeddings, arms, cost, cost_cap, random_state
        As in `DuelingRouter`.
    n_samples : int, default=8
        Samples of each of the two posteriors.
    uniform : float, default=0.02
        Share of pairs drawn from all pairs alike, so that every pair has a chance.
    distinct : bool, default=False
        Whether the second arm is the best one under its sample other than the first. The paper
        lets an arm meet itself, which teaches nothing and costs no regret where the arm is best.
    eta : float, default=1.0
        Learning rate of the posterior, above 0; 1 is Bayes' rule.
    mu : float, default=0.0
        Weight of the feel-good term. Small weights change little and take time; 0 is plain
        Thompson sampling.
    prior_variance : float, default=1.0
        Of every coefficient, in squared log odds.
    prior_similarity : float, default=0.0
        The prior mean of the utility per unit of similarity <x / |x|, (e_a - mean e) / spread>, in
        log odds. Above 0, arms whose embeddings lie near the query are preferred from the start,
        which is what embeddings made of categories mean. Which prior the paper takes is not public.
    sampler : {"sgld", "laplace"}, default="sgld"
        Langevin chains, or Gaussian draws with the curvature at the mode.
    step : float, default=0.5
        Share of the way to an independent draw that one Langevin step goes, in (0, 1].
    n_steps : int, default=1
        Steps per round.
    batch : int, default=256
        Rows per minibatch.

    Attributes
    ----------
    arms_ : list
        Names of the arms.
    embeddings_ : ndarray of shape (n_arms, d)
    coef_ : ndarray of shape (d,)
        Coefficients of highest posterior density, which `predict` goes by.
    n_updates_ : int
        Duels learned from.

    References
    ----------
    .. [1] Li, Zhao & Gu (2024), Feel-Good Thompson sampling for contextual dueling bandits,
       arXiv:2404.06013.
    .. [2] Chiang, Ishida & Sugiyama (2025), LLM routing with dueling feedback, arXiv:2510.00841.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> router = FGTSRouter(np.eye(3), arms=("small", "medium", "large"), random_state=0)
    >>> X = rng.normal(size=(200, 3)) + 2
    >>> first, second, propensity = router.sample_pair(X)
    >>> strength = {"small": 0, "medium": 1, "large": 2}
    >>> outcome = [np.sign(strength[a] - strength[b]) for a, b in zip(first, second)]
    >>> router.partial_fit(X, first, second, outcome).predict(X[:2]).tolist()
    ['large', 'large']
    """

    n_samples: int = 8
    uniform: float = 0.02
    distinct: bool = False
    eta: float = 1.0
    mu: float = 0.0
    prior_variance: float = 1.0
    prior_similarity: float = 0.0
    sampler: Sampler = "sgld"
    step: float = 0.5
    n_steps: int = 1
    batch: int = 256

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_samples": [whole()],
        "uniform": [number(at_least=0, at_most=1)],
        "distinct": ["boolean"],
        "eta": [number(above=0)],
        "mu": [number(at_least=0)],
        "prior_variance": [number(above=0)],
        "prior_similarity": [number()],
        "sampler": [one_of("sgld", "laplace")],
        "step": [number(above=0, at_most=1)],
        "n_steps": [whole()],
        "batch": [whole()],
    }

    @property
    def coef_(self) -> Array:
        """Coefficients of highest posterior density, shape (d,)."""
        return self._posterior.mode

    def _start(self) -> None:
        self._posterior = DuelPosterior(
            np.full(self.n_features_in_, self.prior_similarity / np.sqrt(self.n_features_in_)),
            self.n_samples,
            prior_variance=self.prior_variance,
            eta=self.eta,
            mu=self.mu,
            step=self.step,
            n_steps=self.n_steps,
            batch=self.batch,
            sampler=self.sampler,
            rng=self._exploration,
        )

    def _learn(self, duels: Duels) -> None:
        pair = self._identity[np.column_stack([duels.first, duels.second])]
        self._posterior.add(duels.difference, duels.target, duels.X, pair)
        rounds = min(len(duels.X), _MOST_ROUNDS)
        self._posterior.advance(self._scaled_arms, self._known, rounds)

    def _utilities(self, X: Array) -> Array:
        return np.asarray((X * self._posterior.mode) @ self._scaled_arms.T)

    def _pair_table(self, X: Array, weights: Array) -> Array:
        n_arms, (ones, others) = len(self.arms_), self._posterior.samples
        best = self._scores_of(X, ones, weights).argmax(axis=2)
        first = _shares(best, n_arms)
        scores = self._scores_of(X, others, weights)
        top = scores.argmax(axis=2)
        second = _shares(top, n_arms)[:, None, :]
        if not self.distinct:
            table = first[:, :, None] * second
            return np.asarray((1.0 - self.uniform) * table + self.uniform / n_arms**2)
        np.put_along_axis(scores, top[:, :, None], -np.inf, axis=2)
        runner_up = _shares(top * n_arms + scores.argmax(axis=2), n_arms**2)
        unequal = 1.0 - np.eye(n_arms)
        table = first[:, :, None] * (second * unequal + runner_up.reshape(-1, n_arms, n_arms))
        share = self.uniform / (n_arms * (n_arms - 1))
        return np.asarray((1.0 - self.uniform) * table + share * unequal)

    def _draw(self, X: Array, weights: Array) -> tuple[Positions, Positions]:
        n, n_arms, arms, rng = len(X), len(self.arms_), self._scaled_arms, self._exploration
        picks = rng.integers(self.n_samples, size=(2, n))
        ones, others = self._posterior.samples
        scores = [
            self._dial((X * samples[pick]) @ arms.T, weights)
            for samples, pick in zip((ones, others), picks, strict=True)
        ]
        first = scores[0].argmax(axis=1)
        if self.distinct:
            scores[1][np.arange(n), first] = -np.inf
        second = scores[1].argmax(axis=1)
        anywhere = rng.random(n) < self.uniform
        if anywhere.any():
            first = np.where(anywhere, rng.integers(n_arms, size=n), first)
            ahead = rng.integers(1 if self.distinct else 0, n_arms, size=n)
            second = np.where(anywhere, (first + ahead) % n_arms, second)
        return first, second

    def _scores_of(self, X: Array, samples: Array, weights: Array) -> Array:
        """Return the dialled utilities under every sample, shape (n, n_samples, n_arms)."""
        utilities = (X[:, None, :] * samples) @ self._scaled_arms.T
        return self._dial(utilities, weights if weights.ndim == 1 else weights[:, None, :])

    def _arms_changed(self) -> None:
        self._posterior.advance(self._scaled_arms, self._known)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return dict(self._posterior.arrays())

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._posterior.set_arrays(arrays)


def _shares(position: NDArray[np.intp], n_positions: int) -> Array:
    """Return how often every position stands in each row, as shares, shape (n, n_positions)."""
    n, m = position.shape
    flat = (np.arange(n)[:, None] * n_positions + position).ravel()
    return np.bincount(flat, minlength=n * n_positions).reshape(n, n_positions) / m
