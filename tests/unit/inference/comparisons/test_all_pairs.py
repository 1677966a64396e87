"""All pairs of routers, adjusted for their number."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.bands import stepdown_by_hand

from metarouter.evaluation import compare_routers
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference import compare_all_pairs, rank_weighted_effects
from metarouter.inference.comparisons._router_comparisons import stepdown_p_values


def routers(n=500, seed=0):
    rng = np.random.default_rng(seed)
    signal, noise = rng.standard_normal(n), rng.standard_normal((4, n))
    scores = {"near": signal + 0.5 * noise[0], "far": signal + 2 * noise[1], "blind": noise[2]}
    return signal + noise[3], scores


METHODS = pytest.mark.parametrize("method", ["half_sample", "influence"])


@METHODS
def test_values_are_those_of_each_router_alone(method):
    gain, scores = routers()
    pairs = compare_all_pairs(gain, scores, method=method)
    alone = {name: rank_weighted_effects(gain, score) for name, score in scores.items()}
    for name, value, se in zip(pairs.routers, pairs.value, pairs.se, strict=True):
        assert value == pytest.approx(alone[name].value[0], abs=1e-12)
        assert se == pytest.approx(alone[name].se[0], rel=0.1)


def test_differences_and_errors_are_the_paired_ones_of_the_evaluation():
    gain, scores = routers()
    pairs = compare_all_pairs(gain, scores)
    for first, second, difference, se in zip(
        pairs.first, pairs.second, pairs.difference, pairs.difference_se, strict=True
    ):
        both = {name: scores[name] for name in (first, second)}
        frame = compare_routers(gain, both, reference=second).to_frame().set_index("router")
        assert difference == pytest.approx(frame.loc[first, "difference"], abs=1e-9)
        assert se == pytest.approx(frame.loc[first, "difference_se"], rel=0.02)


def test_limits_of_all_pairs_are_wider_than_of_one():
    pairs = compare_all_pairs(*routers())
    assert 1.96 < pairs.critical < 2.6
    width = pairs.difference_upper - pairs.difference_lower
    assert width == pytest.approx(2 * pairs.critical * pairs.difference_se)


def test_adjusted_p_values_are_ordered():
    pairs = compare_all_pairs(*routers(200))
    assert (pairs.p_value <= pairs.p_value_stepdown + 0.02).all()
    assert (pairs.p_value_stepdown <= pairs.p_value_max_t).all()


def test_step_down_is_romano_and_wolf_s():
    rng = np.random.default_rng(0)
    drawn = np.abs(rng.standard_normal((200, 4)) + rng.standard_normal((200, 1)))
    statistic = np.array([3.0, 0.5, 2.0, 2.4])
    assert stepdown_p_values(statistic, drawn) == pytest.approx(stepdown_by_hand(statistic, drawn))


def test_a_router_and_its_twin_are_not_told_apart():
    gain, scores = routers()
    pairs = compare_all_pairs(gain, {"one": scores["near"], "two": np.exp(scores["near"])})
    assert pairs.difference[0] == pytest.approx(0, abs=1e-12)
    assert pairs.p_value[0] == 1.0
    assert set(pairs.not_beaten) == {"one", "two"}
    assert str(pairs.verdict) == "INCONCLUSIVE"


def test_best_router_is_named():
    pairs = compare_all_pairs(*routers(2000))
    assert pairs.not_beaten == ("near",)
    assert (str(pairs.verdict), pairs.reason) == ("PASS", "near beats all others.")


def test_efficiency_gain_at_one_usage_can_be_compared():
    gain, scores = routers(2000)
    pairs = compare_all_pairs(gain, scores, usage=0.3)
    assert pairs.difference[0] > 0
    assert "0.3" in pairs.what or "30" in pairs.what


def test_too_few_queries_give_no_limits():
    gain, scores = routers(12)
    few = compare_all_pairs(gain, scores)
    assert np.isnan(few.difference_lower).all()
    assert (str(few.verdict), few.needed) == ("INCONCLUSIVE", 30)


def test_bad_input_names_the_router():
    gain, scores = routers(50)
    with pytest.raises(DataError, match="far"):
        compare_all_pairs(gain, scores | {"far": scores["far"][:-1]})
    with pytest.raises(MetaRouterError, match="two"):
        compare_all_pairs(gain, {"near": scores["near"]})
    with pytest.raises(MetaRouterError, match="effect"):
        compare_all_pairs(gain, scores, effect="profit")


def test_result_prints_and_draws():
    pairs = compare_all_pairs(*routers())
    assert "near" in pairs.summary()
    assert r"\toprule" in pairs.to_latex()
    assert pairs.to_frame().shape[0] == 3
    assert pairs.plot() is not None
