from __future__ import annotations

import numpy as np
import pytest

from metarouter.datasets import make_judged_queries
from metarouter.exceptions import DataError


@pytest.mark.parametrize("levels", [None, 3])
@pytest.mark.parametrize("overlap", [1.0, 0.4])
def test_truth_is_the_mean_of_the_labels(levels: int | None, overlap: float) -> None:
    data = make_judged_queries(
        200_000,
        6,
        gold_share=0.5,
        pairing=0.5,
        overlap=overlap,
        preference_levels=levels,
        random_state=1,
    )
    truth = data.truth
    for label, expected in ((data.gold, truth.gold_psi), (data.preference, truth.eta)):
        known = ~np.isnan(label)
        error, expected = (label - expected)[known], expected[known]
        parts = np.array_split(np.argsort(expected), 10)
        for part in parts:
            assert abs(error[part].sum()) <= 4 * np.sqrt((error[part] ** 2).sum())
    np.testing.assert_allclose(truth.delta, truth.psi - truth.eta, atol=1e-12)


@pytest.mark.parametrize("pairing", [0.0, 0.5, 1.0])
def test_propensity_is_the_share_of_gold_among_the_training_rows(pairing: float) -> None:
    data = make_judged_queries(
        200_000, 6, gold_share=0.3, overlap=0.5, pairing=pairing, random_state=2
    )
    rows = data.training_rows()
    propensity = data.truth.propensity[rows.query]
    for part in np.array_split(np.argsort(propensity), 10):
        spread = np.sqrt((propensity[part] * (1 - propensity[part])).mean() / part.size)
        assert abs(rows.is_gold[part].mean() - propensity[part].mean()) < 4 * spread
    assert data.n_gold / data.n_queries == pytest.approx(0.3, abs=0.005)


def test_bias_and_heterogeneity_are_the_moments_of_the_shift() -> None:
    shift = make_judged_queries(200_000, 6, bias=0.7, heterogeneity=0.3).truth.delta
    assert shift.mean() == pytest.approx(-0.7, abs=0.005)
    assert shift.std() == pytest.approx(0.3, abs=0.005)
    psi = make_judged_queries(200_000, 6).truth.psi
    assert psi.std() == pytest.approx(1.0, abs=0.01)
    assert psi.mean() == pytest.approx(0.3, abs=0.01)


def test_shift_is_zero_when_the_judge_is_unbiased() -> None:
    truth = make_judged_queries(500, bias=0, heterogeneity=0, random_state=0).truth
    assert not truth.delta.any()
    np.testing.assert_array_equal(truth.psi, truth.eta)


def test_noise_zero_makes_labels_equal_to_the_truth() -> None:
    data = make_judged_queries(300, noise=0, pairing=1, gold_share=1, random_state=0)
    np.testing.assert_allclose(data.gold, data.truth.psi)
    np.testing.assert_allclose(data.preference, data.truth.eta)


def test_every_query_carries_both_labels_when_all_are_gold_and_paired() -> None:
    data = make_judged_queries(300, pairing=1, gold_share=1, random_state=0)
    assert data.n_gold == data.n_preference == data.n_paired == 300
    np.testing.assert_array_equal(data.truth.propensity, 0.5)


def test_no_query_is_left_without_a_label() -> None:
    data = make_judged_queries(2000, gold_share=0.5, pairing=0.3, overlap=0.3, random_state=0)
    assert (data.has_gold | data.has_preference).all()
    assert data.n_paired / data.n_gold == pytest.approx(0.3, abs=0.06)


def test_votes_take_three_values_and_their_scale_is_that_of_the_labels() -> None:
    data = make_judged_queries(
        200_000, 6, preference_levels=3, gold_share=1, pairing=1, random_state=0
    )
    assert set(np.unique(data.preference)) == {-1.0, 0.0, 1.0}
    ratio = data.preference.std() / data.gold.std()
    assert ratio == pytest.approx(data.truth.gold_scale, rel=0.01)


def test_overlap_one_is_a_randomised_design() -> None:
    assert np.ptp(make_judged_queries(100, overlap=1.0).truth.propensity) == 0
    spread = [np.ptp(make_judged_queries(500, overlap=o).truth.propensity) for o in (0.8, 0.5, 0.2)]
    assert 0 < spread[0] < spread[1] < spread[2]


def test_the_seed_decides_everything() -> None:
    first, second = (make_judged_queries(50, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(first.X, second.X)
    np.testing.assert_array_equal(first.gold, second.gold)
    np.testing.assert_array_equal(first.preference, second.preference)


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("n_queries", 0),
        ("n_features", 5),
        ("bias", np.nan),
        ("overlap", 0.0),
        ("noise", -1.0),
        ("gold_share", 1.5),
        ("pairing", -0.1),
        ("preference_levels", 5),
    ],
)
def test_switches_out_of_range_are_refused(switch: str, value: float) -> None:
    with pytest.raises(
        DataError, match=f"^{switch} is {value}(, but it must be |; give a finite number)"
    ):
        make_judged_queries(**{switch: value})
