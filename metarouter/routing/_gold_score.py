"""How good a model of the quality gain is, by the labels that count."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import r2_score

from metarouter.exceptions import DataError
from metarouter.utils.validation import validate_gold_weight, validate_labels, validate_source

__all__ = ["GoldScoreMixin"]


class GoldScoreMixin:
    """Score a regressor of the quality gain on gold labels only."""

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return psi-hat, shape (n,)."""
        raise NotImplementedError

    def score(
        self,
        X: Any,
        y: ArrayLike,
        is_gold: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Return R2 of psi-hat on the gold labels among ``y``; preference labels do not count.

        Raises
        ------
        DataError
            If there is no gold label to score against, or the labels, sources or weights are
            malformed.
        """
        labels = validate_labels(y, len(X))
        gold = validate_source(is_gold, len(labels))
        if not gold.any():
            raise DataError(
                f"none of the {len(labels)} labels is gold, so there is nothing to score against; "
                "use splits that keep gold rows in every part (StratifiedKFold on is_gold)."
            )
        weight = validate_gold_weight(sample_weight, gold)
        return float(r2_score(labels[gold], self.predict(X)[gold], sample_weight=weight))
