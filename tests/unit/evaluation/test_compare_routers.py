from __future__ import annotations

import numpy as np
import pytest

from metarouter.evaluation import compare_routers, efficiency_gain_curve
from metarouter.exceptions import DataError, MetaRouterError


@pytest.fixture
def test_set():
    rng = np.random.default_rng(0)
    psi = rng.normal(size=300)
    gain = psi + rng.normal(size=300)
    return gain, {
        "pooled": psi + 2 * rng.normal(size=300),
        "r_learner": psi + 0.3 * rng.normal(size=300),
    }


def test_areas_and_errors_are_those_of_the_single_curves(test_set):
    gain, predictions = test_set
    comparison = compare_routers(gain, predictions)
    for k, psi_hat in enumerate(predictions.values()):
        curve = efficiency_gain_curve(gain, psi_hat)
        assert comparison.area[k] == pytest.approx(curve.area)
        assert comparison.area_se[k] == pytest.approx(curve.area_se)


def test_a_router_does_not_differ_from_itself_or_from_a_monotone_copy(test_set):
    gain, predictions = test_set
    psi_hat = predictions["pooled"]
    comparison = compare_routers(gain, {"pooled": psi_hat, "copy": np.exp(psi_hat)})
    assert comparison.difference == pytest.approx([0, 0], abs=1e-12)
    assert comparison.difference_se == pytest.approx([0, 0], abs=1e-12)


def test_paired_error_agrees_with_the_bootstrap(test_set):
    gain, predictions = test_set
    comparison = compare_routers(gain, predictions)
    rng = np.random.default_rng(1)
    resampled = []
    for rows in rng.integers(gain.size, size=(1000, gain.size)):
        area = [efficiency_gain_curve(gain[rows], s[rows]).area for s in predictions.values()]
        resampled.append(area[1] - area[0])
    assert comparison.difference_se[1] == pytest.approx(np.std(resampled), rel=0.1)


def test_reference_is_the_first_router_unless_another_is_named(test_set):
    gain, predictions = test_set
    forth = compare_routers(gain, predictions)
    back = compare_routers(gain, predictions, reference="r_learner")
    assert forth.reference == "pooled"
    assert back.difference[0] == pytest.approx(-forth.difference[1])


def test_intervals_widen_with_the_level(test_set):
    narrow, wide = (compare_routers(*test_set, level=level).to_frame() for level in (0.5, 0.99))
    assert (wide.ci_low < narrow.ci_low).all()
    assert (wide.ci_high > narrow.ci_high).all()


def test_copies_of_a_query_in_one_group_add_no_certainty(test_set):
    gain, predictions = test_set
    once = compare_routers(gain, predictions)
    copied = compare_routers(
        np.tile(gain, 2),
        {name: np.tile(score, 2) for name, score in predictions.items()},
        groups=np.tile(np.arange(300), 2),
    )
    assert copied.difference_se == pytest.approx(once.difference_se)


def test_summary_prints_every_router_and_says_what_the_errors_hold(test_set):
    text = compare_routers(*test_set).summary()
    for part in ("pooled", "r_learner", "vs pooled", "queries: 300", "training"):
        assert part in text


def test_a_router_with_missing_predictions_is_named(test_set):
    gain, predictions = test_set
    predictions["broken"] = np.full(300, np.nan)
    with pytest.raises(DataError, match="psi_hat of broken is NaN for 300 of 300"):
        compare_routers(gain, predictions)


def test_a_router_of_other_length_is_named(test_set):
    with pytest.raises(DataError, match="psi_hat of short has 2 entries but gold_gain has 300"):
        compare_routers(test_set[0], {"short": [1, 2]})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"reference": "ghost"}, "'ghost' is not among the routers: choose one of pooled, r_"),
        ({"level": 95}, "level is 95; give a confidence level between 0 and 1"),
    ],
)
def test_unusable_settings_are_refused(test_set, options, sentence):
    with pytest.raises(MetaRouterError, match=sentence):
        compare_routers(*test_set, **options)


def test_no_routers_are_refused(test_set):
    with pytest.raises(MetaRouterError, match="at least one router"):
        compare_routers(test_set[0], {})
