"""Variance-aware contextual dueling bandit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bandits.dueling._regression import BradleyTerry
from bandits.dueling.base import Array, DuelingRouter, Duels
from metarouter.utils.parameters import number, whole

__all__ = ["VACDB"]


@dataclass(eq=False, repr=False, match_args=False)
class VACDB(DuelingRouter):
    """Layers of ever surer estimates, each fed by the duels that it still needs (Di et al. 2024).

    Layer l keeps V_l = 2^(-2 l) I + sum w^2 z z' and the weighted Bradley-Terry fit of its duels,
    with w = 2^(-l) / |z| in the metric of V_l^{-1}. For a query, layers are gone through from the
    first, with the arms A_1 = all:

    1. If some pair of A_l has |phi_i - phi_j| > 2^(-l), such a pair is called (all alike) and its
       duel goes to layer l.
    2. Else arms with u_i < max u - width 2^(-l) are dropped, and the next layer follows.
    3. In the last layer the pair with the largest u_i + u_j + width |phi_i - phi_j| is called, and
       its duel goes there.

    The paper has log2(T^(3/2)) layers and radii that hold in proofs; `n_layers` and `width` are
    ours.

    Parameters
    ----------
    width : float, default=0.5
    n_layers : int, default=4
    prior_variance : float, default=1.0
        Of every coefficient in the first layer.
    embeddings, arms, cost, cost_cap, random_state
        As in `DuelingRouter`.

    References
    ----------
    .. [1] Di, Jin, Wu, Zhao, Farnoud & Gu (2024), Variance-aware regret bounds for stochastic
       contextual dueling bandits, arXiv:2310.00968, algorithm 1.

    Examples
    --------
    >>> router = VACDB(np.eye(2), random_state=0)
    >>> router.pair_probabilities([[1.0, 1.0]]).tolist()
    [[[0.0, 0.5], [0.5, 0.0]]]
    """

    width: float = 0.5
    n_layers: int = 4
    prior_variance: float = 1.0

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "width": [number(at_least=0)],
        "n_layers": [whole()],
        "prior_variance": [number(above=0)],
    }

    def _start(self) -> None:
        self._layers = [
            BradleyTerry(self.n_features_in_, 4.0**-layer * 4.0 / self.prior_variance)
            for layer in range(self.n_layers)
        ]

    def _learn(self, duels: Duels) -> None:
        arms = self._scaled_arms
        for x, z, target in zip(duels.X, duels.difference, duels.target, strict=True):
            layer, _, _ = self._descend(x * arms, None)
            regression = self._layers[layer]
            length = float(regression.lengths(z[None])[0])
            if length > 0:  # an arm that meets itself teaches nothing
                weight = min(1.0, 2.0 ** -(layer + 1) / length)
                regression.add(z, float(target), weight)

    def _utilities(self, X: Array) -> Array:
        """Return the utilities of the deepest layer that has seen a duel."""
        seen = [layer for layer in self._layers if layer.n_rows] or self._layers
        return np.asarray((X * seen[-1].coef) @ self._scaled_arms.T)

    def _pair_table(self, X: Array, weights: Array) -> Array:
        arms, rows = self._scaled_arms, np.broadcast_to(weights, (len(X), weights.shape[-1]))
        return np.array([self._table_of(x * arms, w) for x, w in zip(X, rows, strict=True)])

    def _table_of(self, features: Array, weights: Array) -> Array:
        layer, alive, unsure = self._descend(features, weights)
        if unsure.any():
            return np.asarray(unsure / unsure.sum())
        regression = self._layers[layer]
        scores = self._dial((features @ regression.coef)[None], weights)[0]
        value = scores[:, None] + scores[None, :] + self.width * regression.widths(features)
        value[~(alive[:, None] & alive[None, :])] = -np.inf
        tied = value >= value.max() - 1e-12
        return np.asarray(tied / tied.sum())

    def _descend(self, features: Array, weights: Array | None) -> tuple[int, Any, Any]:
        """Return the layer, the arms that are left, and the pairs that it is unsure of."""
        alive = np.ones(len(features), dtype=bool)
        for layer, regression in enumerate(self._layers):
            reach = 2.0 ** -(layer + 1)
            pairs = alive[:, None] & alive[None, :]
            unsure = pairs & (regression.widths(features) > reach)
            if unsure.any() or layer == self.n_layers - 1:
                return layer, alive, unsure
            scores = features @ regression.coef
            if weights is not None:
                scores = self._dial(scores[None], weights)[0]
            alive = alive & (scores >= scores[alive].max() - self.width * reach)
        raise AssertionError("there is at least one layer")

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            f"layer{k}_{name}": values
            for k, layer in enumerate(self._layers)
            for name, values in layer.arrays().items()
        }

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        for k, layer in enumerate(self._layers):
            start = f"layer{k}_"
            layer.set_arrays(
                {
                    name.removeprefix(start): a
                    for name, a in arrays.items()
                    if name.startswith(start)
                }
            )
