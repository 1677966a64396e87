from __future__ import annotations

import numpy as np
import pytest

from metarouter.datasets import PairedComparisons, make_model_comparisons
from metarouter.inference import model_leaderboard

pytestmark = pytest.mark.slow

ROUNDS = 400


def test_intervals_of_a_leaderboard_cover_mean_scores_at_their_level() -> None:
    single, together = [], []
    for seed in range(ROUNDS):
        data = make_model_comparisons(150, 600, 4, 3, random_state=seed)
        # Features have mean 0: the mean score over all possible queries is the level.
        truth = levels(data)
        board = model_leaderboard(data, cv=3, random_state=0)
        single.append((board.lower[0] <= truth) & (truth <= board.upper[0]))
        low, high = board.simultaneous_lower[0], board.simultaneous_upper[0]
        together.append(bool(((low <= truth) & (truth <= high)).all()))
    error = np.sqrt(0.95 * 0.05 / ROUNDS)
    assert np.mean(single) == pytest.approx(0.95, abs=3 * error)
    assert np.mean(together) == pytest.approx(0.95, abs=3 * error)


def levels(data: PairedComparisons) -> np.ndarray:
    """Return the levels of the scores, from the regression of exact scores on the features."""
    design = np.column_stack([np.ones(data.n_queries), data.X])
    level = np.linalg.lstsq(design, data.scores, rcond=None)[0][0]
    return np.asarray(level - level.mean())
