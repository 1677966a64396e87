from __future__ import annotations

import numpy as np
import pytest

from metarouter.datasets import make_nie_wager
from metarouter.exceptions import DataError


@pytest.mark.parametrize("setup", "ABCD")
def test_labels_follow_psi_eta_and_the_propensity(setup: str) -> None:
    data = make_nie_wager(setup, n=100_000, random_state=0)
    truth, is_gold = data.truth, data.has_gold
    assert data.n_paired == 0
    assert (data.has_gold | data.has_preference).all()
    error = np.where(is_gold, data.gold - truth.psi, data.preference - truth.eta)
    assert abs(error.mean()) < 4 / np.sqrt(error.size)
    assert error.std() == pytest.approx(1.0, abs=0.02)
    z = (is_gold - truth.propensity).sum() / np.sqrt(
        (truth.propensity * (1 - truth.propensity)).sum()
    )
    assert abs(z) < 4
    np.testing.assert_allclose(truth.psi - truth.eta, truth.delta, atol=1e-12)


def test_the_formulas_by_hand() -> None:
    for setup in "ABCD":
        data = make_nie_wager(setup, n=50, random_state=1)
        x1, x2, x3, x4, x5 = data.X[:, :5].T
        wave = np.sin(np.pi * x1 * x2)
        baseline, propensity, effect = {
            "A": (
                wave + 2 * (x3 - 0.5) ** 2 + x4 + 0.5 * x5,
                np.maximum(0.1, np.minimum(wave, 0.9)),
                (x1 + x2) / 2,
            ),
            "B": (
                np.max([0 * x1, x1 + x2, x3], axis=0) + np.maximum(0, x4 + x5),
                0.5 + 0 * x1,
                x1 + np.log(1 + np.exp(x2)),
            ),
            "C": (2 * np.log(1 + np.exp(x1 + x2 + x3)), 1 / (1 + np.exp(x2 + x3)), 1 + 0 * x1),
            "D": (
                (np.maximum(x1 + x2 + x3, 0) + np.maximum(x4 + x5, 0)) / 2,
                1 / (1 + np.exp(-x1) + np.exp(-x2)),
                np.maximum(x1 + x2 + x3, 0) - np.maximum(x4 + x5, 0),
            ),
        }[setup]
        np.testing.assert_allclose(data.truth.psi, baseline + effect / 2)
        np.testing.assert_allclose(data.truth.delta, effect)
        np.testing.assert_allclose(data.truth.propensity, propensity)


def test_features_are_uniform_in_set_up_a_only() -> None:
    assert make_nie_wager("A", random_state=0).X.min() >= 0
    assert make_nie_wager("B", random_state=0).X.min() < -1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("E",), "There is no set-up 'E'"),
        (("A", 0), "n is 0"),
        (("A", 10, 4), "d is 4"),
        (("A", 10, 6, -1.0), "sigma is -1.0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_nie_wager(*arguments)
