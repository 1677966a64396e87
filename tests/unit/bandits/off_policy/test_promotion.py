"""A challenger is promoted where it is better, and hardly ever where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from bandits.off_policy import LoggedFeedback, promotion
from metarouter.exceptions import DataError

ALWAYS = np.eye(2)


def _log(n: int, seed: int, lift: float, adaptive: bool = False) -> LoggedFeedback:
    rng = np.random.default_rng(seed)
    chance = np.where(rng.random(n) < 0.5, 0.2, 0.8)  # of arm 1
    action = (rng.random(n) < chance).astype(int)
    propensity = np.where(action == 1, chance, 1 - chance)
    reward = (rng.random(n) < 0.4 + lift * action).astype(float)
    return LoggedFeedback(
        np.ones((n, 1)), action, propensity, reward, arms=(0, 1), adaptive=adaptive,
        least_propensity=0.19,
    )  # fmt: skip


def _of(arm: int, n: int) -> np.ndarray:
    return np.tile(ALWAYS[arm], (n, 1))


def test_the_difference_is_that_of_the_two_values() -> None:
    found = promotion(_log(20_000, 0, 0.3), _of(1, 20_000), _of(0, 20_000))
    assert abs(found.difference - 0.3) < 4 * found.se
    assert found.lower < 0.3 < found.upper
    assert found.decision == "promote"
    assert found.decided_at is not None
    assert found.rows[-1] == 20_000


def test_roles_that_are_swapped_swap_the_decision() -> None:
    log = _log(8000, 1, 0.3)
    there = promotion(log, _of(1, 8000), _of(0, 8000))
    back = promotion(log, _of(0, 8000), _of(1, 8000))
    assert (there.decision, back.decision) == ("promote", "keep")
    assert there.lower == pytest.approx(-back.upper)


def test_equal_policies_are_hardly_ever_told_apart() -> None:
    # 60 streams at level .9, looked at after every row: 6 wrong decisions are allowed on average.
    wrong = sum(
        promotion(_log(400, seed, 0.0), _of(1, 400), _of(0, 400), level=0.9).decided_at is not None
        for seed in range(60)
    )
    assert wrong <= 6


def test_a_log_that_was_learned_from_needs_an_incumbent() -> None:
    log = _log(500, 2, 0.3, adaptive=True)
    with pytest.raises(DataError, match="name the incumbent"):
        promotion(log, _of(1, 500))
    assert promotion(log, _of(1, 500), _of(0, 500)).decision in ("promote", "wait")
