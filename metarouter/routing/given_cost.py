"""Costs that somebody has measured: two columns of a table."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError
from metarouter.routing._cost_model import CostModel, per_query_pair

__all__ = ["GivenCost"]


class GivenCost(CostModel):
    """Costs given for each query, in whatever unit the caller keeps to.

    ``cost_primary`` and ``cost_alternative``, both of shape (n,), are handed to
    `ThresholdRouter.predict` and its sisters beside the features; a table of labelled queries
    carries them under the same names.

    See Also
    --------
    TokenCost : Computes both costs from token counts.

    Examples
    --------
    >>> cost = GivenCost()
    >>> cost.extra_cost([[0.1], [0.2]], cost_primary=[3.0, 2.0], cost_alternative=[1.0, 2.5])
    array([ 2. , -0.5])
    """

    query_inputs: ClassVar[tuple[str, ...]] = ("cost_primary", "cost_alternative")

    def _costs(self, X: Any, n: int, **inputs: Any) -> NDArray[np.float64]:
        absent = [name for name in self.query_inputs if name not in inputs]
        if absent:
            raise DataError(
                f"GivenCost needs {' and '.join(absent)}; give one number per query, or use "
                "UnitCost() when costs are not known."
            )
        alternative = per_query_pair("cost_alternative", inputs["cost_alternative"], n)
        primary = per_query_pair("cost_primary", inputs["cost_primary"], n)
        return np.column_stack([alternative[:, 0], primary[:, 1]])
