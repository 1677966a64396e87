"""What a generator knows about the labels it has drawn."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError

__all__ = ["Truth"]


@dataclass(frozen=True)
class Truth:
    """The functions behind simulated labels, at the simulated queries.

    `psi`, `eta` and `delta` share one unit: that of the preference labels. Gold labels are
    brought to it by the factor `gold_scale`, so that ``E(gold_scale * gold | s) = psi(s)``,
    ``E(preference | s) = eta(s)`` and ``delta = psi - eta`` (Meta-Router, equations 1 and 2 and
    Remark 1).

    Parameters
    ----------
    psi : ndarray of shape (n_queries,)
        Expected gold gain of each query, times `gold_scale`.
    eta : ndarray of shape (n_queries,)
        Expected preference gain of each query.
    delta : ndarray of shape (n_queries,)
        The shift ``psi - eta``: what to add to a preference label.
    propensity : ndarray of shape (n_queries,)
        Share of gold labels among the labels that stand at a query, P(gold | s). It is the
        propensity of the rows that `LabelledQueries.training_rows` gives: 0.5 where every
        query carries both labels.
    gold_scale : float, default=1.0
        The factor c > 0 of Remark 1. It is 1 where both kinds of labels come in one unit, and
        the ratio sd(preference) / sd(gold) where they do not.
    """

    psi: NDArray[np.float64]
    eta: NDArray[np.float64]
    delta: NDArray[np.float64]
    propensity: NDArray[np.float64]
    gold_scale: float = 1.0

    def __post_init__(self) -> None:
        shapes = {f.name: getattr(self, f.name).shape for f in fields(self)[:4]}
        if len(set(shapes.values())) != 1:
            raise DataError(f"The arrays of a truth must have one shape, but they have {shapes}.")

    @property
    def gold_psi(self) -> NDArray[np.float64]:
        """Expected gain in the units of the gold labels: what `MetaRouter.predict` estimates."""
        return self.psi / self.gold_scale

    def subset(self, rows: NDArray[np.intp]) -> Truth:
        """Return the truth at the queries `rows`."""
        return Truth(
            psi=self.psi[rows],
            eta=self.eta[rows],
            delta=self.delta[rows],
            propensity=self.propensity[rows],
            gold_scale=self.gold_scale,
        )
