from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.efficiency_gain import (
    area_by_pairs,
    area_by_trapezoids,
    curve_by_enumeration,
    influence_by_contamination,
)

from metarouter.evaluation import (
    efficiency_gain,
    efficiency_gain_curve,
    total_efficiency,
    usage_ratio,
)
from metarouter.evaluation._efficiency_gain import area_influence, rank_gains
from metarouter.exceptions import DataError

gains = st.floats(-5, 5, allow_nan=False).map(lambda value: round(value, 3))
scores = st.integers(-4, 4).map(float)
queries = st.lists(st.tuples(gains, scores), min_size=1, max_size=30)
few_queries = st.lists(st.tuples(gains, st.integers(0, 2).map(float)), min_size=1, max_size=5)


def columns(rows):
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


@given(few_queries)
@settings(deadline=None, max_examples=50)
def test_curve_is_the_mean_over_all_ways_to_break_ties(rows):
    gain, score = columns(rows)
    curve = efficiency_gain_curve(gain, score, grid=np.linspace(0, 1, len(rows) + 1))
    assert curve.efficiency_gain == pytest.approx(curve_by_enumeration(gain, score), abs=1e-9)
    assert curve.area == pytest.approx(area_by_trapezoids(gain, score), abs=1e-9)


@given(queries)
def test_area_is_the_covariance_of_the_gain_with_the_rank(rows):
    gain, score = columns(rows)
    area = efficiency_gain_curve(gain, score).area
    assert area == pytest.approx(area_by_pairs(gain, score, np.ones(len(rows))), abs=1e-9)


@given(queries)
def test_no_gain_where_nothing_or_everything_is_routed(rows):
    curve = efficiency_gain_curve(*columns(rows))
    assert curve.efficiency_gain[0] == 0
    assert curve.efficiency_gain[-1] == 0


@given(queries)
def test_curve_depends_on_the_order_of_psi_hat_only(rows):
    gain, score = columns(rows)
    plain, transformed = (efficiency_gain_curve(gain, s) for s in (score, np.exp(score / 2) - 7))
    assert transformed.efficiency_gain == pytest.approx(plain.efficiency_gain, abs=1e-12)
    assert transformed.area_se == pytest.approx(plain.area_se, abs=1e-12, nan_ok=True)


@given(queries, st.randoms(use_true_random=False))
def test_curve_does_not_depend_on_the_order_of_the_rows(rows, random):
    shuffled = random.sample(rows, len(rows))
    plain, other = (efficiency_gain_curve(*columns(each)) for each in (rows, shuffled))
    assert other.efficiency_gain == pytest.approx(plain.efficiency_gain, abs=1e-12)
    assert other.area_se == pytest.approx(plain.area_se, abs=1e-12, nan_ok=True)


@given(queries)
def test_no_ranking_beats_the_gains_themselves(rows):
    gain, score = columns(rows)
    best, other = (efficiency_gain_curve(gain, s) for s in (gain, score))
    assert best.area >= other.area - 1e-12
    assert (best.efficiency_gain >= other.efficiency_gain - 1e-12).all()


@given(queries)
def test_reversing_the_ranking_negates_area_and_mirrors_the_curve(rows):
    gain, score = columns(rows)
    forth, back = (efficiency_gain_curve(gain, s) for s in (score, -score))
    assert back.area == pytest.approx(-forth.area, abs=1e-12)
    assert back.efficiency_gain == pytest.approx(-forth.efficiency_gain[::-1], abs=1e-12)


@given(queries, st.floats(-3, 3))
def test_a_constant_gain_for_all_changes_nothing(rows, constant):
    gain, score = columns(rows)
    plain, moved = (efficiency_gain_curve(g, score) for g in (gain, gain + constant))
    assert moved.efficiency_gain == pytest.approx(plain.efficiency_gain, abs=1e-12)


@given(st.lists(st.tuples(gains, scores, st.integers(0, 3)), min_size=1, max_size=12))
def test_whole_number_weights_count_queries_several_times(rows):
    if not any(row[2] for row in rows):
        return
    gain, score, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    weighted = efficiency_gain_curve(gain, score, sample_weight=weight)
    times = weight.astype(int)
    repeated = efficiency_gain_curve(np.repeat(gain, times), np.repeat(score, times))
    assert weighted.efficiency_gain == pytest.approx(repeated.efficiency_gain, abs=1e-9)
    assert weighted.total_efficiency == pytest.approx(repeated.total_efficiency, abs=1e-9)
    assert weighted.area == pytest.approx(repeated.area, abs=1e-9)


