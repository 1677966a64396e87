"""The largest arm for every query."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bandits.full_information._by_size import BySize

__all__ = ["Largest"]


class Largest(BySize):
    """Call the largest arm, whatever the query and the preference (BaRP, section 3.2).

    Parameters
    ----------
    sizes : dict of arm to float, optional
        Size or price of every arm, in any unit. By default the mean cost in the logs, so that the
        largest is that with the largest mean cost.
    arms, cost_cap, latency_cap, random_state
        As in `FullInformationRouter`.

    See Also
    --------
    bandits.Constant : One arm that is named.

    Examples
    --------
    >>> router = Largest({"large": 70, "small": 7}, arms=("large", "small"))
    >>> router.fit(np.eye(2), np.eye(2)).predict(np.eye(2)).tolist()
    ['large', 'large']
    """

    def _position(self, sizes: NDArray[np.float64]) -> int:
        return int(sizes.argmax())
