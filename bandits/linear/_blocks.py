"""Exact replay in blocks: the same choices as one round at a time, from fewer passes over memory.

One decision reads the covariances of all arms, K d^2 numbers, and memory is what it waits for. When
the next contexts are known, W_k = A_k^-1 X' is formed for a block of them at once. A play of arm k
at x changes A_k^-1 by -u u' / (1 + v) with u = A_k^-1 x, v = x' u, so that the widths and means of
the contexts to come follow from the scalars x_i' u alone (Sherman & Morrison 1950).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

if TYPE_CHECKING:
    from bandits.linear.base import LinearBandit
    from bandits.replay import Replay

Array = NDArray[np.float64]

BLOCK = 96


def play_in_blocks(router: LinearBandit, replay: Replay, design: Array, preference: Array) -> None:
    """Play a whole replay; the router learns from the cells that it chooses.

    Parameters
    ----------
    router : LinearBandit
    replay : Replay
    design : ndarray of shape (n, d)
        The contexts as the posterior sees them.
    preference : ndarray of shape (n, 2) or (n, 3)
    """
    for start in range(0, replay.n_rounds, BLOCK):
        rows = np.arange(start, min(start + BLOCK, replay.n_rounds))
        _play_block(router, replay, rows, design[rows], preference[rows])


def _play_block(
    router: LinearBandit, replay: Replay, rows: NDArray[np.intp], X: Array, preference: Array
) -> None:
    posterior, n_rows = router.posterior_, len(rows)
    n_arms = posterior.n_arms
    products = [blas.dsymm(1.0, posterior.covariance(arm), X.T, lower=1).T for arm in range(n_arms)]
    variance = np.stack([np.einsum("ij,ij->i", product, X) for product in products], axis=1)
    mean = posterior.means(X)
    length = np.sqrt((preference**2).sum(axis=1))
    ties, noise = router._ties.random(n_rows), router._noise(n_rows)
    played = [_Played(posterior.coef[arm].copy()) for arm in range(n_arms)]
    for j in range(n_rows):
        reward = router._expected_reward(mean[j : j + 1], preference[j])
        std = np.sqrt(np.maximum(variance[j : j + 1], 0.0)) * length[j]
        chosen = router._select(reward, std, ties[j : j + 1], noise[j : j + 1])
        arm = int(chosen[0])
        shown = replay.reveal(rows[j : j + 1], chosen)
        outcomes = shown.outcomes
        if router.has_cost_:
            outcomes = router._caps.observe(outcomes)
        past = played[arm]
        u = past.corrected(products[arm][j], X[j])
        step = 1.0 / (1.0 + float(u @ X[j]))
        gain = (outcomes[0] - mean[j, arm]) * step
        past.add(j, u * np.sqrt(step), outcomes[0], np.multiply.outer(gain, u))
        ahead = X[j + 1 :] @ u
        variance[j + 1 :, arm] -= ahead * ahead * step
        mean[j + 1 :, arm] += np.multiply.outer(ahead, gain)
    for arm, past in enumerate(played):
        if past.rows:
            posterior.update_block(
                X[past.rows], arm, np.array(past.outcomes), np.array(past.factors), past.coef
            )
    router.n_updates_ += n_rows


class _Played:
    """The plays of one arm within a block."""

    def __init__(self, coef: Array) -> None:
        self.coef = coef
        self.rows: list[int] = []
        self.factors: list[Array] = []
        self.outcomes: list[Array] = []

    def corrected(self, product: Array, x: Array) -> Array:
        """Return A^-1 x after the plays of this block, from A^-1 x before them."""
        if not self.factors:
            return product
        factors = np.array(self.factors)
        return np.asarray(product - (factors @ x) @ factors)

    def add(self, row: int, factor: Array, outcomes: Array, change: Array) -> None:
        self.rows.append(row)
        self.factors.append(factor)
        self.outcomes.append(outcomes)
        self.coef += change
