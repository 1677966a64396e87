"""Routers that read texts by their number, with an encoder of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from metarouter.encoding import TfidfEncoder

__all__ = ["NumberedTexts", "lsa"]


class NumberedTexts(BaseEstimator):
    """A router whose one feature is the number of a text, with an encoder of its own.

    The encoder is fitted on the texts that the router learns from and on no other.

    Parameters
    ----------
    router : router
    encoder : transformer
    texts : sequence of str
    arms, cost_cap, random_state
        Handed to the router.
    """

    def __init__(
        self,
        router: Any,
        encoder: Any,
        texts: Sequence[str],
        *,
        arms: Any = None,
        cost_cap: float | None = None,
        random_state: int | None = None,
    ) -> None:
        self.router = router
        self.encoder = encoder
        self.texts = texts
        self.arms = arms
        self.cost_cap = cost_cap
        self.random_state = random_state

    def fit(self, X: NDArray[np.float64], quality: Any, cost: Any = None) -> Self:
        """Fit the encoder, then the router on what it makes of the texts."""
        learned = [self.texts[int(number)] for number in X[:, 0]]
        self.encoder_ = clone(self.encoder).fit(learned)
        self.vectors_ = np.asarray(self.encoder_.transform(self.texts), dtype=np.float64)
        own = {name: getattr(self, name) for name in ("arms", "cost_cap", "random_state")}
        self.router_ = clone(self.router).set_params(**own)
        self.router_.fit(self._encoded(X), quality, cost)
        self.n_revealed_ = self.router_.n_revealed_
        return self

    def predict(self, X: NDArray[np.float64], preference: Any = None) -> NDArray[Any]:
        """Return the router's choices for some texts."""
        return self.router_.predict(self._encoded(X), preference)

    def _encoded(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.vectors_[X[:, 0].astype(np.intp)]


def lsa() -> TfidfEncoder:
    """Return word weights reduced to as many components as MiniLM has."""
    return TfidfEncoder(384, min_df=2, random_state=0)
