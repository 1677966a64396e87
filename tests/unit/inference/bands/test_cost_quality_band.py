"""Cost and quality of a router over its dial, with joint limits."""

from __future__ import annotations

import numpy as np
import pytest

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference import cost_quality_band


def queries(n=400, seed=0):
    rng = np.random.default_rng(seed)
    score = rng.standard_normal(n)
    return {
        "gold_gain": 0.3 + score + rng.standard_normal(n),
        "psi_hat": score,
        "cost": np.exp(0.5 * score) * rng.uniform(0.5, 1.5, n),
        "alternative_quality": rng.standard_normal(n),
        "alternative_cost": rng.uniform(0.1, 0.2, n),
    }


METHODS = pytest.mark.parametrize("method", ["half_sample", "influence"])


def test_values_at_thresholds_are_means_over_the_queries():
    data = queries()
    band = cost_quality_band(**data, thresholds=[0.5, -0.5])
    for point, threshold in enumerate((0.5, -0.5)):
        sent = data["psi_hat"] >= threshold
        quality = np.mean(data["alternative_quality"] + sent * data["gold_gain"])
        cost = np.mean(data["alternative_cost"] + sent * data["cost"])
        assert band.quality[point] == pytest.approx(quality)
        assert band.cost[point] == pytest.approx(cost)
        assert band.usage[point] == pytest.approx(sent.mean())


def test_influence_errors_at_thresholds_are_those_of_means():
    data = queries()
    band = cost_quality_band(**data, thresholds=[0.0], method="influence")
    sent = data["psi_hat"] >= 0.0
    root_n = np.sqrt(sent.size)
    quality = data["alternative_quality"] + sent * data["gold_gain"]
    cost = data["alternative_cost"] + sent * data["cost"]
    assert band.quality_se[0] == pytest.approx(quality.std(ddof=1) / root_n)
    assert band.cost_se[0] == pytest.approx(cost.std(ddof=1) / root_n)


@METHODS
def test_advantage_is_nothing_at_both_ends(method):
    band = cost_quality_band(**queries(), method=method)
    assert band.advantage[[0, -1]] == pytest.approx(0, abs=1e-12)
    assert band.advantage_se[[0, -1]] == pytest.approx(0, abs=1e-9)
    assert band.ends[0] == pytest.approx(band.cost[0])
    assert band.ends[3] == pytest.approx(band.quality[-1])


def test_equal_costs_leave_the_efficiency_gain():
    data = queries() | {"cost": np.full(400, 2.0)}
    band = cost_quality_band(**data, grid=[0.25, 0.5, 0.75])
    total = data["gold_gain"].mean()
    gained = band.quality - data["alternative_quality"].mean()
    assert band.advantage == pytest.approx(gained - band.usage * total, abs=1e-12)


def test_halves_and_influence_function_agree():
    data = queries(2000)
    halves, influence = (
        cost_quality_band(**data, grid=[0.2, 0.5, 0.8], method=method, n_draws=2000)
        for method in ("half_sample", "influence")
    )
    assert halves.quality_se == pytest.approx(influence.quality_se, rel=0.15)
    assert halves.cost_se == pytest.approx(influence.cost_se, rel=0.15)
    assert halves.advantage_se == pytest.approx(influence.advantage_se, rel=0.15)


@METHODS
def test_limits_reach_as_far_as_the_joint_critical_value(method):
    band = cost_quality_band(**queries(), method=method)
    for low, value, high, se in (
        (band.quality_lower, band.quality, band.quality_upper, band.quality_se),
        (band.cost_lower, band.cost, band.cost_upper, band.cost_se),
    ):
        assert (value - low >= band.critical * se - 1e-12).all()
        assert (high - value >= band.critical * se - 1e-12).all()
    # Costs have a long tail to the right: their upper limits reach further.
    assert (band.cost_upper - band.cost)[50] > (band.cost - band.cost_lower)[50] + 1e-4


def test_same_seed_gives_the_same_band():
    one, two = (cost_quality_band(**queries(), random_state=7) for _ in range(2))
    assert (one.cost_upper == two.cost_upper).all()


def test_too_few_queries_give_no_limits_and_say_how_many_would_do():
    few = cost_quality_band(**queries(12))
    assert np.isnan(few.cost_lower).all()
    assert np.isnan(few.advantage_band_lower).all()
    assert np.isfinite(few.cost).all()
    assert (str(few.verdict), few.needed) == ("INCONCLUSIVE", 30)


def test_a_primary_model_that_saves_money_is_refused():
    with pytest.raises(DataError, match="does not cost more"):
        cost_quality_band(**queries() | {"cost": np.full(400, -1.0)})
    with pytest.raises(DataError, match="cost has 2 entries"):
        cost_quality_band(**queries() | {"cost": [1.0, 2.0]})
    with pytest.raises(MetaRouterError, match="both given"):
        cost_quality_band(**queries(), grid=[0.5], thresholds=[0.0])


def test_band_prints_and_draws():
    band = cost_quality_band(**queries())
    assert len(band.summary().splitlines()) < 40
    assert band.to_markdown().startswith("| usage")
    assert r"\toprule" in band.to_latex()
    assert band.to_frame().shape[0] == band.usage.size
    assert "cost" in band.plot().get_xlabel()
