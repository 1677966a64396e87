from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from oracles import inference_tests as naive
from scipy.special import expit
from sklearn.ensemble import ExtraTreesClassifier

from metarouter.datasets import TrainingRows
from metarouter.exceptions import MetaRouterError
from metarouter.inference.diagnostics._sensitivity import (
    bias_bound,
    confounding_strength,
    linear_elements,
    nonparametric_elements,
    robustness_of_interval,
    robustness_value,
    scenario_like,
    sensitivity_analysis,
)
from metarouter.inference.labels import scaled_labels

LEVEL = 0.95


def known_nuisances():
    """200 labels with nuisances that are given: what DoubleML was asked below."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 2))
    p = expit(0.4 * x[:, 0])
    is_gold = rng.random(200) < p
    y = x[:, 0] + 0.5 * is_gold + rng.standard_normal(200)
    rows = TrainingRows(x, y, is_gold, None, None, np.arange(200))
    gold, preference = x[:, 0] + 0.45, x[:, 0] * 0.9 + 0.05
    fitted = SimpleNamespace(
        propensity_=p,
        gold_outcome_=gold,
        preference_outcome_=preference,
        marginal_outcome_=p * gold + (1 - p) * preference,
        overlap_=SimpleNamespace(in_overlap=np.ones(200, bool)),
    )
    return scaled_labels(rows, None), fitted


# DoubleML 0.11.4, DoubleMLIRM and DoubleMLPLR on the labels above with these nuisances as external
# predictions, sensitivity_analysis(cf_y=0.04, cf_d=0.05): estimate, its error, sigma2, nu2, bounds,
# errors of the bounds, robustness value.
DOUBLEML = {
    nonparametric_elements: (
        (0.7452539982393992, 0.14610249072043327, 1.05992183, 4.14629057),
        (0.6490662, 0.8414418, 0.14714262, 0.14519955, 0.29788108),
    ),
    linear_elements: (
        (0.7502032279803549, 0.14665590175859344, 1.03164465, 4.11540439),
        (0.65566129, 0.84474517, 0.14661289, 0.14683663, 0.30379411),
    ),
}


@pytest.mark.parametrize("elements_of", DOUBLEML)
def test_bounds_and_robustness_values_are_those_of_doubleml(elements_of):
    labels, fitted = known_nuisances()
    elements = elements_of(labels, fitted)
    (theta, theta_se, sigma2, nu2), (lower, upper, _, _, value) = DOUBLEML[elements_of]
    assert elements.theta == pytest.approx(theta, rel=1e-12)
    assert elements.sigma2 == pytest.approx(sigma2, rel=1e-8)
    assert elements.nu2 == pytest.approx(nu2, rel=1e-8)
    bound = bias_bound(elements, confounding_strength(0.04, 0.05), LEVEL)
    assert (bound.lower, bound.upper) == pytest.approx((lower, upper), rel=1e-7)
    assert np.linalg.norm(elements.influence[:, 0]) == pytest.approx(theta_se, rel=1e-10)
    assert robustness_value(elements, 0.0) == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("elements_of", DOUBLEML)
def test_errors_of_bounds_are_their_derivatives_which_doubleml_exchanges(elements_of):
    # DoubleML divides the score of theta by its derivative of -1 and the elements of the bound by
    # +1: the covariance of the two has the wrong sign, and the error of the lower bound is that of
    # the upper one.
    labels, fitted = known_nuisances()
    elements = elements_of(labels, fitted)
    strength = confounding_strength(0.04, 0.05)
    bound = bias_bound(elements, strength, LEVEL)
    *_, low_se, high_se, _ = DOUBLEML[elements_of][1]
    for sign, ours, theirs in ((-1, bound.lower_se, high_se), (1, bound.upper_se, low_se)):
        end = partial(naive.bound_of_shift, labels, fitted, elements_of.__name__, sign * strength)
        derivative = naive.influence_by_moving_weights(end, np.ones(200))
        # HC3 divides by 1 - 1/n where all weights are equal.
        assert ours * 199 / 200 == pytest.approx(np.sqrt(derivative @ derivative), rel=2e-3)
        assert theirs == pytest.approx(np.sqrt(derivative @ derivative), rel=1e-6)


def test_bounds_and_robustness_values_are_those_of_econml():
    theirs = pytest.importorskip("econml.validate.sensitivity_analysis")
    labels, fitted = known_nuisances()
    elements = linear_elements(labels, fitted)
    t, y = labels.is_gold - fitted.propensity_, labels.y - fitted.marginal_outcome_
    theta, sigma, nu, cov = theirs.dml_sensitivity_values(t, y)
    ours = (elements.theta, elements.sigma2, elements.nu2)
    assert ours == pytest.approx((float(theta), float(sigma), float(nu)), rel=1e-12)
    # econml takes the derivative of the moment of nu^2 with the wrong sign, and with it both of its
    # covariances (see the test of derivatives above).
    sign = np.array([[1, 1, -1], [1, 1, -1], [-1, -1, 1]])
    np.testing.assert_allclose(
        elements.influence.T @ elements.influence, sign * cov, rtol=1e-8, atol=1e-14
    )
    lower, upper = theirs.sensitivity_interval(
        theta, sigma, nu, cov, 0.05, 0.04, 0.05, 1.0, interval_type="theta"
    )
    bound = bias_bound(elements, confounding_strength(0.04, 0.05), LEVEL)
    assert (bound.lower, bound.upper) == pytest.approx((float(lower), float(upper)), rel=1e-10)
    value = theirs.RV(theta, sigma, nu, cov, 0.05, interval_type="theta")
    assert robustness_value(elements, 0.0) == pytest.approx(float(value), abs=1e-5)
    of_interval = theirs.RV(theta, sigma, nu, sign * cov, 0.05, interval_type="ci")
    # Student's t and HC3 make ours a little smaller.
    assert robustness_of_interval(elements, 0.0, LEVEL) == pytest.approx(
        float(of_interval), rel=0.03
    )
    assert robustness_of_interval(elements, 0.0, LEVEL) < float(of_interval)


def test_the_bounds_reach_the_null_at_the_robustness_value():
    elements = nonparametric_elements(*known_nuisances())
    for null in (0.0, 1.2):
        value = robustness_value(elements, null)
        bound = bias_bound(elements, confounding_strength(value, value), LEVEL)
        assert null in (pytest.approx(bound.lower), pytest.approx(bound.upper))
        value = robustness_of_interval(elements, null, LEVEL)
        bound = bias_bound(elements, confounding_strength(value, value), LEVEL)
        near = (pytest.approx(bound.interval_lower, abs=1e-6),)
        assert null in (*near, pytest.approx(bound.interval_upper, abs=1e-6))


def test_a_shift_that_is_not_significant_has_no_robustness():
    elements = nonparametric_elements(*known_nuisances())
    assert robustness_of_interval(elements, elements.theta + 0.1, LEVEL) == 0.0
    assert robustness_value(elements, elements.theta + 0.1) > 0


def test_gains_follow_doublemls_benchmarking():
    labels, fitted = known_nuisances()
    full = nonparametric_elements(labels, fitted)
    short = SimpleNamespace(**vars(fitted))
    short.propensity_ = np.full(200, labels.is_gold.mean())
    short.gold_outcome_ = np.full(200, labels.y[labels.is_gold].mean())
    short.preference_outcome_ = np.full(200, labels.y[~labels.is_gold].mean())
    without = nonparametric_elements(labels, short)
    gain = scenario_like("both", full, without, LEVEL)
    variance = labels.y.var()
    r2 = [1 - elements.sigma2 / variance for elements in (full, without)]
    assert gain.outcome.value == pytest.approx(min(1, (r2[0] - r2[1]) / (1 - r2[0])), rel=1e-6)
    ratio = without.nu2 / full.nu2
    assert gain.source.value == pytest.approx(max(0, (1 - ratio) / ratio))
    assert gain.change == pytest.approx(without.theta - full.theta)
    assert gain.outcome.lower <= gain.outcome.value <= gain.outcome.upper


def test_a_feature_that_confounds_is_stronger_than_one_that_does_not(make):
    found = sensitivity_analysis(
        make.labelled(3000, tilt=1.0),
        benchmark=["a", "c"],
        nuisances=make.recipe(),
        scaling=None,
        random_state=0,
    )
    names = [scenario.name for scenario in found.scenarios]
    assert names == ["as assumed", "like a", "like c", "strongest of these"]
    _, confounder, noise, strongest = found.scenarios
    assert confounder.outcome.lower > 0.3
    assert confounder.common > 10 * noise.common
    assert strongest.common >= confounder.common
    assert confounder.change != 0


def test_features_may_be_left_out_together(make):
    found = sensitivity_analysis(
        make.labelled(), benchmark={"both": ["a", 1]}, nuisances=make.recipe(), random_state=0
    )
    assert [scenario.name for scenario in found.scenarios] == ["as assumed", "like both"]


def test_the_only_feature_may_be_left_out(make):
    from dataclasses import replace

    data = make.labelled()
    single = replace(data, X=data.X[:, :1], feature_names=["a"])
    found = sensitivity_analysis(single, nuisances=make.recipe(), random_state=0)
    assert found.scenarios[1].outcome.value > 0


def test_verdicts_compare_with_what_was_observed(make):
    settings = {"nuisances": make.recipe(), "scaling": None, "random_state": 0}
    weak = sensitivity_analysis(make.labelled(3000, mean=-1.0, tilt=0.1), **settings)
    assert str(weak.verdict) == "PASS"
    strong = sensitivity_analysis(make.labelled(3000, mean=-0.15, slope=0, tilt=1.5), **settings)
    assert str(strong.verdict) in ("FAIL", "INCONCLUSIVE")
    none = sensitivity_analysis(make.labelled(3000), benchmark=None, **settings)
    assert str(none.verdict) == "CAUTION"
    assert "no yardstick" in none.reason


def test_queries_with_both_labels_cannot_differ(make):
    found = sensitivity_analysis(
        make.labelled(300, both=True), nuisances=make.recipe(), random_state=0
    )
    assert str(found.verdict) == "PASS"
    assert "Every query carries both labels" in found.reason


def test_what_is_not_significant_is_open_and_leaves_the_count_to_the_test_of_the_mean(make):
    found = sensitivity_analysis(
        make.labelled(300, mean=0.05, slope=0), nuisances=make.recipe(), random_state=0
    )
    assert found.robustness_interval == 0
    assert str(found.verdict) == "INCONCLUSIVE"
    assert found.needed is None
    assert "the test of the mean shift says" in found.reason


def test_too_few_labels_give_no_number(make):
    found = sensitivity_analysis(make.labelled(30))
    assert str(found.verdict) == "INCONCLUSIVE"
    assert np.isnan(found.robustness)
    assert found.to_frame().empty
    assert "30 would do" in found.summary()


def test_weights_whose_variance_is_estimated_below_zero_leave_the_verdict_open(make):
    forest = ExtraTreesClassifier(20, random_state=0)  # its propensities reach 0 and 1
    noisy = make.recipe().set_params(propensity=forest)
    found = sensitivity_analysis(make.labelled(400, tilt=0.0), nuisances=noisy, random_state=0)
    assert str(found.verdict) == "INCONCLUSIVE"
    assert "no bound follows" in found.reason
    assert found.scenarios == ()
    assert np.isnan(found.robustness)


def test_choices_that_mean_nothing_are_refused(make):
    data = make.labelled()
    with pytest.raises(MetaRouterError, match="source_strength is 1; give a number"):
        sensitivity_analysis(data, source_strength=1)
    with pytest.raises(MetaRouterError, match="rho is 2; give a number"):
        sensitivity_analysis(data, rho=2)
    with pytest.raises(MetaRouterError, match="method is 'iv'; give 'aipw' or 'overlap'"):
        sensitivity_analysis(data, method="iv")
    with pytest.raises(MetaRouterError, match="benchmark names 'z'"):
        sensitivity_analysis(data, benchmark=["z"], nuisances=make.recipe())


def test_the_picture_shows_bounds_and_features(make):
    found = sensitivity_analysis(
        make.labelled(1000, tilt=1.0), nuisances=make.recipe(), random_state=0
    )
    ax = found.plot()
    assert {text.get_text() for text in ax.texts} <= {scenario.name for scenario in found.scenarios}
    assert f"robustness value {found.robustness_interval:.3f}" in [
        text.get_text() for text in ax.get_legend().get_texts()
    ]


def test_the_legend_of_too_few_labels_calls_the_robustness_unknown(make):
    legend = sensitivity_analysis(make.labelled(12)).plot().get_legend()
    assert "robustness value unknown" in [text.get_text() for text in legend.get_texts()]