@pytest.mark.parametrize("ties", [False, True])
def test_influence_function_is_the_derivative_under_contamination(ties):
    rng = np.random.default_rng(0)
    gain, score, weight = rng.normal(size=25), rng.normal(size=25), rng.uniform(0.2, 2, 25)
    if ties:
        score = score.round()
    share = weight / weight.sum()
    centred = gain - share @ gain
    area, influence = area_influence(centred, rank_gains(centred, score, share), share)
    assert area == pytest.approx(area_by_pairs(gain, score, weight))
    assert influence == pytest.approx(influence_by_contamination(gain, score, weight), abs=1e-4)
    assert share @ influence == pytest.approx(0, abs=1e-12)


def test_standard_error_agrees_with_the_bootstrap():
    rng = np.random.default_rng(1)
    score = rng.normal(size=400).round(1)
    gain = np.sign(score + rng.normal(scale=2, size=400))
    curve = efficiency_gain_curve(gain, score)
    resampled = [
        efficiency_gain_curve(gain[rows], score[rows]).area
        for rows in rng.integers(400, size=(1500, 400))
    ]
    assert curve.area_se == pytest.approx(np.std(resampled), rel=0.08)


def test_copies_of_a_query_in_one_group_add_no_certainty():
    rng = np.random.default_rng(2)
    gain, score = rng.normal(size=60), rng.normal(size=60)
    once = efficiency_gain_curve(gain, score)
    copied = efficiency_gain_curve(
        np.tile(gain, 3), np.tile(score, 3), groups=np.tile(np.arange(60), 3)
    )
    assert copied.area_se == pytest.approx(once.area_se)


def test_decisions_at_a_threshold_lie_on_the_curve():
    rng = np.random.default_rng(3)
    gain, score = rng.normal(size=50), rng.normal(size=50)
    routed = score > 0.3
    usage = usage_ratio(routed)
    curve = efficiency_gain_curve(gain, score, grid=[usage])
    assert usage == routed.mean()
    assert curve.efficiency_gain[0] == pytest.approx(efficiency_gain(gain, routed))
    assert curve.total_efficiency[0] == pytest.approx(total_efficiency(gain, routed))


def test_one_query_has_a_curve_but_no_standard_error():
    curve = efficiency_gain_curve([1.0], [0.0])
    assert curve.area == 0
    assert np.isnan(curve.area_se)


def test_summary_names_area_error_and_best_usage():
    text = efficiency_gain_curve([2.0, 1.0, -1.0, -2.0], [4, 3, 2, 1]).summary()
    assert "0.4375" in text
    assert "usage 0.50" in text


@pytest.mark.parametrize(
    ("gain", "score", "options", "sentence"),
    [
        ([1, 2], [1], {}, "psi_hat has 1 entries but gold_gain has 2"),
        ([1, np.nan], [1, 2], {}, "gold_gain is NaN for 1 of 2 queries"),
        ([1, 2], [1, np.inf], {}, "psi_hat is infinite for 1 of 2 queries"),
        ([], [], {}, "gold_gain is empty"),
        (["a"], [1], {}, "gold_gain holds values that are not numbers"),
        ([[1, 2]], [1], {}, r"gold_gain has shape \(1, 2\)"),
        ([1, 2], [1, 2], {"sample_weight": [-1, 2]}, "sample_weight is negative for 1"),
        ([1, 2], [1, 2], {"sample_weight": [0, 0]}, "positive for 0 of 2"),
        ([1, 2], [1, 2], {"groups": ["a", "a"]}, "groups puts all 2 queries into one group"),
        ([1, 2], [1, 2], {"groups": ["a"]}, "groups has 1 entries but gold_gain has 2"),
        ([1, 2], [1, 2], {"grid": [0.5, 0.2]}, "increasing usage ratios between 0 and 1"),
        ([1, 2], [1, 2], {"grid": [0, 2]}, "grid runs from 0 to 2"),
    ],
)
def test_bad_columns_are_refused_in_one_sentence(gain, score, options, sentence):
    with pytest.raises(DataError, match=sentence) as refusal:
        efficiency_gain_curve(gain, score, **options)
    assert "\n" not in str(refusal.value)


def test_decisions_other_than_yes_or_no_are_refused():
    with pytest.raises(DataError, match="1 of 2 values other than 0 and 1"):
        usage_ratio([0.3, 1])


def test_queries_of_weight_nought_count_for_nothing():
    rng = np.random.default_rng(0)
    gain, score = rng.standard_normal((2, 60))
    weight = np.r_[np.ones(12), np.zeros(48)]
    groups = np.arange(60) // 2
    for grouped in ({}, {"groups": groups}):
        weighted = efficiency_gain_curve(gain, score, sample_weight=weight, **grouped)
        left = {name: values[:12] for name, values in grouped.items()}
        kept = efficiency_gain_curve(gain[:12], score[:12], **left)
        assert weighted.area_se == pytest.approx(kept.area_se, rel=1e-12)
        assert weighted.n == kept.n
    one = efficiency_gain_curve(gain, score, sample_weight=np.r_[1.0, np.zeros(59)])
    assert np.isnan(one.area_se)
