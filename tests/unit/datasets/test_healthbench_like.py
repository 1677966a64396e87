from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from metarouter.datasets import make_healthbench_like
from metarouter.exceptions import DataError
from paper_figures.healthbench_judge import generator_moments, judge_moments, published_shares


def normalised_difference(data) -> np.ndarray:
    """r - y after the variance of r is aligned with that of y (Remark 1 (2))."""
    return data.gold * data.preference.std() / data.gold.std() - data.preference


@pytest.mark.parametrize("judge", ["by_category", "assumed"])
@pytest.mark.parametrize("seed", range(2))
def test_the_published_facts_hold(seed: int, judge: str) -> None:
    data = make_healthbench_like(judge=judge, random_state=seed)
    difference = normalised_difference(data)
    assert data.X.shape == (5000, 768)
    assert data.n_paired == 5000
    assert set(np.unique(data.preference)) == {-1.0, 0.0, 1.0}
    # Section 4.1 and figure S2: mean around -0.47, two-sided t-test p < 2.2e-16.
    assert difference.mean() == pytest.approx(-0.47, abs=0.04)
    assert stats.ttest_1samp(difference, 0).pvalue < 2.2e-16
    assert data.truth.delta.mean() == pytest.approx(-0.47, abs=0.01)


def test_spread_of_the_bias_is_that_of_two_judges_over_categories() -> None:
    published = [judge_moments(frame) for _, frame in published_shares().groupby("judge")]
    spread = np.sqrt(np.mean([moments.spread**2 for moments in published]))
    correlation = np.mean([moments.correlation for moments in published])
    found = generator_moments("by_category")
    assert found.spread == pytest.approx(spread, abs=0.01)
    assert found.correlation == pytest.approx(correlation, abs=0.02)
    # Not fitted: how much of a vote's variance the query decides lies between the two judges.
    low, high = sorted(moments.predictable for moments in published)
    assert low < found.predictable < high
    assert generator_moments("assumed").correlation > 0.5


def test_embeddings_have_unit_length_low_rank_and_a_decaying_spectrum() -> None:
    X = make_healthbench_like(2000, random_state=0).X
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1)
    assert np.linalg.matrix_rank(X) == 257
    spectrum = np.linalg.svd(X - X.mean(axis=0), compute_uv=False) ** 2
    assert 0.65 < spectrum[:50].sum() / spectrum.sum() < 0.85


def test_truth_is_the_mean_of_the_labels() -> None:
    data = make_healthbench_like(200_000, 64, random_state=1)
    truth = data.truth
    for label, expected in ((data.gold, truth.gold_psi), (data.preference, truth.eta)):
        error = label - expected
        for part in np.array_split(np.argsort(expected), 10):
            assert abs(error[part].sum()) <= 4 * np.sqrt((error[part] ** 2).sum())
    np.testing.assert_array_equal(truth.delta, truth.psi - truth.eta)


def test_gold_scale_aligns_the_variances() -> None:
    data = make_healthbench_like(200_000, 64, random_state=2)
    ratio = data.preference.std() / data.gold.std()
    assert ratio == pytest.approx(data.truth.gold_scale, rel=0.01)


def test_the_unbiased_judge_votes_with_mean_psi_wherever_a_vote_can() -> None:
    data = make_healthbench_like(random_state=0, bias=0.0, heterogeneity=0.0)
    truth = data.truth
    possible = np.abs(truth.psi) <= 1
    np.testing.assert_allclose(truth.delta[possible], 0, atol=1e-12)
    assert possible.mean() > 0.97
    assert abs(normalised_difference(data).mean()) < 0.04


def test_bias_moves_the_mean_of_the_shift_and_heterogeneity_its_spread() -> None:
    def shift(bias: float, heterogeneity: float) -> np.ndarray:
        data = make_healthbench_like(3000, 64, bias=bias, heterogeneity=heterogeneity)
        return data.truth.delta

    assert shift(0.5, 0.0).mean() == pytest.approx(-0.28, abs=0.02)
    assert shift(0.0, 1.0).mean() == pytest.approx(0.0, abs=0.05)
    assert shift(0.5, 0.0).std() < 0.1 < shift(0.5, 0.5).std() < 0.25 < shift(0.5, 1.0).std()


def test_gains_are_moderately_predictable_and_favour_the_primary() -> None:
    data = make_healthbench_like(random_state=0)
    assert 0.15 < data.truth.gold_psi.var() / data.gold.var() < 0.3
    assert data.gold.mean() > 0
    assert np.abs(data.gold).max() <= 1


def test_the_seed_decides_everything() -> None:
    first, second = (make_healthbench_like(100, random_state=5) for _ in range(2))
    np.testing.assert_array_equal(first.X, second.X)
    np.testing.assert_array_equal(first.gold, second.gold)
    np.testing.assert_array_equal(first.preference, second.preference)
    other = make_healthbench_like(100, random_state=6)
    assert not np.array_equal(first.gold, other.gold)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_queries": 0}, "n_queries is 0"),
        ({"n_features": 10}, "n_features is 10"),
        ({"bias": np.nan}, "bias is nan"),
        ({"heterogeneity": np.inf}, "heterogeneity is inf"),
        ({"judge": "fair"}, "judge is 'fair'; give 'assumed' or 'by_category'"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_healthbench_like(**arguments)
