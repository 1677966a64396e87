"""The normalised cost of the paper: the primary model costs one unit more on every query."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.routing._cost_model import CostModel

__all__ = ["UnitCost"]


class UnitCost(CostModel):
    """One unit for the primary model, nothing for the alternative (Meta-Router, equation 3).

    The mean cost of a router is then its usage ratio, and the trade-off w is the quality gain that
    a query must promise before it is sent to the primary model.

    See Also
    --------
    TokenCost : Prices per token, with latency as a weighted extra.
    GivenCost : Costs that are known for each query.

    Examples
    --------
    >>> UnitCost().extra_cost([[0.1], [0.2]])
    array([1., 1.])
    """

    def _costs(self, X: Any, n: int, **inputs: Any) -> NDArray[np.float64]:
        return np.tile([0.0, 1.0], (n, 1))
