"""AUTOC, Qini coefficient and area: closed forms, identities, intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.bands import (
    autoc_as_grf,
    autoc_by_ranks,
    effect_by_quadrature,
    influence_by_contamination,
)
from ranked_queries import queries
from scipy.special import ndtri
from scipy.stats import norm

from metarouter.evaluation import efficiency_gain_curve
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference import ScoredQueries, rank_weighted_effects
from metarouter.inference.bands import rank_weighted_influence


def whole_population(gained):
    """Queries that make up a population with the Qini curve `gained`, sorted from the top.

    Blocks of usage that narrow towards both ends, one query each, weighted by the width; the gain
    of a block is its mean. The curve is then exact at the edges of all blocks.
    """
    fine = np.geomspace(1e-12, 0.01, 4000)
    edges = np.concatenate(
        [[0.0], fine, np.linspace(0.01, 0.99, 20_001)[1:-1], 1 - fine[::-1], [1]]
    )
    width = np.diff(edges)
    return np.diff(gained(edges)) / width, -np.arange(width.size), width


def triangle(t):
    """Integral from 0 to u of max(2 / t - 2 x / t^2, 0), the gain of Yadlowsky et al. 2025."""
    return lambda u: 2 * np.minimum(u, t) / t - (np.minimum(u, t) / t) ** 2


@pytest.mark.parametrize("t", [1.0, 0.5, 0.1])
def test_triangle_has_its_closed_forms(t):
    gain, score, weight = whole_population(triangle(t))
    effects = rank_weighted_effects(gain, score, sample_weight=weight)
    qini = 0.5 - t / 3
    expected = {"area": qini, "autoc": 0.5 - np.log(t), "qini_scaled": np.sqrt(12) * qini}
    for name, value in zip(effects.effects, effects.value, strict=True):
        assert value == pytest.approx(expected[name], abs=1e-6)


def test_gaussian_score_has_its_closed_forms():
    gain, score, weight = whole_population(lambda u: norm.pdf(ndtri(u)))
    effects = rank_weighted_effects(gain, score, sample_weight=weight)
    known = dict(zip(effects.effects, effects.value, strict=True))
    assert known["autoc"] == pytest.approx(0.9031973, abs=1e-6)
    assert known["area"] == pytest.approx(1 / (2 * np.sqrt(np.pi)), abs=1e-6)
    # The mean of TOC(u) / u, renormalised, which some packages call AUTOC, is 1.99.
    assert known["autoc"] < 1


def test_area_and_its_error_are_those_of_the_evaluation():
    gain, score = queries(ties=True)
    effects, curve = rank_weighted_effects(gain, score), efficiency_gain_curve(gain, score)
    assert effects.value[0] == pytest.approx(curve.area, abs=1e-12)
    assert effects.se[0] == pytest.approx(curve.area_se, rel=0.01)


@pytest.mark.parametrize("ties", [False, True])
def test_average_over_queries_is_that_of_grf(ties):
    gain, score = queries(80, ties=ties)
    effects = rank_weighted_effects(gain, score, average="queries")
    assert effects.value[1] == pytest.approx(autoc_as_grf(gain, score), abs=1e-10)
    if not ties:
        assert effects.value[1] == pytest.approx(autoc_by_ranks(gain, score), abs=1e-10)


@given(
    rows=st.lists(
        st.tuples(
            st.floats(-5, 5).map(lambda value: round(value, 3)),
            st.integers(-3, 3).map(float),
            st.sampled_from([0.5, 1.0, 2.0]),
        ),
        min_size=2,
        max_size=15,
    )
)
@settings(deadline=None, max_examples=15)
def test_effects_are_integrals_of_the_toc(rows):
    gain, score, weight = (np.array(column) for column in zip(*rows, strict=True))
    effects = rank_weighted_effects(gain, score, sample_weight=weight)
    for k, of_toc in enumerate((lambda u: u, np.ones_like)):
        expected = effect_by_quadrature(gain, score, weight, of_toc, n_points=40_000)
        assert effects.value[k] == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("ties", [False, True])
def test_influence_is_the_derivative_by_the_weights(ties):
    gain, score = queries(25, ties=ties)
    weight = np.random.default_rng(3).uniform(0.5, 2, gain.size)
    held = ScoredQueries(gain, score, sample_weight=weight)
    influence_values = rank_weighted_influence(held)
    for k in range(3):

        def effect(mass, k=k):
            return rank_weighted_effects(gain, score, sample_weight=mass).value[k]

        expected = influence_by_contamination(effect, weight)[held.order]
        assert influence_values[:, k] / held.share == pytest.approx(expected, abs=1e-4)


def test_only_the_order_of_the_scores_matters():
    gain, score = queries()
    one, two = rank_weighted_effects(gain, score), rank_weighted_effects(gain, np.exp(3 * score))
    assert one.value == pytest.approx(two.value, abs=1e-12)


def test_halves_and_influence_function_agree():
    gain, score = queries(2000)
    one = rank_weighted_effects(gain, score)
    two = rank_weighted_effects(gain, score, method="half_sample", n_draws=2000)
    assert two.se == pytest.approx(one.se, rel=0.1)


def test_p_values_are_two_sided():
    gain, score = queries()
    better, worse = rank_weighted_effects(gain, score), rank_weighted_effects(gain, -score)
    assert better.p_value == pytest.approx(worse.p_value, rel=1e-6)
    assert (str(better.verdict), str(worse.verdict)) == ("PASS", "FAIL")


def test_queries_that_stand_twice_in_one_group_count_once():
    gain, score = queries(100)
    one = rank_weighted_effects(gain, score, method="influence")
    two = rank_weighted_effects(
        np.tile(gain, 2),
        np.tile(score, 2),
        groups=np.tile(np.arange(100), 2),
        method="influence",
    )
    assert two.value == pytest.approx(one.value, abs=1e-10)
    assert two.se == pytest.approx(one.se, rel=1e-6)


def test_too_few_queries_give_no_interval_and_say_how_many_would_do():
    few = rank_weighted_effects(*queries(12))
    assert np.isnan(few.se).all()
    assert (str(few.verdict), few.needed) == ("INCONCLUSIVE", 30)
    assert np.isfinite(few.value).all()


def test_bad_input_is_one_sentence():
    gain, score = queries(50)
    with pytest.raises(MetaRouterError, match="average is 'rank'; give 'queries' or 'usage'"):
        rank_weighted_effects(gain, score, average="rank")
    with pytest.raises(DataError, match="psi_hat"):
        rank_weighted_effects(gain, score[:-1])
    with pytest.raises(DataError, match="NaN for 1 of 50"):
        rank_weighted_effects(np.append(gain[:-1], np.nan), score)


def test_result_prints():
    effects = rank_weighted_effects(*queries())
    assert "autoc" in effects.to_markdown()
    assert r"\toprule" in effects.to_latex()
    assert "AUTOC" in effects.summary() or "autoc" in effects.summary()
    assert effects.plot() is not None


@pytest.mark.parametrize("method", ["half_sample", "influence"])
@pytest.mark.parametrize("average", ["usage", "queries"])
def test_rounding_is_no_worth_of_a_ranking_of_equal_gains(average, method):
    _, score = queries(200)
    effects = rank_weighted_effects(np.full(200, 0.7), score, average=average, method=method)
    assert effects.verdict.value == "INCONCLUSIVE"
    np.testing.assert_array_equal(effects.value, 0)
    np.testing.assert_array_equal(effects.p_value, 1)
