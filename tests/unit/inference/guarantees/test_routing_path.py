from __future__ import annotations

import numpy as np
import pytest
from oracles.guarantees import hoeffding_bentkus as naive_hoeffding_bentkus
from oracles.guarantees import mean_and_error, skew_t, third_cumulant

from metarouter.inference.guarantees._testing import (
    hoeffding_bentkus,
    routing_path,
    running_moments,
    student,
)
from metarouter.routing.threshold_router import decision


@pytest.mark.parametrize("seed", range(3))
def test_means_and_errors_along_a_path_are_those_of_every_routing(seed):
    rng = np.random.default_rng(seed)
    n = 120
    psi_hat, extra = rng.normal(size=n).round(1) + 0.05, rng.normal(1, 0.7, n).round(1)
    base, move, weight = rng.normal(size=n), rng.normal(size=n), rng.random(n)
    groups = rng.integers(0, 25, n)
    path = routing_path(psi_hat, extra)
    clustered = running_moments(path, base, move, weight / weight.sum(), groups)
    single = running_moments(path, base, move, weight / weight.sum(), None)
    for k, w in enumerate(path.w):
        sent = decision(psi_hat, extra, w) > 0
        assert (path.sent_at(k) == sent).all()
        value = base + sent * move
        mean, error = mean_and_error(value, weight, groups)
        assert clustered.mean[k] == pytest.approx(mean, abs=1e-12)
        assert clustered.variance[k] == pytest.approx(error**2, abs=1e-14)
        third = third_cumulant(value, weight, groups)
        assert clustered.third[k] == pytest.approx(third, rel=1e-9, abs=1e-13)
        error = mean_and_error(value, weight, np.arange(n))[1]
        assert single.variance[k] == pytest.approx(error**2, abs=1e-14)
        third = third_cumulant(value, weight, np.arange(n))
        assert single.third[k] == pytest.approx(third, rel=1e-9, abs=1e-13)


def test_skewness_raises_p_values_and_never_lowers_them():
    mean, se = np.array([-2.0, -1.3, 0.5, 0.0]), np.array([1.0, 1.0, 1.0, 0.0])
    plain = student(mean, se, 30, np.zeros(4))
    for g in (-0.5, -0.1, 0.1, 0.5):
        skewed = student(mean, se, 30, np.full(4, g))
        assert (skewed >= plain).all()
        expected = [skew_t(m, 1.0, g, 30) for m in mean[:3]]
        np.testing.assert_allclose(skewed[:3], expected, rtol=1e-12)
    assert (student(mean, se, 30, np.full(4, 0.5))[:2] > 1.2 * plain[:2]).all()
    np.testing.assert_array_equal(skewed[3], plain[3])


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("limit", [0.05, 0.3, 0.9])
def test_hoeffding_bentkus_is_the_formula_of_the_paper_and_of_mapie(limit, binary):
    from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value

    for count in range(0, 60, 7):
        values = np.r_[np.ones(count), np.zeros(60 - count)]
        ours = hoeffding_bentkus(values.mean(), 60, limit, binary=binary)
        assert ours == pytest.approx(naive_hoeffding_bentkus(values, limit, binary=binary))
        shaved = np.array([values.mean() * (1 - 1e-12)])
        theirs = compute_hoeffding_bentkus_p_value(shaved, 60, limit, binary=binary)[0, 0]
        assert ours == pytest.approx(min(1.0, theirs), rel=1e-6)


def test_a_p_value_below_delta_is_as_rare_as_delta_says():
    rng = np.random.default_rng(0)
    counts = rng.binomial(200, 0.3, 20_000)
    for binary in (True, False):
        p_value = hoeffding_bentkus(counts / 200, 200, 0.3, binary=binary)
        assert np.mean(p_value <= 0.1) <= 0.1
