"""Certificates where gains are rare and large: the worlds that broke them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from metarouter.inference import certify_predictions

DELTA = 0.1


def jackpots(rng, n, chance=0.02, size=5.0):
    psi_hat = rng.standard_normal(n)
    noise = 0.1 * rng.standard_normal(n)
    return psi_hat, 0.3 * psi_hat + noise + size * (rng.random(n) < chance)


def loss_at(w):
    """E[(1 - D) o] with o = 0.3 psi + 0.1 on average, D = 1 where psi exceeds w."""
    return -0.3 * norm.pdf(w) + 0.1 * norm.cdf(w)


@pytest.mark.parametrize("n", [200, 500])
def test_rare_jackpots_do_not_break_certificates_more_often_than_delta(n):
    found = [
        certify_predictions(*jackpots(np.random.default_rng([r, n]), n), max_loss=0.05)
        for r in range(100)
    ]
    broken = [np.isfinite(one.w) and loss_at(one.w) > 0.05 for one in found]
    assert np.mean(broken) <= DELTA + 3 * np.sqrt(DELTA * (1 - DELTA) / 100)
    if n == 500:  # and it is not by certifying nothing
        assert np.mean([np.isfinite(one.w) for one in found]) > 0.9


def test_labels_that_are_all_alike_certify_nothing_without_bounds():
    psi_hat = np.random.default_rng(0).standard_normal(100)
    open_one = certify_predictions(psi_hat, np.ones(100), min_gain=0.2)
    assert str(open_one.verdict) == "INCONCLUSIVE"
    assert "gain_bounds" in open_one.reason
    bounded = certify_predictions(psi_hat, np.ones(100), min_gain=0.2, gain_bounds=(-1, 1))
    assert str(bounded.verdict) == "PASS"


def test_a_few_jackpots_leave_the_question_open():
    rng = np.random.default_rng(3)
    psi_hat, gain = jackpots(rng, 200, chance=0.0)
    gain[:2] += 5.0
    found = certify_predictions(psi_hat, gain, max_loss=0.05)
    assert str(found.verdict) == "INCONCLUSIVE"
    assert "rare and large" in found.reason
